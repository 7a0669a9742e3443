// Tickets. The input is tried as it is, and as header and payload (cut at the first zero byte)
// under a good signature, since nothing else gets past the signature. What is accepted is what
// minting it again would say.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/encoding.h"
#include "base/result.h"
#include "grant/ticket.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey;  // NOLINT(google-build-using-namespace)
  static const auto key = crypto::PrivateKey::generate();
  const ByteSpan input(data, size);
  LATCHKEY_CHECK(!grant::verify_ticket(as_text(input), key.public_key()));
  const auto cut = static_cast<std::size_t>(std::find(data, data + size, 0) - data);
  const std::string signed_part =
      base64url_encode(input.first(cut)) + "." +
      base64url_encode(cut == size ? ByteSpan{} : input.subspan(cut + 1));
  const std::string jws = signed_part + "." + base64url_encode(key.sign_raw(as_bytes(signed_part)));
  const auto claims = grant::verify_ticket(jws, key.public_key());
  if (claims) {
    LATCHKEY_CHECK(jws.size() <= grant::kMaxTicket);
    const auto again = grant::verify_ticket(grant::mint_ticket(*claims, key), key.public_key());
    LATCHKEY_CHECK(again.has_value());
    LATCHKEY_CHECK(again->grant == claims->grant && again->host == claims->host &&
                   again->origin == claims->origin && again->sub == claims->sub &&
                   again->issued == claims->issued && again->expires == claims->expires &&
                   again->id == claims->id && again->nonce == claims->nonce);
  }
  return 0;
}
