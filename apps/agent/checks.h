// What hello and doctor say about the state of things on this computer.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/request.h"
#include "context.h"
#include "platform/checks.h"

namespace latchkey::agentd {

struct SetupState {
  bool root_installed = false;
  bool restart_needed = false;
};
// Looks into a browser's trust database only when that changed since the last look.
net::Task<SetupState> setup_state(Context* context);

net::Task<std::vector<platform::Check>> all_checks(Context* context);

// What set-up said about its places; kept. Read back: {databases, browsers}.
nlohmann::json remembered_places(const Context& context);
void remember_places(Context* context, const agent::Doctor& places);

}  // namespace latchkey::agentd
