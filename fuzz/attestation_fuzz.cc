// The certificate and the proof that a stranger's device shows, what is kept of it, and a model's
// record. The input is the leaf certificate; the same bytes once more as stored evidence and as a
// record.
#include <cstdint>

#include "attest/models.h"
#include "attest/statement.h"
#include "crypto/chain.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey;  // NOLINT(google-build-using-namespace)
  const Bytes bytes(data, data + size);
  constexpr WallTime kNow{1'790'000'000};
  const wire::Attestation shown{"packed", Bytes(8, 0x30), {bytes}};
  const auto verified = attest::verify_attestation(shown, {}, {}, kNow);
  LATCHKEY_CHECK(!verified.has_value());  // nobody signed that
  const auto leaf = crypto::read_chain_leaf(bytes);
  if (leaf) {
    const std::vector<Bytes> chain = {bytes};
    LATCHKEY_CHECK(!crypto::verify_chain(chain, {}, kNow).has_value());
    static_cast<void>(crypto::verify_chain(chain, chain, kNow));
  }
  static_cast<void>(crypto::certificates_from_pem(as_text(bytes)));
  static_cast<void>(crypto::public_key_from_pem(as_text(bytes)));
  if (const auto evidence = attest::decode_evidence(bytes)) {
    const auto again = attest::decode_evidence(attest::encode_evidence(*evidence));
    LATCHKEY_CHECK(again.has_value() && again->x5c == evidence->x5c && again->key == evidence->key);
  }
  if (const auto info = attest::decode_model(bytes)) {
    const auto again = attest::decode_model(attest::encode_model(*info));
    LATCHKEY_CHECK(again.has_value() && again->roots == info->roots);
  }
  return 0;
}
