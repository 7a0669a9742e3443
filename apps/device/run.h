// `latchkey-device run`: puts the parts together and runs them until SIGTERM or SIGINT.
#pragma once

#include "device/options.h"

namespace latchkey::device {

// The exit code. Says on standard error what went wrong and what to do next.
int run(const RunOptions& options);

}  // namespace latchkey::device
