#include "oidc/discovery.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "oidc/json.h"
#include "oidc/url.h"

namespace latchkey::oidc {

namespace {

using crypto::JwsAlgorithm;
using crypto::JwsKey;
using nlohmann::json;

constexpr std::size_t kMaxKid = 256;
constexpr std::size_t kMaxNumber = 512;  // bytes of a modulus

// A number of a key. Some write leading zeros, which change nothing.
std::optional<Bytes> number_in(const json& key, const char* name, bool strip) {
  const auto text = text_in(key, name, 2 * kMaxNumber);
  auto bytes = text ? base64url_decode(*text, kMaxNumber + 1) : std::nullopt;
  if (bytes && strip) {
    bytes->erase(bytes->begin(),
                 std::find_if(bytes->begin(), bytes->end(), [](auto byte) { return byte != 0; }));
  }
  return bytes;
}

std::optional<JwsKey> read_key(const json& key) {
  const auto kind = text_in(key, "kty", 16);
  const auto keep = [](crypto::Result<JwsKey> made) {
    return made ? std::optional(*std::move(made)) : std::nullopt;
  };
  if (kind == "RSA") {
    const auto n = number_in(key, "n", true);
    const auto e = number_in(key, "e", true);
    return n && e ? keep(JwsKey::rsa(*n, *e)) : std::nullopt;
  }
  if (kind == "EC" && text_in(key, "crv", 16) == "P-256") {
    const auto x = number_in(key, "x", false);
    const auto y = number_in(key, "y", false);
    return x && y ? keep(JwsKey::p256(*x, *y)) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::string metadata_url(std::string_view issuer) {
  std::string out(issuer.substr(0, issuer.find_last_not_of('/') + 1));
  return out + "/.well-known/openid-configuration";
}

Result<Metadata> read_metadata(std::string_view document, std::string_view issuer) {
  const auto map = read_object(document, kMaxDocument);
  if (!map) {
    return fail(map.error());
  }
  Metadata out;
  out.issuer = text_in(*map, "issuer", kMaxUrl).value_or("");
  if (!is_issuer(issuer) || out.issuer != issuer) {
    return refuse(ErrorCode::kMixUp, "the document is another provider's");
  }
  struct Address {
    const char* name;
    std::string Metadata::* field;
    bool required;
  };
  constexpr std::array kAddresses = {
      Address{"authorization_endpoint", &Metadata::authorization_endpoint, true},
      Address{"token_endpoint", &Metadata::token_endpoint, true},
      Address{"jwks_uri", &Metadata::jwks_uri, true},
      Address{"end_session_endpoint", &Metadata::end_session_endpoint, false},
      Address{"introspection_endpoint", &Metadata::introspection_endpoint, false},
      Address{"revocation_endpoint", &Metadata::revocation_endpoint, false},
      Address{"device_authorization_endpoint", &Metadata::device_authorization_endpoint, false},
      Address{"registration_endpoint", &Metadata::registration_endpoint, false}};
  for (const Address& address : kAddresses) {
    if (!map->contains(address.name) && !address.required) {
      continue;
    }
    auto url = text_in(*map, address.name, kMaxUrl);
    if (!url || !is_https_url(*url)) {
      return refuse(ErrorCode::kMalformed, std::string(address.name) + " is no https address");
    }
    out.*address.field = *std::move(url);
  }
  const char* algorithms = "id_token_signing_alg_values_supported";
  const bool signs = names(*map, algorithms, "RS256", true) ||
                     names(*map, algorithms, "ES256", true) ||
                     names(*map, algorithms, "PS256", true);
  if (!names(*map, "response_types_supported", "code", true) || !signs ||
      !names(*map, "code_challenge_methods_supported", "S256", true)) {
    return refuse(ErrorCode::kUnsupported, "the provider cannot do what a device needs");
  }
  out.says_iss = flag_in(*map, "authorization_response_iss_parameter_supported");
  return out;
}

Result<KeySet> KeySet::read(std::string_view document) {
  const auto map = read_object(document, kMaxDocument);
  if (!map) {
    return fail(map.error());
  }
  const auto list = map->find("keys");
  if (list == map->end() || !list->is_array()) {
    return refuse(ErrorCode::kMalformed, "not a set of keys");
  }
  if (list->size() > kMaxKeys) {
    return refuse(ErrorCode::kMalformed, "too many keys");
  }
  KeySet out;
  for (const json& one : *list) {
    if (!one.is_object() || text_in(one, "use", 16).value_or("sig") != "sig" ||
        (one.contains("kid") && !text_in(one, "kid", kMaxKid)) ||
        (one.contains("key_ops") && !names(one, "key_ops", "verify", false))) {
      continue;
    }
    const auto name = text_in(one, "alg", 32);
    const auto algorithm = name ? crypto::jws_algorithm_from(*name) : std::nullopt;
    auto key = read_key(one);
    if (!key || (one.contains("alg") && (!algorithm || !key->fits(*algorithm)))) {
      continue;
    }
    out.keys_.push_back({text_in(one, "kid", kMaxKid).value_or(""), algorithm, *std::move(key)});
  }
  return out;
}

const JwsKey* KeySet::find(std::string_view kid, JwsAlgorithm algorithm) const {
  const JwsKey* found = nullptr;
  for (const Entry& entry : keys_) {
    if (!entry.key.fits(algorithm) || (entry.algorithm && *entry.algorithm != algorithm) ||
        (!kid.empty() && entry.kid != kid)) {
      continue;
    }
    if (found != nullptr) {
      return nullptr;  // which of them is anybody's guess
    }
    found = &entry.key;
  }
  return found;
}

}  // namespace latchkey::oidc
