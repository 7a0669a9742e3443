// When a provider is asked for its metadata. Pure: times in, times out.
//
// Every `interval` and up to a tenth more or less, so that not all agents come at once; soon after
// the start; after a failure a minute later, then doubling up to the interval.
#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"
#include "base/random.h"

namespace latchkey::agent {

inline constexpr std::chrono::milliseconds kRefreshInterval = std::chrono::hours(6);
inline constexpr std::chrono::milliseconds kRefreshRetry = std::chrono::minutes(1);
inline constexpr std::chrono::milliseconds kRefreshStart = std::chrono::minutes(1);

class RefreshSchedule {
 public:
  // The first time lies in the minute after `now`, or sooner where the interval is shorter.
  RefreshSchedule(std::chrono::milliseconds interval, MonoTime now, Random& random);

  [[nodiscard]] MonoTime next() const { return next_; }
  [[nodiscard]] bool is_due(MonoTime now) const { return !busy_ && next_ <= now; }
  [[nodiscard]] bool is_busy() const { return busy_; }
  // The caller begins and ends each try; one at a time.
  void begin() { busy_ = true; }
  void end(bool well, MonoTime now);
  // The computer slept, or somebody wants it now: what was waited for counts as over.
  void wake(MonoTime now);

 private:
  // Up to a tenth more or less.
  std::chrono::milliseconds jittered(std::chrono::milliseconds time);
  std::chrono::milliseconds interval_;
  Random& random_;
  MonoTime next_;
  std::chrono::milliseconds retry_{0};
  bool busy_ = false;
};

}  // namespace latchkey::agent
