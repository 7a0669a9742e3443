// What a provider's web server may hand out in place of metadata.jws. Signed by our own key, so
// that the payload's reader is reached: the input is the payload, and once more the whole page.
#include <array>
#include <cstdint>

#include "attest/metadata.h"
#include "attest/policy.h"
#include "support/trust_maker.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey;  // NOLINT(google-build-using-namespace)
  constexpr WallTime kNow{1'790'000'000};
  static const testing::Provider provider(kNow);
  static const std::array<Bytes, 1> anchors = {provider.root};
  static const std::array<Bytes, 1> chain = {provider.certificate};
  const std::string_view text = as_text(ByteSpan(data, size));
  static_cast<void>(attest::verify_metadata(text, anchors, kNow));
  static_cast<void>(attest::parse_policy(text));
  const auto read =
      attest::verify_metadata(attest::sign_metadata(text, *provider.key, chain), anchors, kNow);
  if (!read) {
    return 0;
  }
  // Whatever was understood is within the limits and can be said again. (Longer descriptions than
  // we write are shortened, so the second reading is the one that stays.)
  const auto again = attest::encode_metadata(read->metadata);
  if (again) {
    const auto second =
        attest::verify_metadata(attest::sign_metadata(*again, *provider.key, chain), anchors, kNow);
    LATCHKEY_CHECK(second.has_value() && second->metadata.no == read->metadata.no);
    LATCHKEY_CHECK(second->metadata.entries.size() == read->metadata.entries.size());
  }
  return 0;
}
