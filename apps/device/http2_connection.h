// One HTTP/2 connection of a granted host: reads and writes the socket, and wakes who waits for a
// stream. What a request is answered with is decided where HTTP/1.1's is (serve_http.cc).
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>

#include "device/caller.h"
#include "front/pace.h"
#include "net/http2_session.h"
#include "net/tls_stream.h"

namespace latchkey::device {

// Something to wait for: one waiter at a time, who looks at the state first and again after it.
class Wake {
 public:
  explicit Wake(net::Executor executor) : timer_(std::move(executor)) {}
  net::Task<void> wait(net::Deadline deadline);
  void notify() { timer_.cancel(); }

 private:
  boost::asio::steady_timer timer_;
};

class Http2Caller;

class Http2Connection {
 public:
  // `stream` and `timeouts` outlive it.
  Http2Connection(net::Executor executor, net::TlsStream& stream, const Timeouts& timeouts,
                  const net::Http2Limits& limits);

  // Until the connection is over and nobody serves a stream of it. `serve` starts what makes an
  // Http2Caller for the stream.
  net::Task<void> run(std::function<void(std::int32_t)> serve);
  // Whether it ended because a head did not get to its end.
  [[nodiscard]] bool had_slow_head() const { return slow_head_; }
  // Takes no more requests; ends when those under way are answered.
  void drain();

 private:
  friend class Http2Caller;
  net::Task<void> read_loop();
  net::Task<void> write_loop();
  // Ends a connection that idles, or whose client does not get to the end of a head.
  net::Task<void> watch();
  void dispatch();
  void flush() { output_.notify(); }

  net::Executor executor_;
  net::TlsStream& stream_;
  const Timeouts& timeouts_;
  net::Http2Session session_;
  std::function<void(std::int32_t)> serve_;
  std::map<std::int32_t, Http2Caller*> callers_;
  Wake output_;
  Wake watch_;
  Wake released_;
  net::Deadline last_use_;
  net::Deadline head_begun_ = net::kNoDeadline;
  bool slow_head_ = false;
  bool broken_ = false;  // what came was no HTTP/2
  bool over_ = false;    // nothing moves any more
};

// One stream. The connection must be shared with whoever holds this.
class Http2Caller final : public Caller {
 public:
  Http2Caller(std::shared_ptr<Http2Connection> connection, std::int32_t stream);
  ~Http2Caller() override;

  [[nodiscard]] const net::Http2Request& request() const;

  [[nodiscard]] bool body_done() const override;
  [[nodiscard]] std::optional<std::uint64_t> body_length() const override;
  net::Task<net::Result<ByteSpan>> read_body() override;
  net::Task<net::Result<void>> send_continue() override;
  net::Task<void> skip_body() override;
  net::Task<net::Result<void>> write_head(wire::HttpResponseHead head,
                                          std::optional<std::uint64_t> length) override;
  net::Task<net::Result<void>> write_piece(ByteSpan piece) override;
  net::Task<net::Result<void>> finish() override;
  net::Task<net::Result<void>> write_whole(wire::HttpResponseHead head, std::string_view body,
                                           bool with_body) override;
  void distrust() override {}
  void end_connection() override;
  void close() override;
  [[nodiscard]] bool is_open() const override;
  net::Task<void> gone() override;
  net::ByteStream* tunnel() override { return opens_tunnel_ ? &tunnel_ : nullptr; }
  Bytes take_rest() override { return {}; }
  [[nodiscard]] bool is_keyless() const override { return opens_tunnel_; }
  [[nodiscard]] std::string_view protocol() const override { return "HTTP/2.0"; }

 private:
  friend class Http2Connection;
  // The two directions of a WebSocket's stream (RFC 8441 section 5).
  class Tunnel final : public net::ByteStream {
   public:
    explicit Tunnel(Http2Caller& caller) : caller_(caller) {}
    net::Task<net::Result<std::size_t>> read_some(std::span<std::uint8_t> into,
                                                  net::Deadline deadline) override;
    net::Task<net::Result<void>> write_all(ByteSpan bytes,
                                           std::chrono::milliseconds stall) override;
    net::Task<void> shutdown() override { (void)co_await caller_.finish(); }
    void close() override { caller_.close(); }
    [[nodiscard]] bool is_open() const override { return caller_.is_open(); }

   private:
    Http2Caller& caller_;
  };
  // What the client has taken of `piece`; all of it, or it failed.
  net::Task<net::Result<void>> push(ByteSpan piece, std::chrono::milliseconds stall,
                                    std::size_t& taken);
  static net::Error closed() { return {net::Error::Code::kClosed, "the stream is over"}; }
  [[nodiscard]] const Timeouts& timeouts() const { return connection_->timeouts_; }
  std::shared_ptr<Http2Connection> connection_;
  std::int32_t id_;
  // What follows the head is no body.
  const bool opens_tunnel_;
  Tunnel tunnel_{*this};
  Bytes piece_;           // of the body, that the reader has
  std::size_t read_ = 0;  // of it; only a tunnel hands out less than the whole
  front::Pace pace_;
  bool bodiless_ = false;
  bool cut_ = false;
  Wake readable_;
  Wake writable_;
  Wake gone_;
};

}  // namespace latchkey::device
