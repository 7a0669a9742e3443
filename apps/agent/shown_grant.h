// A grant as clients see it, put together from what the agent has.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "context.h"

namespace latchkey::agentd {

nlohmann::json shown_grant(const Context& context, const grant::AgentGrant& grant);

}  // namespace latchkey::agentd
