// What clients ask about Firefox: whether it is set up, and setting it up.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "agent/reply.h"
#include "agent/request.h"
#include "checks.h"
#include "context.h"

namespace latchkey::agentd {

// For hello of Firefox: its own profile is there by now, so all of them are looked at. No root is
// needed, and no restart.
net::Task<SetupState> firefox_setup_state(Context* context);

// {profiles: [{folder, state, problem}]} once all that can be done is done.
net::Task<agent::Result<nlohmann::json>> set_up_firefox(Context* context,
                                                        agent::SetupFirefox setup);

// Waits until the anchors are as the grants are, but not for long.
net::Task<void> await_anchors(Context* context);

// `firefox_profiles` of doctor.
net::Task<platform::Check> firefox_check(Context* context);

}  // namespace latchkey::agentd
