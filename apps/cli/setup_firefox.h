// The part of `latchkey setup` that concerns Firefox.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent_link.h"
#include "terminal.h"

namespace latchkey::cli {

// Lets Firefox find the agent, where there is a Firefox, and has the agent keep its profiles in
// step with the grants. `folders`: profiles besides those in the usual places, absolute. The
// profiles.
Result<nlohmann::json> set_up_firefox(AgentLink& link, const Terminal& terminal,
                                      const std::filesystem::path& native_host,
                                      const nlohmann::json& folders);

// Takes everything back; fails where a profile still holds something.
Result<void> undo_firefox(AgentLink& link, const Terminal& terminal, const nlohmann::json& folders);

}  // namespace latchkey::cli
