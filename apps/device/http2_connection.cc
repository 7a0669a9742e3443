#include "device/http2_connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/block.h"
#include "wire/http2_head.h"

namespace latchkey::device {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

constexpr std::size_t kReadBlock = 16384 + 9;  // a frame
// Four records of TLS; also what one turn of the loop spends on one connection.
constexpr std::size_t kWriteBlock = 65536;

}  // namespace

net::Task<void> Wake::wait(net::Deadline deadline) {
  timer_.expires_at(deadline);
  (void)co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

Http2Connection::Http2Connection(net::Executor executor, net::TlsStream& stream,
                                 const Timeouts& timeouts, const net::Http2Limits& limits)
    : executor_(executor),
      stream_(stream),
      timeouts_(timeouts),
      session_(limits),
      output_(executor),
      watch_(executor),
      released_(executor),
      last_use_(std::chrono::steady_clock::now()) {}

net::Task<void> Http2Connection::run(std::function<void(std::int32_t)> serve) {
  serve_ = std::move(serve);
  co_await (read_loop() || write_loop() || watch());
  over_ = true;
  for (const auto& [id, caller] : callers_) {
    caller->readable_.notify();
    caller->writable_.notify();
    caller->gone_.notify();
  }
  co_await stream_.shutdown();
  while (session_.streams() > 0 && !callers_.empty()) {
    co_await released_.wait(net::kNoDeadline);
  }
}

void Http2Connection::drain() {
  session_.drain();
  flush();
}

net::Task<void> Http2Connection::read_loop() {
  while (true) {
    // Idle: for that no buffer is held.
    if (!co_await stream_.readable(net::kNoDeadline)) {
      co_return;
    }
    {
      const auto block = net::Block<kReadBlock>::take();
      const auto got = co_await stream_.read_some(block.span(), net::kNoDeadline);
      if (!got || *got == 0) {
        co_return;
      }
      broken_ = !session_.receive(ByteSpan(block.span()).first(*got));
    }
    dispatch();
    flush();
    if (!session_.in_head()) {
      head_begun_ = net::kNoDeadline;
    } else if (head_begun_ == net::kNoDeadline) {
      head_begun_ = std::chrono::steady_clock::now();
      watch_.notify();
    }
    if (broken_ || !session_.alive()) {
      break;
    }
  }
  // The writer says goodbye, and ends the connection.
  co_await net::sleep_until(net::kNoDeadline);
}

net::Task<void> Http2Connection::write_loop() {
  Bytes out;
  while (true) {
    out.clear();
    session_.next_output(out, kWriteBlock);
    dispatch();
    if (!out.empty()) {
      if (!co_await stream_.write_all(out, timeouts_.stall)) {
        co_return;
      }
    } else if (broken_ || !session_.alive()) {
      co_return;
    } else {
      Bytes().swap(out);  // a connection that idles holds nothing
      co_await output_.wait(net::kNoDeadline);
    }
  }
}

net::Task<void> Http2Connection::watch() {
  while (true) {
    const net::Deadline now = std::chrono::steady_clock::now();
    const bool slow_head = head_begun_ != net::kNoDeadline && now >= head_begun_ + timeouts_.head;
    const bool silent = !session_.greeted() && now >= last_use_ + timeouts_.head;
    if (slow_head || silent) {
      slow_head_ = true;
      co_return;
    }
    if (!callers_.empty()) {
      last_use_ = now;
    } else if (now >= last_use_ + timeouts_.idle) {
      drain();
      // In order where the client reads; else at the next round.
      last_use_ = now;
      co_await watch_.wait(now + timeouts_.head);
      co_return;
    }
    net::Deadline next = last_use_ + (session_.greeted() ? timeouts_.idle : timeouts_.head);
    if (head_begun_ != net::kNoDeadline) {
      next = std::min(next, head_begun_ + timeouts_.head);
    }
    co_await watch_.wait(next);
  }
}

void Http2Connection::dispatch() {
  for (const net::Http2Event& event : session_.take_events()) {
    if (event.kind == net::Http2Event::Kind::kRequest) {
      last_use_ = std::chrono::steady_clock::now();
      serve_(event.stream);
      continue;
    }
    const auto at = callers_.find(event.stream);
    if (at == callers_.end()) {
      continue;  // it looks at the state when it begins
    }
    Http2Caller& caller = *at->second;
    const bool ended = event.kind == net::Http2Event::Kind::kEnded;
    if (ended || event.kind == net::Http2Event::Kind::kBody) {
      caller.readable_.notify();
    }
    if (ended || event.kind == net::Http2Event::Kind::kWritable) {
      caller.writable_.notify();
    }
    if (ended) {
      caller.gone_.notify();
    }
  }
}

Http2Caller::Http2Caller(std::shared_ptr<Http2Connection> connection, std::int32_t stream)
    : connection_(std::move(connection)),
      id_(stream),
      opens_tunnel_(wire::opens_websocket(connection_->session_.request(stream).head)),
      pace_(connection_->timeouts_.body, connection_->timeouts_.upload_rate),
      readable_(connection_->executor_),
      writable_(connection_->executor_),
      gone_(connection_->executor_) {
  connection_->callers_.emplace(id_, this);
}

Http2Caller::~Http2Caller() {
  Http2Connection& connection = *connection_;
  connection.callers_.erase(id_);
  connection.session_.consume(id_, piece_.size() - read_);
  connection.session_.release(id_);
  connection.last_use_ = std::chrono::steady_clock::now();
  connection.flush();
  connection.released_.notify();
}

const net::Http2Request& Http2Caller::request() const {
  return connection_->session_.request(id_);
}

bool Http2Caller::is_open() const {
  return !cut_ && !connection_->over_ && !connection_->session_.ended(id_);
}

bool Http2Caller::body_done() const {
  return opens_tunnel_ || connection_->session_.body_done(id_);
}

std::optional<std::uint64_t> Http2Caller::body_length() const {
  const net::Http2Session& session = connection_->session_;
  if (opens_tunnel_) {
    return 0;
  }
  if (request().length) {
    return request().length;
  }
  return session.body_ended(id_) ? std::optional<std::uint64_t>(session.body_waiting(id_))
                                 : std::nullopt;
}

net::Task<net::Result<ByteSpan>> Http2Caller::read_body() {
  net::Http2Session& session = connection_->session_;
  session.consume(id_, std::exchange(piece_, {}).size());
  connection_->flush();
  const net::Deadline begun = std::chrono::steady_clock::now();
  const net::Deadline deadline = begun + std::min(timeouts().body, pace_.left());
  while (is_open()) {
    if (session.body_waiting(id_) > 0) {
      piece_ = session.take_body(id_);
      pace_.on_piece(std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::steady_clock::now() - begun),
                     piece_.size());
      co_return ByteSpan(piece_);
    }
    if (session.body_ended(id_)) {
      co_return ByteSpan{};
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      given_up_ = front::Refusal::kSlowBody;
      co_return fail(net::Error{net::Error::Code::kTimeout, "too slow"});
    }
    co_await readable_.wait(deadline);
  }
  co_return fail(closed());
}

