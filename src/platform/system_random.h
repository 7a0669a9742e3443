// Random bytes from the kernel: getrandom(2), which waits at early boot until it has been seeded.
#pragma once

#include "base/random.h"

namespace latchkey::platform {

class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

}  // namespace latchkey::platform
