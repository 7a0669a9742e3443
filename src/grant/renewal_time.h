// How far away the renewal of a certificate can be.
#pragma once

#include "base/clock.h"

namespace latchkey::grant {

// A leaf lives for a week: one whose renewal is further away than this was made while the clock was
// ahead. It is not valid yet, and is due now.
inline constexpr seconds kLongestWait{8L * 86400};

}  // namespace latchkey::grant
