// An identity provider's documents, keys and tokens, for tests: ES256.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/encoding.h"
#include "crypto/keys.h"

namespace latchkey::testing {

class TokenMaker {
 public:
  explicit TokenMaker(std::string named = "https://idp.example", std::string key_id = "k1")
      : issuer(std::move(named)), kid(std::move(key_id)), key(crypto::PrivateKey::generate()) {}

  [[nodiscard]] nlohmann::json metadata() const {
    return {{"issuer", issuer},
            {"authorization_endpoint", issuer + "/auth"},
            {"token_endpoint", issuer + "/token"},
            {"jwks_uri", issuer + "/jwks"},
            {"end_session_endpoint", issuer + "/end"},
            {"introspection_endpoint", issuer + "/introspect"},
            {"revocation_endpoint", issuer + "/revoke"},
            {"device_authorization_endpoint", issuer + "/device"},
            {"registration_endpoint", issuer + "/register"},
            {"response_types_supported", {"code"}},
            {"code_challenge_methods_supported", {"S256"}},
            {"id_token_signing_alg_values_supported", {"RS256", "ES256"}},
            {"authorization_response_iss_parameter_supported", true}};
  }
  [[nodiscard]] nlohmann::json jwk() const {
    const ByteSpan point = key.public_key().point();
    return {{"kty", "EC"},
            {"crv", "P-256"},
            {"kid", kid},
            {"use", "sig"},
            {"alg", "ES256"},
            {"x", base64url_encode(point.subspan(1, 32))},
            {"y", base64url_encode(point.subspan(33, 32))}};
  }
  [[nodiscard]] std::string jwks() const { return nlohmann::json{{"keys", {jwk()}}}.dump(); }
  [[nodiscard]] std::string sign(const nlohmann::json& header, const nlohmann::json& claims) const {
    const std::string signed_part =
        base64url_encode(as_bytes(header.dump())) + "." + base64url_encode(as_bytes(claims.dump()));
    return signed_part + "." + base64url_encode(key.sign_raw(as_bytes(signed_part)));
  }
  [[nodiscard]] std::string sign(const nlohmann::json& claims) const {
    return sign({{"alg", "ES256"}, {"kid", kid}}, claims);
  }

  std::string issuer;
  std::string kid;
  crypto::PrivateKey key;
};

}  // namespace latchkey::testing
