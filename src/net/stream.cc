#include "net/stream.h"

#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

#include "net/readiness.h"

namespace latchkey::net {

namespace asio = boost::asio;

namespace {

std::string errno_text(int number) {
  return std::generic_category().message(number);
}

Error system_error(int number) {
  switch (number) {
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case EBADF:
      return {Error::Code::kClosed, errno_text(number)};
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
      return {Error::Code::kRefused, errno_text(number)};
    case ETIMEDOUT:
      return {Error::Code::kTimeout, errno_text(number)};
    default:
      return {Error::Code::kSystem, errno_text(number)};
  }
}

struct BeginWait {
  Readiness* readiness;
  Readiness::Watch* watch;
  WatchedFd::Side side;
  void operator()(Readiness::Handler&& handler) const {
    readiness->wait(*watch, side, std::move(handler));
  }
};

}  // namespace

// One timer serves both directions. It is only ever moved to an earlier time: a connection that
// reads and writes all the time does not touch the timer queue for each of them.
struct WatchedFd::State {
  State(const Executor& executor, int fd) : readiness(Readiness::of(executor)), timer(executor) {
    readiness.begin(watch, fd);
  }
  ~State() {
    if (open) {
      give_up();
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  void give_up() {
    open = false;
    timer.cancel();
    readiness.end(watch, false);
    ::close(std::exchange(watch.fd, -1));
  }
  Readiness& readiness;
  Readiness::Watch watch;
  asio::steady_timer timer;
  std::array<Deadline, 2> until{kNoDeadline, kNoDeadline};
  Deadline armed = kNoDeadline;
  bool open = true;
};

std::shared_ptr<WatchedFd> WatchedFd::take(Executor executor, int fd) {
  return std::shared_ptr<WatchedFd>(new WatchedFd(std::make_unique<State>(executor, fd)));
}

WatchedFd::WatchedFd(std::unique_ptr<State> state) : state_(std::move(state)) {
  int on = 1;
  (void)::ioctl(state_->watch.fd, FIONBIO, &on);
}

WatchedFd::~WatchedFd() = default;

void WatchedFd::arm() {
  const Deadline next = std::min(state_->until[0], state_->until[1]);
  if (next >= state_->armed || next == kNoDeadline) {
    return;
  }
  state_->armed = next;
  state_->timer.expires_at(next);
  state_->timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self && !error) {
      self->on_timer();
    }
  });
}

void WatchedFd::on_timer() {
  state_->armed = kNoDeadline;
  if (!state_->open) {
    return;
  }
  const Deadline now = std::chrono::steady_clock::now();
  for (const Side side : {Side::kRead, Side::kWrite}) {
    Deadline& until = state_->until[static_cast<std::size_t>(side)];
    if (until <= now) {
      until = kNoDeadline;
      state_->readiness.wake(state_->watch, side);
    }
  }
  arm();
}

Task<Result<void>> WatchedFd::wait(Side side, Deadline deadline) {
  const auto keep = shared_from_this();
  const auto index = static_cast<std::size_t>(side);
  while (true) {
    if (!state_->open) {
      co_return fail(Error{Error::Code::kClosed, "closed here"});
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      co_return fail(Error{Error::Code::kTimeout, "too slow"});
    }
    state_->until[index] = deadline;
    arm();
    if (!state_->watch.registered) {
      co_return fail(Error{Error::Code::kSystem, "this cannot be waited for"});
    }
    const BeginWait begin{&state_->readiness, &state_->watch, side};
    const auto outcome =
        co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Readiness::Outcome)>(
            begin, asio::use_awaitable);
    state_->until[index] = kNoDeadline;
    if (outcome == Readiness::Outcome::kReady) {
      co_return Result<void>{};
    }
    // Too late, closed, or cancelled: then the next wait throws.
  }
}

void WatchedFd::close() {
  if (!state_->open) {
    return;
  }
  state_->give_up();
}

