#include "checks.h"

namespace latchkey::agentd {

SetupState setup_state(const Context& /*context*/) { return {true, false}; }

net::Task<std::vector<Check>> all_checks(Context* /*context*/) { co_return std::vector<Check>{}; }

}  // namespace latchkey::agentd
