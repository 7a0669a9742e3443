#include "discovery/poll.h"

#include <avahi-common/watch.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <utility>

namespace asio = boost::asio;
using boost::system::error_code;

namespace latchkey::discovery {
namespace {

// A descriptor that is watched level-triggered, as poll(2) does. It works on a duplicate: D-Bus
// asks for two watches on one descriptor, which epoll refuses, and the descriptor itself may be
// closed by its owner in between.
class Watch : public std::enable_shared_from_this<Watch> {
 public:
  using Callback = std::function<void(short events)>;

  Watch(asio::io_context& io, Callback callback)
      : descriptor_(io), callback_(std::move(callback)) {}

  bool open(int fd) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
      return false;
    }
    error_code error;
    descriptor_.assign(copy, error);
    if (error) {
      ::close(copy);
      return false;
    }
    return true;
  }

  void want(short events) {
    wanted_ = events;
    arm();
  }

  void close() {
    closed_ = true;
    error_code ignored;
    descriptor_.close(ignored);  // NOLINT(bugprone-unused-return-value): nothing to do about it
  }

  [[nodiscard]] short happened() const { return happened_; }

 private:
  enum Direction : std::uint8_t { kRead, kWrite };

  void arm() {
    if (closed_) {
      return;
    }
    if ((wanted_ & POLLIN) != 0) {
      wait(kRead);
    }
    if ((wanted_ & POLLOUT) != 0) {
      wait(kWrite);
    }
  }

  void wait(Direction direction) {
    bool& waiting = direction == kRead ? reading_ : writing_;
    if (std::exchange(waiting, true)) {
      return;
    }
    const auto type = direction == kRead ? asio::posix::stream_descriptor::wait_read
                                         : asio::posix::stream_descriptor::wait_write;
    descriptor_.async_wait(type, [self = shared_from_this(), direction](const error_code& error) {
      (direction == kRead ? self->reading_ : self->writing_) = false;
      if (!error && !self->closed_) {
        self->ready();
      }
    });
  }

  void ready() {
    // What is true now, not what was true when the handler was queued: another callback may have
    // read the data or changed the wish.
    pollfd state{descriptor_.native_handle(), wanted_, 0};
    if (wanted_ != 0 && ::poll(&state, 1, 0) > 0) {
      happened_ = state.revents;
      callback_(happened_);
      happened_ = 0;
    }
    arm();
  }

  asio::posix::stream_descriptor descriptor_;
  Callback callback_;
  short wanted_ = 0;
  short happened_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  bool closed_ = false;
};

class Alarm : public std::enable_shared_from_this<Alarm> {
 public:
  Alarm(asio::io_context& io, std::function<void()> callback)
      : timer_(io), callback_(std::move(callback)) {}

  void start(std::chrono::microseconds delay) {
    running_ = true;
    const auto turn = ++turn_;
    timer_.expires_after(std::max(delay, std::chrono::microseconds(0)));
    timer_.async_wait([self = shared_from_this(), turn](const error_code&) {
      // A handler that was already queued when the timer was moved belongs to an older turn.
      if (self->running_ && turn == self->turn_) {
        self->running_ = false;
        self->callback_();
      }
    });
  }

  void stop() {
    running_ = false;
    ++turn_;
    timer_.cancel();
  }

  [[nodiscard]] bool running() const { return running_; }

 private:
  asio::steady_timer timer_;
  std::function<void()> callback_;
  std::uint64_t turn_ = 0;
  bool running_ = false;
};

}  // namespace
}  // namespace latchkey::discovery

// Avahi leaves these two types to the loop.
struct AvahiWatch {
  std::shared_ptr<latchkey::discovery::Watch> watch;
};
struct AvahiTimeout {
  std::shared_ptr<latchkey::discovery::Alarm> alarm;
};

