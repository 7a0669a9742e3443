// PKCS#10 requests (RFC 2986) and X.509 certificates (RFC 5280), read and written through OpenSSL's
// ASN.1 templates. Not X509_REQ and X509: in OpenSSL 3.0 those send every public key through a
// decoder that costs more than the signature check itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "crypto/error.h"
#include "crypto/keys.h"

namespace latchkey::crypto {

inline constexpr std::size_t kMaxCsrSize = 4096;
inline constexpr std::size_t kMaxCertificateSize = 8192;

// The public key of a request whose self-signature (ecdsa-with-SHA256) holds. Its names and
// extensions are not even read. Errors: kMalformed (also trailing bytes, or over kMaxCsrSize),
// kUnsupported, kBadSignature.
Result<PublicKey> verify_csr(ByteSpan der);
// A request with an empty subject and no attributes.
Bytes make_csr(const PrivateKey& key);

enum class KeyUsage { kCertAndCrlSign, kDigitalSignature };

// Everything that a certificate of this project can say. What is not here is absent from it.
struct CertificateFields {
  ByteArray<16> serial{};  // written as a positive INTEGER
  std::string subject_cn;  // UTF8String, the only attribute
  std::string issuer_cn;
  WallTime not_before;
  WallTime not_after;
  std::optional<int> ca_path_length;  // set: a CA with this path length; not set: not a CA
  KeyUsage key_usage = KeyUsage::kDigitalSignature;
  bool server_auth = true;                 // extendedKeyUsage serverAuth, alone
  std::vector<std::string> permitted_dns;  // nameConstraints; not empty: also excludes all IPs
  std::vector<std::string> excluded_dns;
  std::optional<std::string> dns_name;  // subjectAltName, alone
  Bytes subject_key_id;                 // first 20 bytes of SHA-256 of the public key's BIT STRING
  Bytes authority_key_id;
  friend bool operator==(const CertificateFields&, const CertificateFields&) = default;
};

struct ParsedCertificate {
  CertificateFields fields;
  PublicKey key;
};

// The key identifier that certificates here use for `key`.
Bytes key_identifier(const PublicKey& key);

// Signs with ecdsa-with-SHA256. basicConstraints, keyUsage and nameConstraints are critical.
Result<Bytes> build_certificate(const CertificateFields& fields, const PublicKey& key,
                                const PrivateKey& issuer_key);

// Reads a certificate that must be of exactly the shape that build_certificate writes: version 3,
// ecdsa-with-SHA256, a P-256 key, no extension that CertificateFields cannot hold, each one once,
// the criticality above. Anything else is kMalformed. Does not check the signature.
Result<ParsedCertificate> parse_certificate(ByteSpan der);

// Whether `issuer` signed the certificate's bytes.
bool certificate_signed_by(ByteSpan der, const PublicKey& issuer);

// The SubjectPublicKeyInfo of any certificate (for the bootstrap certificate a stranger shows);
// P-256 only.
Result<PublicKey> certificate_key(ByteSpan der);

// A self-signed certificate around a key, for channels where only the key counts: no names, valid
// for the whole of time as far as X.509 can say.
Bytes make_bare_certificate(const PrivateKey& key);

// RFC 5280 path validation by OpenSSL for a TLS server named `host`: leaf <- intermediate <- root.
// An independent second opinion to parse_certificate.
Result<void> verify_server_chain(ByteSpan leaf, ByteSpan intermediate, ByteSpan root,
                                 std::string_view host, WallTime now);

}  // namespace latchkey::crypto
