#include "agent/floor_clock.h"

#include <algorithm>
#include <charconv>

namespace latchkey::agent {
namespace {

// The end of year 9999, and more doubt than is ever kept.
constexpr std::int64_t kLastTime = 253'402'300'799;

std::optional<std::int64_t> number(std::string_view text, std::int64_t most) {
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  return whole && value >= 0 && value <= most ? std::optional(value) : std::nullopt;
}

}  // namespace

void FloorClock::hear() const {
  const WallTime wall = system_.wall_now();
  const MonoTime mono = system_.mono_now();
  if (!known_) {
    floor_ = TimeFloor(wall, {}, mono);
    known_ = true;
  } else if (wall - floor_.at(mono) < kLeap) {
    leapt_.reset();
    floor_.hear(wall, mono);
  } else if (!leapt_) {
    leapt_ = mono;
  } else if (mono - *leapt_ >= kProbe) {
    leapt_.reset();
    floor_.hear(wall, mono);
  }
}

WallTime FloorClock::wall_now() const {
  hear();
  return std::max(system_.wall_now(), floor_.at(system_.mono_now()));
}

seconds FloorClock::behind() const {
  return wall_now() - system_.wall_now();
}

bool FloorClock::leaps() const {
  hear();
  return leapt_.has_value();
}

void FloorClock::restore(std::string_view kept) {
  const std::size_t space = kept.find(' ');
  const auto floor = number(kept.substr(0, space), kLastTime);
  const auto doubted = space == std::string_view::npos
                           ? std::nullopt
                           : number(kept.substr(space + 1), TimeFloor::kDoubt.count());
  if (floor && doubted) {
    floor_ = TimeFloor(WallTime{*floor}, std::chrono::milliseconds(*doubted), system_.mono_now());
    known_ = true;
  }
}

std::optional<std::string> FloorClock::to_keep(bool at_end) {
  hear();
  const MonoTime mono = system_.mono_now();
  if (kept_ && !at_end && mono - *kept_ < kKeepEvery) {
    return std::nullopt;
  }
  kept_ = mono;
  return std::to_string(floor_.at(mono).unix_seconds) + " " +
         std::to_string(floor_.doubted().count());
}

}  // namespace latchkey::agent
