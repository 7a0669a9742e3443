#include "bluez/notify_socket.h"

#include <sys/socket.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <deque>
#include <utility>

namespace latchkey::bluez {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kMaxQueued = 64;

}  // namespace

struct NotifySocket::State : std::enable_shared_from_this<State> {
  State(const net::Executor& e, Events all) : executor(e), events(std::move(all)), descriptor(e) {}

  void later(std::function<void()> NotifySocket::Events::* event) {
    asio::post(executor, [self = shared_from_this(), now = turn, event] {
      if (self->alive && self->turn == now) {
        (self->events.*event)();
      }
    });
  }
  void close() {
    ++turn;
    waiting = false;
    queue.clear();
    error_code ignored;
    descriptor.close(ignored);  // NOLINT(bugprone-unused-return-value): nothing to do about it
  }
  void watch() {
    descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this(), now = turn](const error_code& error) {
                            // BlueZ writes nothing there: it is the end.
                            if (!error && self->alive && now == self->turn) {
                              self->close();
                              self->events.closed();
                            }
                          });
  }
  void flush() {
    while (!queue.empty() && descriptor.is_open() && !waiting) {
      const Bytes& value = queue.front();
      const auto sent =
          ::send(descriptor.native_handle(), value.data(), value.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        queue.pop_front();
        later(&Events::sent);
        if (queue.empty()) {
          later(&Events::drained);
        }
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        waiting = true;
        descriptor.async_wait(asio::posix::stream_descriptor::wait_write,
                              [self = shared_from_this(), now = turn](const error_code& error) {
                                if (!error && self->alive && now == self->turn) {
                                  self->waiting = false;
                                  self->flush();
                                }
                              });
      } else if (errno != EINTR) {
        // The watch sees the end, too.
        queue.clear();
      }
    }
  }

  net::Executor executor;
  Events events;
  asio::posix::stream_descriptor descriptor;
  std::deque<Bytes> queue;
  std::uint64_t turn = 0;  // counts sockets
  bool waiting = false;
  bool alive = true;
};

NotifySocket::NotifySocket(const net::Executor& executor, Events events)
    : state_(std::make_shared<State>(executor, std::move(events))) {}

NotifySocket::~NotifySocket() {
  state_->alive = false;
  state_->close();
}

int NotifySocket::open() {
  int ends[2] = {-1, -1};
  close();
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    return -1;
  }
  state_->descriptor.assign(ends[0]);
  state_->watch();
  return ends[1];
}

void NotifySocket::close() {
  state_->close();
}
bool NotifySocket::is_open() const {
  return state_->descriptor.is_open();
}
bool NotifySocket::send(Bytes value) {
  if (state_->queue.size() >= kMaxQueued) {
    return false;
  }
  state_->queue.push_back(std::move(value));
  state_->flush();
  return true;
}
void NotifySocket::clear() {
  state_->queue.clear();
}
bool NotifySocket::empty() const {
  return state_->queue.empty();
}

}  // namespace latchkey::bluez
