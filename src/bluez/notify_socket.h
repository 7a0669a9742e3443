// Inside bluez: the socket from which BlueZ reads what it is to notify (AcquireNotify), one message
// for each value, with a queue in front of it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "base/bytes.h"
#include "net/task.h"

namespace latchkey::bluez {

class NotifySocket {
 public:
  // Called from the loop, never from inside of a call, and not after the destructor.
  struct Events {
    std::function<void()> sent;     // one value is BlueZ's
    std::function<void()> drained;  // nothing waits any more
    std::function<void()> closed;   // nobody is subscribed
  };
  NotifySocket(const net::Executor& executor, Events events);
  ~NotifySocket();
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  // In place of the one before. The end that is BlueZ's, to be closed by the caller; -1: none is to
  // be had.
  int open();
  // Without an event. What waits is dropped.
  void close();
  [[nodiscard]] bool is_open() const;
  // False: more waits than BlueZ, or the link above, has an excuse for.
  bool send(Bytes value);
  void clear();
  [[nodiscard]] bool empty() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace latchkey::bluez
