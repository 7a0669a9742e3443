#include "agent/control.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/reply.h"
#include "agent/sentinel.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/x509.h"

namespace latchkey::agent {
namespace {

using nlohmann::json;

json certificate_json(const grant::AgentGrant& grant) {
  const auto leaf = crypto::parse_certificate(grant.leaf);
  const auto issuer = crypto::parse_certificate(grant.ca_certificate);
  if (!leaf || !issuer) {
    return nullptr;
  }
  return {{"subject", leaf->fields.dns_name.value_or("")},
          {"valid_from", leaf->fields.not_before.unix_seconds},
          {"valid_to", leaf->fields.not_after.unix_seconds},
          {"renew_at", grant.renew_at.unix_seconds},
          {"key", leaf->key.spki_hash().hex()},
          {"sha256", hex_encode(crypto::sha256(grant.leaf))},
          {"issuer_key", issuer->key.spki_hash().hex()},
          {"issuer_sha256", hex_encode(crypto::sha256(grant.ca_certificate))},
          {"issuer_valid_to", issuer->fields.not_after.unix_seconds}};
}

json make_proof_json(const std::optional<grant::Binding>& binding, const attest::Trust& trust) {
  const auto evidence = binding ? evidence_of(*binding) : std::nullopt;
  const attest::DeviceStanding standing = trust.device(evidence ? &*evidence : nullptr);
  json proof = binding ? make_json(*binding, trust)
                       : json{{"maker", nullptr},
                              {"model", nullptr},
                              {"standing", attest::name_of(standing.state)}};
  const std::string provider = clean_display_name(standing.provider);
  proof["provider"] = provider.empty() ? json(nullptr) : json(provider);
  proof["model_id"] = evidence ? json(attest::aaguid_text(evidence->aaguid)) : json(nullptr);
  proof["proved"] = evidence ? json(evidence->proved.unix_seconds) : json(nullptr);
  return proof;
}

}  // namespace

json details_json(const grant::AgentGrant& grant, const std::optional<grant::Binding>& binding,
                  const attest::Trust& trust) {
  return {{"certificate", certificate_json(grant)}, {"proof", make_proof_json(binding, trust)}};
}

json devices_json(const std::vector<grant::Binding>& bindings,
                  const std::vector<grant::Standing>& grants, const Sight& sight,
                  const attest::Trust& trust) {
  std::map<DeviceId, std::uint64_t> counts;
  for (const grant::Standing& grant : grants) {
    if (grant.state != grant::State::kRevoked && sight.sees(grant)) {
      ++counts[grant.device];
    }
  }
  json list = json::array();
  for (const grant::Binding& binding : bindings) {
    const auto count = counts.find(binding.device);
    if (sight.everything ? binding.bound_at == WallTime{} : count == counts.end()) {
      continue;
    }
    json device = make_json(binding, trust);
    device["id"] = binding.device.hex();
    device["name"] = binding.name;
    device["type"] = binding.type;
    device["since"] = binding.bound_at.unix_seconds;
    device["reset"] = binding.reset;
    device["grants"] = count == counts.end() ? 0 : count->second;
    list.push_back(std::move(device));
  }
  return {{"devices", std::move(list)}};
}

}  // namespace latchkey::agent
