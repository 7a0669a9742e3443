#include "device/options.h"

#include <unistd.h>

#include <cstdlib>

namespace latchkey::device {

std::filesystem::path default_state() {
  if (::geteuid() == 0) {
    return "/var/lib/latchkey-device";
  }
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') {
    return std::filesystem::path(state) / "latchkey-device";
  }
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : "/") / ".local/state/latchkey-device";
}

}  // namespace latchkey::device
