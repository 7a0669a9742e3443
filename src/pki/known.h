// Certificates that were read before and signatures that were checked before. Both are facts that
// no time changes, and cost more than all else about a renewal: its CA is read four times, and the
// root's own signature would be checked twice. Dates are not remembered: they are judged each time.
//
// Holds a few: what one grant needs from its renewal's beginning to its end. One thread.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "crypto/x509.h"

namespace latchkey::pki {

class Known {
 public:
  static constexpr std::size_t kAtMost = 32;  // of each, about 2 KiB a certificate
  // crypto::parse_certificate; nullptr: it fits no template.
  std::shared_ptr<const crypto::ParsedCertificate> parse(ByteSpan der);
  // crypto::certificate_signed_by
  bool is_signed(ByteSpan der, const crypto::PublicKey& issuer);

 private:
  std::deque<std::pair<Digest256, std::shared_ptr<const crypto::ParsedCertificate>>> parsed_;
  std::deque<Digest256> signed_;
};

}  // namespace latchkey::pki
