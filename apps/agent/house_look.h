// For doctor: listens for devices and knocks at each, the person's own and what else is announced.
#pragma once

#include "context.h"
#include "platform/house_checks.h"

namespace latchkey::agentd {

// Takes at most ten seconds. A device of the person's is asked to prove its key and is asked
// nothing else; a stranger is greeted as before a pairing, and left.
net::Task<platform::House> look_at_house(Context* context);

}  // namespace latchkey::agentd
