// The templates of docs/protocol.md section 5, in one place: both what is signed and what is
// accepted is compared with these. Private to src/pki.
#pragma once

#include <span>
#include <string>

#include "crypto/x509.h"
#include "pki/pki.h"

namespace latchkey::pki {

inline constexpr const char* kRootName = "Latchkey user root";
inline constexpr const char* kGrantCaName = "Latchkey grant CA";

struct Dates {
  WallTime not_before;
  WallTime not_after;
};

crypto::CertificateFields root_profile(const crypto::PublicKey& key,
                                       std::span<const std::string> excluded, Dates dates);
crypto::CertificateFields grant_ca_profile(const crypto::PublicKey& key, const Bytes& root_key_id,
                                           const HostName& host, Dates dates);
crypto::CertificateFields leaf_profile(const crypto::PublicKey& key, const Bytes& ca_key_id,
                                       const HostName& host, Dates dates);

// Signs, parses the result and compares it with what was asked for.
Result<Bytes> sign_checked(crypto::CertificateFields fields, const crypto::PublicKey& key,
                           const crypto::PrivateKey& issuer, Random& random,
                           Known* known = nullptr);

Error from_crypto(const crypto::Error& error);

}  // namespace latchkey::pki
