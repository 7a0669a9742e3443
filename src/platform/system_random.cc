#include "platform/system_random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/result.h"

namespace latchkey::platform {

void SystemRandom::fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    LATCHKEY_CHECK(got > 0 || errno == EINTR);
    if (got > 0) {
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }
}

}  // namespace latchkey::platform
