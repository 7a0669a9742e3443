// How the commands list grants, call them and pick one.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "agent_link.h"
#include "outcome.h"

namespace latchkey::cli {

inline constexpr std::size_t kShortId = 8;  // digits shown of an id
inline constexpr std::size_t kLeastId = 6;  // digits that name one

std::string service_of(const nlohmann::json& grant);
std::string device_of(const nlohmann::json& grant);
std::string state_of(const nlohmann::json& grant);  // "until 2026-11-30", "paused by you" ...

// Every grant the agent shows, asked for page by page; with `all` also those that ended.
Result<std::vector<nlohmann::json>> list_grants(AgentLink& link, bool all);
// By the beginning of its id, or its host.
bool is_called(const nlohmann::json& grant, const std::string& which);
// The one live grant of this name. kUsage where several are meant.
Result<nlohmann::json> find_grant(AgentLink& link, const std::string& which);

}  // namespace latchkey::cli
