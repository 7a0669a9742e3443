// Avahi's main-loop interface on an Asio io_context, with two small things on the same footing: a
// one-shot timer, and a callback when a descriptor can be read.
//
// Everything runs on the one thread that runs the io_context. Callbacks come from the loop, never
// from inside the call that asked for them. Any of these objects, and any Avahi watch or timeout,
// may be freed inside its own callback.
//
// Avahi frees its watches and timeouts with the client or server that made them: a Poll must
// outlive those. The io_context must outlive the Poll; work that was queued when the Poll was
// destroyed does nothing.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

struct AvahiPoll;
namespace boost::asio {
class io_context;
}

namespace latchkey::discovery {

class Poll {
 public:
  explicit Poll(boost::asio::io_context& io);
  ~Poll();
  Poll(const Poll&) = delete;
  Poll& operator=(const Poll&) = delete;
  Poll(Poll&&) = delete;
  Poll& operator=(Poll&&) = delete;

  [[nodiscard]] const AvahiPoll* api() const;
  [[nodiscard]] boost::asio::io_context& io() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Calls back once, `delay` after start(); a second start() replaces the first.
class Timer {
 public:
  Timer(Poll& poll, std::function<void()> callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  Timer(Timer&&) = delete;
  Timer& operator=(Timer&&) = delete;

  void start(std::chrono::milliseconds delay);
  // Does nothing when it already runs: many reasons, one callback.
  void start_if_idle(std::chrono::milliseconds delay);
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Calls back while `fd` can be read. The descriptor stays the caller's.
class ReadWatch {
 public:
  ReadWatch(Poll& poll, int fd, std::function<void()> callback);
  ~ReadWatch();
  ReadWatch(const ReadWatch&) = delete;
  ReadWatch& operator=(const ReadWatch&) = delete;
  ReadWatch(ReadWatch&&) = delete;
  ReadWatch& operator=(ReadWatch&&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::discovery
