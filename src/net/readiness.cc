#include "net/readiness.h"

#include <sys/epoll.h>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <utility>

namespace latchkey::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kBatch = 128;

int make_epoll() {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  LATCHKEY_CHECK(fd >= 0);
  return fd;
}

std::size_t index_of(Readiness::Side side) {
  return static_cast<std::size_t>(side);
}

std::uint64_t name_of(const Readiness::Watch& watch) {
  return (std::uint64_t{watch.serial} << 32U) | static_cast<std::uint32_t>(watch.fd);
}

epoll_event event_of(const Readiness::Watch& watch) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET;
  if (watch.for_writing) {
    event.events |= EPOLLOUT;
  }
  event.data.u64 = name_of(watch);
  return event;
}

}  // namespace

asio::execution_context::id Readiness::id;

Readiness::Readiness(asio::execution_context& context)
    : service(context), io_(static_cast<asio::io_context&>(context)), epoll_(io_, make_epoll()) {}

Readiness::~Readiness() = default;

Readiness& Readiness::of(const Executor& executor) {
  return asio::use_service<Readiness>(asio::query(executor, asio::execution::context));
}

void Readiness::begin(Watch& watch, int fd) {
  watch.fd = fd;
  watch.serial = ++last_serial_;
  if (fd < 0) {
    return;
  }
  const auto at = static_cast<std::size_t>(fd);
  if (at >= by_fd_.size()) {
    by_fd_.resize(at + 1);
  }
  by_fd_[at] = &watch;
  epoll_event event = event_of(watch);
  watch.registered = ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Readiness::end(Watch& watch, bool lives_on) {
  wake(watch, Side::kRead);
  wake(watch, Side::kWrite);
  if (find(watch.fd) == &watch) {
    by_fd_[static_cast<std::size_t>(watch.fd)] = nullptr;
  }
  if (lives_on && watch.registered) {
    epoll_event event{};
    (void)::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, watch.fd, &event);
  }
  watch.registered = false;
}

Readiness::Watch* Readiness::find(int fd) const {
  const auto at = static_cast<std::size_t>(fd);
  return fd >= 0 && at < by_fd_.size() ? by_fd_[at] : nullptr;
}

void Readiness::note_blocked(int fd, Side side) {
  if (Watch* watch = find(fd)) {
    watch->is_blocked[index_of(side)] = true;
  }
}

void Readiness::note_short_read(int fd) {
  Watch* watch = find(fd);
  if (watch != nullptr && !watch->ended) {
    watch->is_blocked[index_of(Side::kRead)] = true;
  }
}

void Readiness::arm(Watch& watch) {
  epoll_event event = event_of(watch);
  (void)::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_MOD, watch.fd, &event);
}

void Readiness::wait(Watch& watch, Side side, Handler handler) {
  const std::size_t index = index_of(side);
  LATCHKEY_CHECK(!watch.waiting[index]);
  auto slot = asio::get_associated_cancellation_slot(handler);
  if (slot.is_connected()) {
    slot.assign(Cancel{this, watch.fd, watch.serial, side});
  }
  watch.waiting[index].emplace(std::move(handler));
  ++waiting_;
  const bool first_write = side == Side::kWrite && !watch.for_writing;
  watch.for_writing = watch.for_writing || first_write;
  if (first_write || !watch.is_blocked[index]) {
    arm(watch);
  }
  if (!listening_ && !dispatching_) {
    listen();
  }
}

// Not from within: whoever cancels or closes is in the middle of something.
void Readiness::wake(Watch& watch, Side side) {
  auto& waiting = watch.waiting[index_of(side)];
  if (!waiting) {
    return;
  }
  asio::post(io_, [handler = *std::exchange(waiting, std::nullopt)]() mutable {
    handler(Outcome::kWoken);
  });
  if (--waiting_ == 0 && listening_) {
    epoll_.cancel();
  }
}

void Readiness::Cancel::operator()(asio::cancellation_type /*type*/) const {
  Watch* watch = readiness->find(fd);
  if (watch != nullptr && watch->serial == serial) {
    readiness->wake(*watch, side);
  }
}

void Readiness::complete(Watch& watch, Side side) {
  watch.is_blocked[index_of(side)] = false;
  auto& waiting = watch.waiting[index_of(side)];
  if (waiting) {
    --waiting_;
    // It goes on where it waited; `watch` may be gone afterwards.
    Handler handler = *std::exchange(waiting, std::nullopt);
    handler(Outcome::kReady);
  }
}

void Readiness::listen() {
  listening_ = true;
  epoll_.async_wait(asio::posix::stream_descriptor::wait_read,
                    [this](const boost::system::error_code& error) {
                      if (over_) {
                        return;
                      }
                      listening_ = false;
                      if (!error) {
                        on_events();
                      }
                      if (waiting_ > 0 && !listening_) {
                        listen();
                      }
                    });
}

void Readiness::on_events() {
  constexpr std::uint32_t kEnd = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  std::array<epoll_event, kBatch> events;
  const int count = ::epoll_wait(epoll_.native_handle(), events.data(), kBatch, 0);
  // Also where what goes on ends with an exception.
  struct Dispatching {
    explicit Dispatching(bool& flag) : flag_(flag) { flag_ = true; }
    ~Dispatching() { flag_ = false; }
    bool& flag_;
  };
  const Dispatching dispatching(dispatching_);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const auto fd = static_cast<int>(event.data.u64 & 0xffffffffU);
    // What went before may have ended this one, and its number may be another's by now.
    const auto still = [&] {
      Watch* watch = find(fd);
      return watch != nullptr && name_of(*watch) == event.data.u64 ? watch : nullptr;
    };
    if (Watch* watch = still()) {
      watch->ended = watch->ended || (event.events & kEnd) != 0;
      if ((event.events & (EPOLLIN | EPOLLPRI | kEnd)) != 0) {
        complete(*watch, Side::kRead);
      }
    }
    if (Watch* watch = still(); watch != nullptr && (event.events & (EPOLLOUT | kEnd)) != 0) {
      complete(*watch, Side::kWrite);
    }
  }
}

void Readiness::shutdown() {
  over_ = true;
  // With them coroutines go, and with those what is watched.
  std::vector<Handler> gone;
  for (Watch* watch : by_fd_) {
    if (watch != nullptr) {
      for (auto& waiting : watch->waiting) {
        if (waiting) {
          gone.push_back(*std::exchange(waiting, std::nullopt));
        }
      }
    }
  }
}

}  // namespace latchkey::net
