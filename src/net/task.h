// The vocabulary of the shells: coroutines, their errors, deadlines, and the owner of those that
// run side by side. One thread runs an io_context; nothing here locks.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace latchkey::net {

template <class T>
using Task = boost::asio::awaitable<T>;
using Executor = boost::asio::any_io_executor;

struct Error {
  enum class Code {
    kClosed,    // the peer went away, or we closed it
    kTimeout,   // the deadline passed
    kRefused,   // nobody listens there, or no way there
    kTls,       // the handshake or a record failed
    kProtocol,  // the peer's bytes are not what they should be
    kLimit,     // more than we take
    kSystem,    // the operating system failed us
  };
  Code code = Code::kSystem;
  std::string detail;  // for logs
};

template <class T>
using Result = latchkey::Result<T, Error>;

using Deadline = std::chrono::steady_clock::time_point;
inline Deadline after(std::chrono::milliseconds delay) {
  return std::chrono::steady_clock::now() + delay;
}
inline constexpr Deadline kNoDeadline = Deadline::max();

// Owns coroutines that nobody awaits. cancel() asks all of them to end: their next suspension
// throws operation_aborted inside them. The owner keeps the group until empty(), or lets it go:
// what is left is then cancelled and finishes on the executor without touching the group. What a
// coroutine refers to must live until it ends, so coroutines hold shared_ptrs to their connections.
class TaskGroup {
 public:
  explicit TaskGroup(Executor executor);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(Task<void> task);
  void cancel();
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool empty() const { return size() == 0; }
  // Called each time a coroutine has ended.
  void on_end(std::function<void()> callback);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Waits until `deadline` or until the coroutine is cancelled.
Task<void> sleep_until(Deadline deadline);

// The operating system's clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall_now() const override;
  [[nodiscard]] MonoTime mono_now() const override;
};

// The operating system's random numbers: getrandom(2).
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

}  // namespace latchkey::net
