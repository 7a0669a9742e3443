// Time as an argument. Wall time (certificates, tickets) can be wrong and can jump; monotonic time
// (deadlines) cannot. They are different types so that neither is used for the other.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace latchkey {

using std::chrono::seconds;

// Seconds since 1970, UTC.
struct WallTime {
  std::int64_t unix_seconds = 0;
  friend auto operator<=>(const WallTime&, const WallTime&) = default;
};
inline WallTime operator+(WallTime time, seconds delta) {
  return {time.unix_seconds + delta.count()};
}
inline WallTime operator-(WallTime time, seconds delta) {
  return {time.unix_seconds - delta.count()};
}
inline seconds operator-(WallTime a, WallTime b) {
  return seconds(a.unix_seconds - b.unix_seconds);
}

// Milliseconds since some start that never changes while the process lives.
struct MonoTime {
  std::int64_t ms = 0;
  friend auto operator<=>(const MonoTime&, const MonoTime&) = default;
};
inline MonoTime operator+(MonoTime time, std::chrono::milliseconds delta) {
  return {time.ms + delta.count()};
}
inline std::chrono::milliseconds operator-(MonoTime a, MonoTime b) {
  return std::chrono::milliseconds(a.ms - b.ms);
}

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime wall_now() const = 0;
  // What the system's clock says, also where wall_now() knows better because it was turned back.
  // For dates that others will compare with that same clock, and for timers.
  [[nodiscard]] virtual WallTime system_now() const { return wall_now(); }
  [[nodiscard]] virtual MonoTime mono_now() const = 0;
};

}  // namespace latchkey