net::Task<net::Result<void>> Http2Caller::send_continue() {
  if (!is_open()) {
    co_return fail(closed());
  }
  connection_->session_.send_continue(id_);
  connection_->flush();
  co_return net::Result<void>{};
}

net::Task<void> Http2Caller::skip_body() {
  connection_->session_.discard_body(id_);
  co_return;
}

net::Task<net::Result<void>> Http2Caller::write_head(wire::HttpResponseHead head,
                                                     std::optional<std::uint64_t> length) {
  if (!is_open()) {
    co_return fail(closed());
  }
  if (opens_tunnel_) {
    // The client takes any 2xx for an open WebSocket (RFC 8441 section 5), here only a 101 is.
    const bool opens = head.status == 101;
    head.status = opens ? 200 : head.status / 100 == 2 ? 502 : head.status;
    head.fields.remove("Sec-WebSocket-Accept");
  }
  status_ = head.status;
  const bool empty = head.status == 204 || head.status == 304;
  if (length && head.status != 204) {
    head.fields.set("content-length", std::to_string(*length));
  }
  bodiless_ = empty || request().head.method == "HEAD";
  connection_->session_.respond(id_, head, bodiless_ ? std::optional<std::uint64_t>(0) : length);
  connection_->flush();
  co_return net::Result<void>{};
}

net::Task<net::Result<void>> Http2Caller::write_piece(ByteSpan piece) {
  std::size_t taken = 0;
  const auto pushed = co_await push(piece, timeouts().stall, taken);
  bytes_ += taken;
  co_return pushed;
}

