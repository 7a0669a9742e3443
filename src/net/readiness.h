// When descriptors of one io_context become ready. Asio arms a descriptor in epoll anew each time
// somebody waits for it: a system call, and a look at the socket, for each wait. Here each is armed
// once, edge-triggered, in an epoll of our own, which Asio waits for as a whole.
//
// An edge says that something has come; who has not taken all of it must not wait for the next one.
// Therefore a wait arms anew, which finds what is there already, unless it is known that nothing
// was left (is_blocked).
//
// One thread runs the io_context; nothing here locks. For stream.cc and tls_stream.cc.
#pragma once

#include <array>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "net/stream.h"

namespace latchkey::net {

class Readiness final : public boost::asio::execution_context::service {
 public:
  using Side = WatchedFd::Side;
  enum class Outcome { kReady, kWoken };
  using Handler =
      boost::asio::async_result<boost::asio::use_awaitable_t<>, void(Outcome)>::handler_type;

  // One descriptor. Belongs to a WatchedFd, which ends it before the descriptor is closed.
  struct Watch {
    int fd = -1;
    std::uint32_t serial = 0;  // descriptors' numbers come again, these do not for long
    bool registered = false;
    bool for_writing = false;  // armed for that, too
    bool ended = false;        // the peer's end, or an error, has shown
    std::array<bool, 2> is_blocked{};
    std::array<std::optional<Handler>, 2> waiting;
  };

  static boost::asio::execution_context::id id;
  explicit Readiness(boost::asio::execution_context& context);
  ~Readiness() override;
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;
  static Readiness& of(const Executor& executor);

  void begin(Watch& watch, int fd);
  // The descriptor goes on living: it is taken out of epoll. Otherwise closing does that.
  void end(Watch& watch, bool lives_on);

  // Whoever has just been told that `side` would block. Nobody need arm for that.
  void note_blocked(int fd, Side side);
  // Whoever has read less than there was room for: all that had come, unless that was the end.
  void note_short_read(int fd);

  // Calls back once, from the loop: kReady, or kWoken after wake() or where the coroutine is
  // cancelled. One wait at a time for each side.
  void wait(Watch& watch, Side side, Handler handler);
  void wake(Watch& watch, Side side);

 private:
  struct Cancel {
    Readiness* readiness;
    int fd;
    std::uint32_t serial;
    Side side;
    void operator()(boost::asio::cancellation_type type) const;
  };
  void shutdown() override;
  Watch* find(int fd) const;
  void arm(Watch& watch);
  void listen();
  void on_events();
  void complete(Watch& watch, Side side);

  boost::asio::io_context& io_;
  boost::asio::posix::stream_descriptor epoll_;
  std::vector<Watch*> by_fd_;
  std::uint32_t last_serial_ = 0;
  std::size_t waiting_ = 0;
  bool listening_ = false;    // Asio waits for the epoll
  bool dispatching_ = false;  // it will be listened to afterwards
  bool over_ = false;
};

}  // namespace latchkey::net
