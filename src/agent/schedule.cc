#include "agent/schedule.h"

#include <algorithm>

namespace latchkey::agent {
namespace {

// 0 to `limit`, both included.
std::chrono::milliseconds up_to(std::chrono::milliseconds limit, Random& random) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : random.bytes<6>()) {
    value = (value << 8U) | byte;
  }
  return std::chrono::milliseconds(value % static_cast<std::uint64_t>(limit.count() + 1));
}

}  // namespace

RefreshSchedule::RefreshSchedule(std::chrono::milliseconds interval, MonoTime now, Random& random)
    : interval_(interval),
      random_(random),
      next_(now + up_to(std::min(kRefreshStart, interval), random)) {}

std::chrono::milliseconds RefreshSchedule::jittered(std::chrono::milliseconds time) {
  return time - time / 10 + up_to(time / 5, random_);
}

void RefreshSchedule::end(bool well, MonoTime now) {
  busy_ = false;
  const auto first = std::min(kRefreshRetry, interval_);
  retry_ = well ? std::chrono::milliseconds(0) : std::clamp(retry_ * 2, first, interval_);
  next_ = now + jittered(well ? interval_ : retry_);
}

void RefreshSchedule::wake(MonoTime now) {
  next_ = std::min(next_, now);
}

}  // namespace latchkey::agent