namespace latchkey::discovery {
namespace {

asio::io_context& io_of(const AvahiPoll* api) {
  return *static_cast<asio::io_context*>(api->userdata);
}

// Avahi's deadlines are wall-clock times; only the distance from now is used, so that a jump of the
// clock delays nothing that is already waiting.
std::chrono::microseconds until(const timeval& deadline) {
  timeval now{};
  ::gettimeofday(&now, nullptr);
  return std::chrono::seconds(deadline.tv_sec - now.tv_sec) +
         std::chrono::microseconds(deadline.tv_usec - now.tv_usec);
}

// NOLINTBEGIN(cppcoreguidelines-owning-memory): Avahi's C interface hands objects over as pointers.
AvahiWatch* watch_new(const AvahiPoll* api, int fd, AvahiWatchEvent events,
                      AvahiWatchCallback callback, void* userdata) {
  auto* handle = new AvahiWatch;
  handle->watch = std::make_shared<Watch>(io_of(api), [=](short happened) {
    callback(handle, fd, static_cast<AvahiWatchEvent>(happened), userdata);
  });
  if (!handle->watch->open(fd)) {
    delete handle;
    return nullptr;
  }
  handle->watch->want(static_cast<short>(events));
  return handle;
}

void watch_update(AvahiWatch* handle, AvahiWatchEvent events) {
  handle->watch->want(static_cast<short>(events));
}

AvahiWatchEvent watch_get_events(AvahiWatch* handle) {
  return static_cast<AvahiWatchEvent>(handle->watch->happened());
}

void watch_free(AvahiWatch* handle) {
  handle->watch->close();
  delete handle;
}

AvahiTimeout* timeout_new(const AvahiPoll* api, const timeval* deadline,
                          AvahiTimeoutCallback callback, void* userdata) {
  auto* handle = new AvahiTimeout;
  handle->alarm = std::make_shared<Alarm>(io_of(api), [=] { callback(handle, userdata); });
  if (deadline != nullptr) {
    handle->alarm->start(until(*deadline));
  }
  return handle;
}

void timeout_update(AvahiTimeout* handle, const timeval* deadline) {
  if (deadline != nullptr) {
    handle->alarm->start(until(*deadline));
  } else {
    handle->alarm->stop();
  }
}

void timeout_free(AvahiTimeout* handle) {
  handle->alarm->stop();
  delete handle;
}
// NOLINTEND(cppcoreguidelines-owning-memory)

}  // namespace

struct Poll::State {
  AvahiPoll api{};
};

Poll::Poll(asio::io_context& io) : state_(std::make_unique<State>()) {
  state_->api = {&io,        watch_new,   watch_update,   watch_get_events,
                 watch_free, timeout_new, timeout_update, timeout_free};
}
Poll::~Poll() = default;
const AvahiPoll* Poll::api() const {
  return &state_->api;
}
asio::io_context& Poll::io() const {
  return io_of(&state_->api);
}

struct Timer::State : Alarm {
  using Alarm::Alarm;
};

Timer::Timer(Poll& poll, std::function<void()> callback)
    : state_(std::make_shared<State>(poll.io(), std::move(callback))) {}
Timer::~Timer() {
  state_->stop();
}
void Timer::start(std::chrono::milliseconds delay) {
  state_->start(delay);
}
void Timer::start_if_idle(std::chrono::milliseconds delay) {
  if (!state_->running()) {
    state_->start(delay);
  }
}
void Timer::stop() {
  state_->stop();
}

struct ReadWatch::State {
  std::shared_ptr<Watch> watch;
};

ReadWatch::ReadWatch(Poll& poll, int fd, std::function<void()> callback)
    : state_(std::make_unique<State>()) {
  state_->watch =
      std::make_shared<Watch>(poll.io(), [callback = std::move(callback)](short) { callback(); });
  if (state_->watch->open(fd)) {
    state_->watch->want(POLLIN);
  }
}
ReadWatch::~ReadWatch() {
  state_->watch->close();
}

}  // namespace latchkey::discovery
