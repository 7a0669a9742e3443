// Byte streams that coroutines read and write: sockets with a deadline on every wait.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "net/task.h"

namespace latchkey::net {

// What can be ended from outside.
class Closable {
 public:
  Closable() = default;
  virtual ~Closable() = default;
  Closable(const Closable&) = delete;
  Closable& operator=(const Closable&) = delete;
  // Ends it now: what waits on it returns kClosed, and what the peer has not got yet is thrown
  // away.
  virtual void close() = 0;
};

// One coroutine may read while another writes. Bytes are the caller's until the call returns.
class ByteStream : public Closable {
 public:
  // At least one byte, or 0 at the orderly end.
  virtual Task<Result<std::size_t>> read_some(std::span<std::uint8_t> into, Deadline deadline) = 0;
  // Until read_some() need not wait long: whoever may have to wait for minutes needs no memory to
  // read into before. Coming back at once is always allowed.
  virtual Task<Result<void>> readable(Deadline deadline);
  // All of it. The deadline starts anew (by as much as it was away) whenever the peer takes some.
  virtual Task<Result<void>> write_all(ByteSpan bytes, std::chrono::milliseconds stall) = 0;
  // Tells the peer that nothing more comes, without waiting for long.
  virtual Task<void> shutdown() = 0;
  [[nodiscard]] virtual bool is_open() const = 0;
};

// A file descriptor of a socket, non-blocking, watched for reading and writing. The parts of
// FdStream and TlsStream that touch Asio. Held by shared_ptr, since timers outlive their owners.
class WatchedFd : public std::enable_shared_from_this<WatchedFd> {
 public:
  enum class Side { kRead, kWrite };
  // Takes ownership of `fd`.
  static std::shared_ptr<WatchedFd> take(Executor executor, int fd);
  ~WatchedFd();
  WatchedFd(const WatchedFd&) = delete;
  WatchedFd& operator=(const WatchedFd&) = delete;

  // Until the socket is ready, kTimeout, or kClosed.
  Task<Result<void>> wait(Side side, Deadline deadline);
  void close();   // in order: what was written is still delivered
  void abort();   // what was not delivered is thrown away
  int release();  // the descriptor becomes the caller's; nothing may wait
  [[nodiscard]] bool is_open() const;
  [[nodiscard]] int fd() const;
  [[nodiscard]] Executor executor() const;

 private:
  struct State;
  explicit WatchedFd(std::unique_ptr<State> state);
  void arm();
  void on_timer();
  std::unique_ptr<State> state_;
};

// A plain socket, TCP or Unix.
class FdStream final : public ByteStream {
 public:
  FdStream(Executor executor, int fd);
  ~FdStream() override;
  static Task<Result<std::unique_ptr<FdStream>>> connect(Executor executor,
                                                         boost::asio::ip::tcp::endpoint to,
                                                         Deadline deadline);

  Task<Result<std::size_t>> read_some(std::span<std::uint8_t> into, Deadline deadline) override;
  Task<Result<void>> readable(Deadline deadline) override;
  Task<Result<void>> write_all(ByteSpan bytes, std::chrono::milliseconds stall) override;
  Task<void> shutdown() override;
  void close() override;
  [[nodiscard]] bool is_open() const override { return fd_->is_open(); }
  // Whether the peer has closed, or sent what nobody waited for: an idle connection not to be
  // reused.
  [[nodiscard]] bool is_stale() const;
  [[nodiscard]] int native() const { return fd_->fd(); }

 private:
  std::shared_ptr<WatchedFd> fd_;
};

// A connected, non-blocking TCP socket without Nagle's delay. kRefused, kTimeout.
Task<Result<int>> connect_tcp(Executor executor, boost::asio::ip::tcp::endpoint to,
                              Deadline deadline);

}  // namespace latchkey::net
