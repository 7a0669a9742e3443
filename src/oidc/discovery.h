// What a provider says of itself: the discovery document (OpenID Connect Discovery section 3,
// RFC 8414) and its keys (RFC 7517).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/jose.h"
#include "oidc/error.h"

namespace latchkey::oidc {

inline constexpr std::size_t kMaxDocument = 65536;  // bytes of either document
inline constexpr std::size_t kMaxKeys = 32;

struct Metadata {
  std::string issuer;
  std::string authorization_endpoint, token_endpoint, jwks_uri;
  // Empty: the provider has none.
  std::string end_session_endpoint, introspection_endpoint, revocation_endpoint;
  std::string device_authorization_endpoint, registration_endpoint;
  bool says_iss = false;  // RFC 9207: its answers name it
};

// `issuer`: whom we asked. The document must name exactly that one, every address must be https,
// and it must not rule out what we need: the code flow, S256, one of our algorithms. Endpoints may
// be on other hosts.
Result<Metadata> read_metadata(std::string_view document, std::string_view issuer);

// Where it is: the issuer and "/.well-known/openid-configuration".
std::string metadata_url(std::string_view issuer);

// A provider's signing keys. Keys of kinds that we do not know, for encryption, too small or
// symmetric are left out; a set with more than kMaxKeys is refused whole.
class KeySet {
 public:
  static Result<KeySet> read(std::string_view document);

  // The one key for a token with this header. An empty `kid` (none was named) finds a key only
  // where there is just one for the algorithm. A key that names an algorithm is for it alone.
  [[nodiscard]] const crypto::JwsKey* find(std::string_view kid,
                                           crypto::JwsAlgorithm algorithm) const;
  [[nodiscard]] std::size_t size() const { return keys_.size(); }

 private:
  struct Entry {
    std::string kid;
    std::optional<crypto::JwsAlgorithm> algorithm;
    crypto::JwsKey key;
  };
  std::vector<Entry> keys_;
};

}  // namespace latchkey::oidc
