// The commands for the records themselves, while no device runs with them: sealing them, and saying
// that they are right as they are. Each gives the exit code.
#pragma once

#include "device/commands.h"
#include "device/options.h"

namespace latchkey::device {

// Seals with `with`; a key file that is not there is made. `now`: what they are sealed with.
int seal(const CommandOptions& options, const SealOptions& now, const SealOptions& with);
int unseal(const CommandOptions& options, const SealOptions& now);
int accept_store(const CommandOptions& options, const SealOptions& now);

}  // namespace latchkey::device
