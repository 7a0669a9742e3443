// The machine's clocks. Monotonic time includes sleep (CLOCK_BOOTTIME): a deadline that passed
// while the lid was closed has passed.
#pragma once

#include "base/clock.h"

namespace latchkey::platform {

class SystemClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall_now() const override;
  [[nodiscard]] MonoTime mono_now() const override;
};

}  // namespace latchkey::platform