net::Task<net::Result<void>> Http2Caller::push(ByteSpan piece, std::chrono::milliseconds stall,
                                               std::size_t& taken) {
  // The session reads the caller's bytes: not after this frame is gone, however it goes.
  struct Offer {
    Http2Caller& caller;
    ~Offer() { caller.connection_->session_.withdraw(caller.id_); }
  };
  net::Http2Session& session = connection_->session_;
  LATCHKEY_CHECK(!bodiless_);
  if (!is_open()) {
    co_return fail(closed());
  }
  const Offer offer{*this};
  session.offer(id_, piece);
  connection_->flush();
  std::size_t left = piece.size();
  net::Deadline deadline = net::after(stall);
  while (session.offered(id_) > 0 && is_open()) {
    co_await writable_.wait(deadline);
    if (session.offered(id_) < left) {
      left = session.offered(id_);
      deadline = net::after(stall);
    } else if (std::chrono::steady_clock::now() >= deadline) {
      given_up_ = front::Refusal::kSlowReader;
      close();
      co_return fail(net::Error{net::Error::Code::kTimeout, "does not read"});
    }
  }
  taken = piece.size() - left;
  if (!is_open() && !session.answered(id_)) {
    co_return fail(closed());
  }
  co_return net::Result<void>{};
}

net::Task<net::Result<std::size_t>> Http2Caller::Tunnel::read_some(std::span<std::uint8_t> into,
                                                                   net::Deadline deadline) {
  net::Http2Session& session = caller_.connection_->session_;
  Bytes& piece = caller_.piece_;
  std::size_t& read = caller_.read_;
  while (caller_.is_open()) {
    if (read == piece.size() && session.body_waiting(caller_.id_) > 0) {
      piece = session.take_body(caller_.id_);
      read = 0;
    }
    if (read < piece.size()) {
      const std::size_t size = std::min(into.size(), piece.size() - read);
      std::copy_n(piece.begin() + static_cast<std::ptrdiff_t>(read), size, into.begin());
      read += size;
      session.consume(caller_.id_, size);
      caller_.connection_->flush();
      co_return size;
    }
    if (session.body_ended(caller_.id_)) {
      co_return 0U;
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      co_return fail(net::Error{net::Error::Code::kTimeout, "says nothing"});
    }
    Bytes().swap(piece);  // one that idles holds nothing
    read = 0;
    co_await caller_.readable_.wait(deadline);
  }
  co_return fail(closed());
}

net::Task<net::Result<void>> Http2Caller::Tunnel::write_all(ByteSpan bytes,
                                                            std::chrono::milliseconds stall) {
  std::size_t taken = 0;
  if (bytes.empty()) {
    co_return net::Result<void>{};
  }
  co_return co_await caller_.push(bytes, stall, taken);
}

net::Task<net::Result<void>> Http2Caller::finish() {
  net::Http2Session& session = connection_->session_;
  if (!is_open() && !session.answered(id_)) {
    co_return fail(closed());
  }
  session.end_body(id_);
  connection_->flush();
  co_return net::Result<void>{};
}

net::Task<net::Result<void>> Http2Caller::write_whole(wire::HttpResponseHead head,
                                                      std::string_view body, bool with_body) {
  const bool empty = head.status == 204 || head.status == 304;
  const auto length = empty ? std::nullopt : std::optional<std::uint64_t>(body.size());
  auto written = co_await write_head(std::move(head), length);
  if (written && with_body && !bodiless_ && !body.empty()) {
    written = co_await write_piece(as_bytes(body));
  }
  co_return written;
}

void Http2Caller::end_connection() {
  connection_->session_.reset_others(id_);
  connection_->drain();
}

void Http2Caller::close() {
  cut_ = true;
  connection_->session_.reset(id_, net::Http2Reason::kInternal);
  connection_->flush();
  readable_.notify();
  writable_.notify();
  gone_.notify();
}

net::Task<void> Http2Caller::gone() {
  // A stream is also over when its answer is whole.
  while (is_open() || connection_->session_.answered(id_)) {
    co_await gone_.wait(net::kNoDeadline);
    if (!is_open() && connection_->session_.answered(id_)) {
      co_await net::sleep_until(net::kNoDeadline);
    }
  }
}

}  // namespace latchkey::device
