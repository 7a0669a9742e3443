#include "agent/proof.h"

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "crypto/hash.h"
#include "crypto/x509.h"

namespace latchkey::agent {

nlohmann::json proof_json(const grant::AgentGrant& grant, const grant::Unconfirmed& unconfirmed) {
  using nlohmann::json;
  json keys = json::array();
  if (!grant.leaf.empty()) {
    if (const auto key = crypto::certificate_key(grant.leaf)) {
      keys.push_back(base64url_encode(key->spki_hash().span()));
    }
  }
  for (auto key = unconfirmed.keys.rbegin(); key != unconfirmed.keys.rend(); ++key) {
    keys.push_back(base64url_encode(key->span()));
  }
  return {{"ca", base64url_encode(crypto::sha256(grant.ca_certificate))},
          {"ca_before", unconfirmed.authorities.empty()
                            ? json(nullptr)
                            : json(base64url_encode(unconfirmed.authorities.back()))},
          {"keys", std::move(keys)}};
}

}  // namespace latchkey::agent
