// What hello and doctor say about the state of things on this computer.
#pragma once

#include <string>
#include <vector>

#include "context.h"

namespace latchkey::agentd {

struct SetupState {
  bool root_installed = false;
  bool restart_needed = false;
};
SetupState setup_state(const Context& context);

struct Check {
  std::string id;
  std::string level;  // "ok", "warn", "fail"
  std::string title;
  std::string detail;
  std::string fix;
};
net::Task<std::vector<Check>> all_checks(Context* context);

}  // namespace latchkey::agentd
