#include "load_connection.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace latchkey::bench {

namespace {

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "tls_load: %s\n", what.c_str());
  std::exit(1);
}

void check(bool good, const char* what) {
  if (!good) {
    std::string text = what;
    if (errno != 0) {
      text += std::string(": ") + std::strerror(errno);
    }
    if (const unsigned long code = ERR_peek_last_error(); code != 0) {
      text += std::string(": ") + ERR_error_string(code, nullptr);
    }
    give_up(text);
  }
}

}  // namespace

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

void Connection::drop() {
  SSL_free(ssl_);
  ssl_ = nullptr;
  if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

void Connection::begin() {
  drop();
  began_ = now_ns();
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  check(fd_ >= 0, "socket");
  const int one = 1;
  (void)setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const int connected =
      ::connect(fd_, reinterpret_cast<const sockaddr*>(&load_.to), sizeof load_.to);
  check(connected == 0 || errno == EINPROGRESS, "connect");
  ssl_ = SSL_new(load_.tls);
  check(ssl_ != nullptr && SSL_set_fd(ssl_, fd_) == 1 &&
            SSL_set_tlsext_host_name(ssl_, load_.sni.c_str()) == 1,
        "TLS");
  SSL_set_connect_state(ssl_);
  state_ = State::kConnecting;
  in_body_ = false;
  head_.clear();
  // Edge-triggered, so that nothing is armed again for each wait.
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = this}};
  check(epoll_ctl(load_.poll, EPOLL_CTL_ADD, fd_, &event) == 0, "epoll");
}

void Connection::proceed() {
  switch (state_) {
    case State::kConnecting:
    case State::kShaking:
      shake();
      break;
    case State::kReading:
    case State::kLeaving:
      read();
      break;
    case State::kHolding:
      break;
  }
}

void Connection::shake() {
  state_ = State::kShaking;
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    shaken();
    return;
  }
  const int error = SSL_get_error(ssl_, result);
  if (load_.mode == Load::Mode::kFirst && error == SSL_ERROR_SYSCALL) {
    drop();  // nobody listens yet; asked again
    return;
  }
  check(error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE, "the handshake failed");
}

void Connection::shaken() {
  check(SSL_session_reused(ssl_) == 0, "a session was resumed");
  load_.cipher = SSL_get_cipher_name(ssl_);
  if (load_.mode == Load::Mode::kHandshakes) {
    leave();
    return;
  }
  ask();
  read();
}

void Connection::ask() {
  std::string request = load_.head;
  if (load_.ranges_of > 0) {
    std::uniform_int_distribution<std::uint64_t> offsets(0, load_.ranges_of - load_.range);
    const std::uint64_t offset = offsets(load_.random);
    request += "Range: bytes=" + std::to_string(offset) + "-" +
               std::to_string(offset + load_.range - 1) + "\r\n";
  }
  request += "\r\n";
  began_ = now_ns();
  std::size_t sent = 0;
  check(SSL_write_ex(ssl_, request.data(), request.size(), &sent) == 1 && sent == request.size(),
        "a request could not be sent");
  state_ = State::kReading;
}

void Connection::leave() {
  // The other side has seen the whole handshake only when it answers this by closing.
  (void)SSL_shutdown(ssl_);
  state_ = State::kLeaving;
  read();
}

void Connection::read() {
  while (state_ == State::kReading || state_ == State::kLeaving) {
    ERR_clear_error();
    errno = 0;
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_, load_.buffer.data(), load_.buffer.size(), &got);
    if (result == 1) {
      check(state_ == State::kReading, "bytes that nobody asked for");
      take({reinterpret_cast<const char*>(load_.buffer.data()), got});
      continue;
    }
    const int error = SSL_get_error(ssl_, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      return;
    }
    // How it ends after close_notify is each server's own: with one, or without.
    check(state_ == State::kLeaving, "the connection ended before the answer");
    check(error != SSL_ERROR_SSL, "the handshake was refused");
    ++load_.done;
    load_.latency.add(now_ns() - began_);
    begin();
    return;
  }
}

void Connection::take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!in_body_) {
      const std::size_t before = head_.size();
      head_.append(bytes.substr(0, 16384));
      const std::size_t end = head_.find("\r\n\r\n");
      if (end == std::string::npos) {
        check(head_.size() < 16384, "a head without end");
        return;
      }
      bytes.remove_prefix(end + 4 - before);
      head_.resize(end + 4);
      take_head();
    }
    const std::uint64_t here = std::min<std::uint64_t>(left_, bytes.size());
    left_ -= here;
    load_.bytes += here;
    bytes.remove_prefix(static_cast<std::size_t>(here));
    if (left_ == 0) {
      check(bytes.empty(), "more than the answer");
      answered();
      return;
    }
  }
}

void Connection::take_head() {
  const bool good = head_.starts_with(load_.ranges_of > 0 ? "HTTP/1.1 206 " : "HTTP/1.1 200 ");
  if (!good) {
    give_up("the answer is " + head_.substr(0, head_.find("\r\n")));
  }
  constexpr const char* kLength = "\r\ncontent-length: ";
  const char* at = strcasestr(head_.c_str(), kLength);
  left_ = at == nullptr ? 0 : std::strtoull(at + std::strlen(kLength), nullptr, 10);
  if (load_.body && left_ != *load_.body) {
    give_up("the answer is " + std::to_string(left_) + " bytes long, not " +
            std::to_string(*load_.body));
  }
  in_body_ = true;
}

void Connection::answered() {
  load_.latency.add(now_ns() - began_);
  ++load_.done;
  in_body_ = false;
  head_.clear();
  if (load_.mode != Load::Mode::kRequests) {
    ++load_.settled;
    state_ = State::kHolding;
    return;
  }
  ask();
}

}  // namespace latchkey::bench
