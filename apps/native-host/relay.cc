#include "relay.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

namespace latchkey::native_host {
namespace {

constexpr std::size_t kBuffer = 65536;

enum class Moved { kSome, kEnd, kBroken };

bool write_all(int to, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::write(to, bytes.data(), bytes.size());
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

Moved pass_on(int from, int to, std::span<std::uint8_t> buffer) {
  const ssize_t got = ::read(from, buffer.data(), buffer.size());
  if (got < 0) {
    return errno == EINTR ? Moved::kSome : Moved::kBroken;
  }
  if (got == 0) {
    return Moved::kEnd;
  }
  return write_all(to, buffer.first(static_cast<std::size_t>(got))) ? Moved::kSome : Moved::kBroken;
}

}  // namespace

bool relay(int browser_in, int browser_out, int agent) {
  std::array<std::uint8_t, kBuffer> buffer{};
  while (true) {
    std::array<pollfd, 2> wait{pollfd{browser_in, POLLIN, 0}, pollfd{agent, POLLIN, 0}};
    if (::poll(wait.data(), wait.size(), -1) < 0) {
      if (errno == EINTR) {
        continue;
      }
      return false;
    }
    if (wait[1].revents != 0) {
      const Moved moved = pass_on(agent, browser_out, buffer);
      if (moved != Moved::kSome) {
        return moved == Moved::kEnd;
      }
    }
    if (wait[0].revents != 0) {
      const Moved moved = pass_on(browser_in, agent, buffer);
      if (moved != Moved::kSome) {
        return moved == Moved::kEnd;
      }
    }
  }
}

}  // namespace latchkey::native_host
