// What `latchkey doctor` says of the store and of what keeps its key: checks `store` and `keys`.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "agent/store_state.h"
#include "platform/checks.h"

namespace latchkey::agentd {

void add_keys_checks(std::vector<platform::Check>& checks, const agent::StoreStanding& standing);

// {id, level, title, detail, fix}
nlohmann::json check_json(const platform::Check& check);

}  // namespace latchkey::agentd
