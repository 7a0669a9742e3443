// How long a client may keep us waiting for a body: some grace, and more for each byte that came.
// Only time spent waiting counts, not what the service behind takes to read it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace latchkey::front {

class Pace {
 public:
  // `rate`: bytes a second; 0: any pace will do.
  Pace(std::chrono::milliseconds grace, std::uint64_t rate) : left_(grace), rate_(rate) {}

  // What may still be waited, never below zero.
  [[nodiscard]] std::chrono::milliseconds left() const {
    return rate_ == 0 ? std::chrono::hours(24) : std::max(left_, std::chrono::milliseconds(0));
  }
  void on_piece(std::chrono::milliseconds waited, std::uint64_t bytes) {
    if (rate_ != 0) {
      // Nobody earns more than a day: the sum stays a number.
      const std::uint64_t earned = std::min<std::uint64_t>(bytes, 1U << 30U) * 1000 / rate_;
      left_ = std::min<std::chrono::milliseconds>(
          left_ - waited + std::chrono::milliseconds(earned), std::chrono::hours(24));
    }
  }

 private:
  std::chrono::milliseconds left_;
  std::uint64_t rate_;
};

}  // namespace latchkey::front
