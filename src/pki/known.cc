#include "pki/known.h"

#include <algorithm>

#include "crypto/hash.h"

namespace latchkey::pki {

std::shared_ptr<const crypto::ParsedCertificate> Known::parse(ByteSpan der) {
  const Digest256 name = crypto::sha256(der);
  const auto known = std::find_if(parsed_.begin(), parsed_.end(),
                                  [&](const auto& one) { return one.first == name; });
  if (known != parsed_.end()) {
    return known->second;
  }
  auto parsed = crypto::parse_certificate(der);
  if (!parsed) {
    return nullptr;
  }
  auto shared = std::make_shared<const crypto::ParsedCertificate>(*std::move(parsed));
  if (parsed_.size() >= kAtMost) {
    parsed_.pop_front();
  }
  parsed_.emplace_back(name, shared);
  return shared;
}

bool Known::is_signed(ByteSpan der, const crypto::PublicKey& issuer) {
  // The key has a fixed length, so no two pairs give the same bytes.
  const Digest256 name = crypto::sha256({ByteSpan(issuer.point()), der});
  if (std::find(signed_.begin(), signed_.end(), name) != signed_.end()) {
    return true;
  }
  if (!crypto::certificate_signed_by(der, issuer)) {
    return false;
  }
  if (signed_.size() >= kAtMost) {
    signed_.pop_front();
  }
  signed_.push_back(name);
  return true;
}

}  // namespace latchkey::pki
