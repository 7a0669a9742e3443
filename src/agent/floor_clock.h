// The agent's clock: the system's, with a floor under it (base/time_floor.h) that outlives the
// agent. What has expired by it stays expired when the system's clock is turned back; dates of new
// certificates are the system's all the same, since browsers ask that one (Clock::system_now).
//
// A clock that is suddenly kLeap or more ahead is not believed before it has stayed so for kProbe
// of running time: a wrong date at start, put right a minute later, leaves no floor behind, and no
// device hears of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/time_floor.h"

namespace latchkey::agent {

class FloorClock final : public Clock {
 public:
  static constexpr seconds kLeap{60L * 86400};
  static constexpr std::chrono::milliseconds kProbe = std::chrono::hours(1);
  // What is kept is at most so old.
  static constexpr std::chrono::milliseconds kKeepEvery = std::chrono::hours(1);

  explicit FloorClock(const Clock& system) : system_(system) {}

  // The floor, or the system's clock where that is later: also while it is not believed yet.
  [[nodiscard]] WallTime wall_now() const override;
  [[nodiscard]] WallTime system_now() const override { return system_.wall_now(); }
  [[nodiscard]] MonoTime mono_now() const override { return system_.mono_now(); }

  // How far the system's clock is behind what it once was; 0 where it is not.
  [[nodiscard]] seconds behind() const;
  // It leapt ahead, and is not believed yet.
  [[nodiscard]] bool leaps() const;

  // What was kept by to_keep(); anything else counts as nothing.
  void restore(std::string_view kept);
  // To be kept durably now; nothing: not yet again. `at_end`: the agent ends.
  std::optional<std::string> to_keep(bool at_end = false);

 private:
  void hear() const;

  const Clock& system_;
  mutable TimeFloor floor_;
  mutable bool known_ = false;
  mutable std::optional<MonoTime> leapt_;
  std::optional<MonoTime> kept_;
};

}  // namespace latchkey::agent
