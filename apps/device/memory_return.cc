#include "device/memory_return.h"

#include <malloc.h>

namespace latchkey::device {
namespace {

constexpr std::chrono::milliseconds kLook = std::chrono::seconds(10);
// Handshakes and requests: a few of them leave nothing worth the time that looking for it takes.
constexpr std::uint64_t kRush = 100;

}  // namespace

std::uint64_t MemoryReturn::work_done() const {
  std::uint64_t done = metrics_.failed_handshakes;
  for (const std::uint64_t handshakes : metrics_.handshakes) {
    done += handshakes;
  }
  for (const auto& version : metrics_.requests) {
    for (const std::uint64_t requests : version) {
      done += requests;
    }
  }
  return done;
}

void MemoryReturn::look_later() {
  timer_.expires_after(kLook);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      look();
      look_later();
    }
  });
}

void MemoryReturn::look() {
  const std::uint64_t done = work_done();
  const bool quiet = done - seen_ < kRush;
  seen_ = done;
  if (quiet && done - returned_ >= kRush) {
    returned_ = done;
    (void)::malloc_trim(0);
  }
}

}  // namespace latchkey::device
