// Certificates that a device or an agent shows. What parses can be built again from its fields.
#include <cstdint>

#include "base/result.h"
#include "crypto/x509.h"
#include "pki/pki.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey;  // NOLINT(google-build-using-namespace)
  const ByteSpan der(data, size);
  static const auto signer = crypto::PrivateKey::generate();
  // None of these may crash, whatever they say.
  static_cast<void>(crypto::certificate_key(der));
  static_cast<void>(crypto::certificate_signed_by(der, signer.public_key()));
  static_cast<void>(pki::check_root(der, {1'800'000'000}));
  const auto parsed = crypto::parse_certificate(der);
  if (!parsed) {
    return 0;
  }
  const auto built = crypto::build_certificate(parsed->fields, parsed->key, signer);
  LATCHKEY_CHECK(built.has_value());
  const auto again = crypto::parse_certificate(*built);
  LATCHKEY_CHECK(again.has_value() && again->fields == parsed->fields);
  return 0;
}
