// A timer on the system's wall clock: it counts the time a computer sleeps, and it wakes at once
// when the clock is set or the computer comes back from sleep (timerfd_create(2),
// TFD_TIMER_CANCEL_ON_SET). So one can sleep for hours and miss nothing.
//
// One waiter at a time; belongs to the thread of its executor.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>

#include "net/task.h"

namespace latchkey::net {

class WallTimer {
 public:
  explicit WallTimer(const Executor& executor);
  // Until `time` has passed, the clock was set, or wake() is called; it may end early for no
  // reason.
  Task<void> wait(std::chrono::milliseconds time);
  // Also when nobody waits: the next wait then ends at once.
  void wake();

 private:
  boost::asio::posix::stream_descriptor descriptor_;
  bool woken_ = false;
};

}  // namespace latchkey::net
