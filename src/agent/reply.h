// Agent messages on the way out (docs/protocol.md section 10): values in, JSON text out.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/error.h"
#include "agent/neighbours.h"
#include "agent/ports.h"
#include "grant/grant.h"
#include "wire/messages.h"

namespace latchkey::agent {

std::string reply_text(std::uint64_t id, const nlohmann::json& result);
std::string reply_text(std::uint64_t id, const Error& error);
std::string event_text(std::string_view event, const nlohmann::json& params);

// Grant and Device of the agent's messages, judged by what the providers say now. `binding`: of
// the device, where it is still known.
nlohmann::json grant_json(const grant::AgentGrant& grant,
                          const std::optional<grant::Binding>& binding, const attest::Trust& trust);
nlohmann::json device_json(const Device& device, const std::optional<grant::Binding>& binding,
                           const attest::Trust& trust);
// {maker, model, standing} of a device, as it has shown itself.
nlohmann::json make_json(const grant::Binding& binding, const attest::Trust& trust);
// The answer to policy.check.
nlohmann::json policy_json(const Origin& origin, const std::optional<std::string>& type,
                           const attest::Trust& trust, WallTime now);

// A provider, as metadata.status tells of it.
struct ProviderStatus {
  std::string name, url;
  std::optional<std::uint64_t> no;
  std::optional<WallTime> published, next_update;
  std::optional<WallTime> checked;  // when it last answered as it should
  attest::Freshness state = attest::Freshness::kNever;
  std::string error;
};
nlohmann::json metadata_json(const std::vector<ProviderStatus>& providers,
                             const attest::Policy& policy);
nlohmann::json code_json(wire::CodeKind kind, std::uint32_t attempts_left);

}  // namespace latchkey::agent
