// A floor under somebody's clock: what was the time once is not the future again, so a clock that
// is turned back revives nothing that has expired (threats.md row 34).
//
// A floor can be what is wrong: the clock was far ahead for an hour. So a floor that the clock
// contradicts for kDoubt of running time, without a moment of agreement, gives way to the clock.
// Running time is counted by a monotonic clock, which nobody moves by setting the date.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace latchkey {

class TimeFloor {
 public:
  static constexpr std::chrono::milliseconds kDoubt = std::chrono::hours(24);

  TimeFloor() = default;
  // As it was kept; `doubted`: for how long it had been contradicted by then.
  TimeFloor(WallTime floor, std::chrono::milliseconds doubted, MonoTime now)
      : floor_(floor), heard_(now), doubted_(doubted), contradicted_(doubted.count() > 0) {}

  // The clock says `wall`.
  void hear(WallTime wall, MonoTime now) {
    if (wall >= at(now)) {
      *this = TimeFloor(wall, {}, now);
      return;
    }
    // Between two contradictions only: what came before the first one was agreement.
    doubted_ += contradicted_ ? std::max(now - doubt_counted_, {}) : std::chrono::milliseconds(0);
    contradicted_ = true;
    doubt_counted_ = now;
    if (doubted_ >= kDoubt) {
      *this = TimeFloor(wall, {}, now);
    }
  }
  // Never before what was heard.
  [[nodiscard]] WallTime at(MonoTime now) const {
    const auto passed = std::max(now - heard_, std::chrono::milliseconds(0));
    return floor_ + std::chrono::duration_cast<seconds>(passed);
  }
  [[nodiscard]] std::chrono::milliseconds doubted() const { return doubted_; }

 private:
  WallTime floor_;
  MonoTime heard_;
  std::chrono::milliseconds doubted_{0};
  bool contradicted_ = false;
  MonoTime doubt_counted_ = heard_;
};

}  // namespace latchkey
