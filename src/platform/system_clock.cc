#include "platform/system_clock.h"

#include <ctime>

namespace latchkey::platform {

WallTime SystemClock::wall_now() const {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return {now.tv_sec};
}

MonoTime SystemClock::mono_now() const {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return {static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000};
}

}  // namespace latchkey::platform
