// What an identity provider sends: the discovery document, the key set, ID tokens, and the answers
// of its endpoints. The first byte says which. Tokens are tried as they are, and as header and
// payload (cut at the first zero byte) under a good signature, since nothing else gets past the
// signature.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/encoding.h"
#include "base/result.h"
#include "oidc/discovery.h"
#include "oidc/id_token.h"
#include "oidc/messages.h"
#include "oidc/url.h"
#include "support/token_maker.h"

namespace {

using namespace latchkey;        // NOLINT(google-build-using-namespace)
using namespace latchkey::oidc;  // NOLINT(google-build-using-namespace)

const testing::TokenMaker& maker() {
  static const testing::TokenMaker made;
  return made;
}

void try_documents(std::string_view text) {
  if (const auto metadata = read_metadata(text, maker().issuer)) {
    for (const std::string* url :
         {&metadata->authorization_endpoint, &metadata->token_endpoint, &metadata->jwks_uri}) {
      LATCHKEY_CHECK(is_https_url(*url) && origin_of(*url).starts_with("https://"));
    }
    LATCHKEY_CHECK(metadata->issuer == maker().issuer);
  }
  if (const auto keys = KeySet::read(text)) {
    LATCHKEY_CHECK(keys->size() <= kMaxKeys);
  }
}

void try_answers(std::string_view text) {
  if (const auto tokens = read_tokens(200, text)) {
    LATCHKEY_CHECK(!tokens->access.empty() && tokens->access.size() <= kMaxToken);
    LATCHKEY_CHECK(tokens->refresh.size() <= kMaxToken);
  }
  if (const auto no = read_tokens(400, text); !no) {
    LATCHKEY_CHECK(no.error().detail.size() <= 64);
  }
  (void)read_introspection(200, text);
  if (const auto codes = read_device_codes(200, text)) {
    LATCHKEY_CHECK(is_https_url(codes->verification_uri) && codes->interval >= seconds(1));
  }
  if (const auto client = read_registration(201, text)) {
    LATCHKEY_CHECK(is_client_id(client->client.id));
  }
}

void try_token(ByteSpan input) {
  static const KeySet keys = *KeySet::read(maker().jwks());
  const auto check = [](std::string_view token) -> oidc::Result<Identity> {
    const auto header = read_header(token);
    const auto* key = header ? keys.find(header->kid, header->algorithm) : nullptr;
    if (key == nullptr) {
      return refuse(ErrorCode::kBadSignature, "");
    }
    const Expected expected{maker().issuer, "device", "n1", "", {}, nullptr, "groups"};
    return check_id_token(token, *header, *key, expected, {1'800'000'000});
  };
  LATCHKEY_CHECK(!check(as_text(input)));
  const auto cut =
      static_cast<std::size_t>(std::find(input.begin(), input.end(), 0) - input.begin());
  const std::string signed_part =
      base64url_encode(input.first(cut)) + "." +
      base64url_encode(cut == input.size() ? ByteSpan{} : input.subspan(cut + 1));
  const auto who =
      check(signed_part + "." + base64url_encode(maker().key.sign_raw(as_bytes(signed_part))));
  if (who) {
    LATCHKEY_CHECK(!who->subject.empty() && who->subject.size() <= kMaxSubject);
    LATCHKEY_CHECK(who->groups.size() <= kMaxGroups && who->issuer == maker().issuer);
    LATCHKEY_CHECK(WallTime{1'800'000'000} - kClockTolerance < who->expires);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const ByteSpan input(data + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      try_documents(as_text(input));
      break;
    case 1:
      try_answers(as_text(input));
      break;
    default:
      try_token(input);
  }
  return 0;
}
