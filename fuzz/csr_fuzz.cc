// Certificate requests. What is accepted gets a certificate that fits its template, and no more.
#include <cstdint>
#include <cstdlib>

#include "base/result.h"
#include "crypto/x509.h"
#include "pki/pki.h"
#include "support/fake_random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey;  // NOLINT(google-build-using-namespace)
  constexpr WallTime kNow{1'800'000'000};
  static testing::FakeRandom random;
  static const HostName host = *HostName::parse("media-cache-k3f7x2m7q4ab.local");
  static const auto root = *pki::make_user_root(crypto::PrivateKey::generate(), {}, kNow, random);
  static const auto ca = *pki::make_grant_ca(root, host, kNow, random);
  const ByteSpan csr(data, size);
  const auto key = pki::accept_csr(csr, {});
  if (!key) {
    return 0;
  }
  LATCHKEY_CHECK(size <= crypto::kMaxCsrSize);
  const auto leaf = pki::issue_leaf(ca, host, *key, kNow, random);
  LATCHKEY_CHECK(leaf.has_value());
  const auto info = pki::check_chain(*leaf, ca.certificate, root.certificate, host, kNow);
  LATCHKEY_CHECK(info.has_value() && info->key == *key);
  return 0;
}
