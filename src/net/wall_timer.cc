#include "net/wall_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <ctime>

#include "base/result.h"

namespace latchkey::net {
namespace {

int make_timer() {
  const int fd = ::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  LATCHKEY_CHECK(fd >= 0);
  return fd;
}

}  // namespace

WallTimer::WallTimer(const Executor& executor) : descriptor_(executor, make_timer()) {}

Task<void> WallTimer::wait(std::chrono::milliseconds time) {
  constexpr long kNanoseconds = 1'000'000'000;
  timespec at{};
  ::clock_gettime(CLOCK_REALTIME, &at);
  at.tv_sec += time.count() / 1000;
  at.tv_nsec += static_cast<long>(time.count() % 1000) * 1'000'000;
  if (at.tv_nsec >= kNanoseconds) {
    at.tv_nsec -= kNanoseconds;
    ++at.tv_sec;
  }
  const itimerspec setting{{}, at};
  LATCHKEY_CHECK(::timerfd_settime(descriptor_.native_handle(),
                                   TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &setting,
                                   nullptr) == 0);
  if (!woken_) {
    (void)co_await descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                                          boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  woken_ = false;
  // ECANCELED says that the clock was set: the caller compares the clocks anyway.
  std::uint64_t expired = 0;
  (void)!::read(descriptor_.native_handle(), &expired, sizeof expired);
}

void WallTimer::wake() {
  woken_ = true;
  descriptor_.cancel();
}

}  // namespace latchkey::net