void WatchedFd::abort() {
  if (!state_->open) {
    return;
  }
  const linger now{.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(state_->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

int WatchedFd::release() {
  LATCHKEY_CHECK(state_->open);
  state_->open = false;
  state_->timer.cancel();
  state_->readiness.end(state_->watch, true);
  return std::exchange(state_->watch.fd, -1);
}

bool WatchedFd::is_open() const {
  return state_->open;
}
int WatchedFd::fd() const {
  return state_->watch.fd;
}
Executor WatchedFd::executor() const {
  return state_->timer.get_executor();
}

FdStream::FdStream(Executor executor, int fd) : fd_(WatchedFd::take(std::move(executor), fd)) {}

FdStream::~FdStream() {
  fd_->close();
}

Task<Result<std::unique_ptr<FdStream>>> FdStream::connect(Executor executor,
                                                          asio::ip::tcp::endpoint to,
                                                          Deadline deadline) {
  const Result<int> fd = co_await connect_tcp(executor, to, deadline);
  if (!fd) {
    co_return fail(fd.error());
  }
  co_return std::make_unique<FdStream>(executor, *fd);
}

Task<Result<std::size_t>> FdStream::read_some(std::span<std::uint8_t> into, Deadline deadline) {
  const auto fd = fd_;
  while (fd->is_open()) {
    const ssize_t got = ::recv(fd->fd(), into.data(), into.size(), 0);
    if (got >= 0) {
      if (got > 0 && static_cast<std::size_t>(got) < into.size()) {
        Readiness::of(fd->executor()).note_short_read(fd->fd());
      }
      co_return static_cast<std::size_t>(got);
    }
    if (errno == EAGAIN) {
      Readiness::of(fd->executor()).note_blocked(fd->fd(), WatchedFd::Side::kRead);
      const auto ready = co_await fd->wait(WatchedFd::Side::kRead, deadline);
      if (!ready) {
        co_return fail(ready.error());
      }
    } else if (errno != EINTR) {
      co_return fail(system_error(errno));
    }
  }
  co_return fail(Error{Error::Code::kClosed, "closed here"});
}

Task<Result<void>> ByteStream::readable(Deadline /*deadline*/) {
  co_return Result<void>{};
}

Task<Result<void>> FdStream::readable(Deadline deadline) {
  const auto fd = fd_;
  co_return co_await fd->wait(WatchedFd::Side::kRead, deadline);
}

Task<Result<void>> FdStream::write_all(ByteSpan bytes, std::chrono::milliseconds stall) {
  const auto fd = fd_;
  while (!bytes.empty()) {
    if (!fd->is_open()) {
      co_return fail(Error{Error::Code::kClosed, "closed here"});
    }
    const ssize_t sent = ::send(fd->fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      Readiness::of(fd->executor()).note_blocked(fd->fd(), WatchedFd::Side::kWrite);
      const auto ready = co_await fd->wait(WatchedFd::Side::kWrite, after(stall));
      if (!ready) {
        co_return fail(ready.error());
      }
    } else if (errno != EINTR) {
      co_return fail(system_error(errno));
    }
  }
  co_return Result<void>{};
}

Task<void> FdStream::shutdown() {
  if (fd_->is_open()) {
    (void)::shutdown(fd_->fd(), SHUT_WR);
  }
  co_return;
}

void FdStream::close() {
  fd_->abort();
}

bool FdStream::is_stale() const {
  if (!fd_->is_open()) {
    return true;
  }
  char byte = 0;
  const ssize_t got = ::recv(fd_->fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) {
    Readiness::of(fd_->executor()).note_blocked(fd_->fd(), WatchedFd::Side::kRead);
    return false;
  }
  return got >= 0 || errno != EINTR;
}

Task<Result<int>> connect_tcp(Executor executor, asio::ip::tcp::endpoint to, Deadline deadline) {
  const int fd =
      ::socket(to.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) {
    co_return fail(system_error(errno));
  }
  const auto watched = WatchedFd::take(executor, fd);
  const int one = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::connect(fd, to.data(), static_cast<socklen_t>(to.size())) != 0) {
    if (errno != EINPROGRESS) {
      co_return fail(system_error(errno));
    }
    const auto ready = co_await watched->wait(WatchedFd::Side::kWrite, deadline);
    if (!ready) {
      co_return fail(ready.error());
    }
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
      co_return fail(system_error(error));
    }
  }
  co_return watched->release();
}

}  // namespace latchkey::net
