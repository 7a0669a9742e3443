// A Random for tests: the same bytes in every run.
#pragma once

#include <cstdint>

#include "base/random.h"

namespace latchkey::testing {

class FakeRandom final : public Random {
 public:
  explicit FakeRandom(std::uint64_t seed = 1) : state_(seed) {}
  void fill(std::span<std::uint8_t> out) override {
    for (auto& byte : out) {
      // splitmix64 (public domain): good enough to tell values apart.
      state_ += 0x9E3779B97F4A7C15ULL;
      std::uint64_t z = state_;
      z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
      z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
      byte = static_cast<std::uint8_t>(z >> 32U);
    }
  }

 private:
  std::uint64_t state_;
};

}  // namespace latchkey::testing
