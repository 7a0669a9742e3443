// Certificates of makers and providers: chains that others issued, judged by OpenSSL's own path
// validation (RFC 5280), and the plain ones that our tools issue. Not the per-grant certificates of
// x509.h, which are of one exact shape.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "crypto/error.h"
#include "crypto/keys.h"

namespace latchkey::crypto {

inline constexpr std::size_t kMaxChain = 4;  // without the root

// The end of a chain: P-256, not a CA, may sign (digitalSignature where keyUsage is there).
struct ChainLeaf {
  PublicKey key;
  std::optional<ByteArray<16>> aaguid;  // id-fido-gen-ce-aaguid, 1.3.6.1.4.1.45724.1.1.4
  WallTime not_before;
  WallTime not_after;
};
// Reads the leaf alone; nobody vouches for it yet. kMalformed where it is a CA, of another kind of
// key, or its AAGUID extension is critical or not 16 bytes in an OCTET STRING.
Result<ChainLeaf> read_chain_leaf(ByteSpan der);
// Whether x5c (leaf first, 1 to kMaxChain, without the root) leads to one of `anchors` at `now`:
// signatures, dates, CA flags, path lengths, key usage, at least 112 bits everywhere, no extension
// left that is critical and unknown. kBadSignature says why not.
Result<ChainLeaf> verify_chain(std::span<const Bytes> x5c, std::span<const Bytes> anchors,
                               WallTime now);

// What our tools issue. All P-256.
struct IssueFields {
  std::string common_name;
  std::string organization;  // may be empty
  WallTime not_before;
  WallTime not_after;
  std::optional<int> ca_path_length;    // set: a CA
  std::optional<ByteArray<16>> aaguid;  // leaves
};
struct Issuer {
  PrivateKey key;
  Bytes certificate;  // DER
};

Result<Bytes> issue_certificate(const IssueFields& fields, const PublicKey& key,
                                const Issuer& issuer, Random& random);
Result<Bytes> issue_root(const IssueFields& fields, const PrivateKey& key, Random& random);
// Subject's CN, or empty: for messages.
std::string certificate_name(ByteSpan der);
// Whether it names itself as its issuer: a root does not travel in a chain.
bool is_self_issued(ByteSpan der);
// Whether it says that it is a CA (basicConstraints).
bool is_ca_certificate(ByteSpan der);

// PEM (RFC 7468). Certificates in order, at most kMaxPemCertificates; other blocks are skipped.
inline constexpr std::size_t kMaxPem = 262144;
inline constexpr std::size_t kMaxPemCertificates = 64;
Result<std::vector<Bytes>> certificates_from_pem(std::string_view pem);
std::string certificates_to_pem(std::span<const Bytes> certificates);
// "PRIVATE KEY" (PKCS#8) or "EC PRIVATE KEY", unencrypted, P-256.
Result<PrivateKey> private_key_from_pem(std::string_view pem);
std::string private_key_to_pem(const PrivateKey& key);        // PKCS#8; the caller wipes it
Result<PublicKey> public_key_from_pem(std::string_view pem);  // "PUBLIC KEY"
std::string public_key_to_pem(const PublicKey& key);

}  // namespace latchkey::crypto
