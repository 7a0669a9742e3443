// The client's side of one request, whatever version of HTTP it speaks: the rest of the request is
// read from it, the answer is written to it. What stands between the two (framing, keeping the
// connection, flow control, time limits towards the client) is the caller's own business.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "front/answers.h"
#include "front/metrics.h"
#include "grant/session.h"
#include "net/stream.h"
#include "net/task.h"
#include "wire/http_head.h"

namespace latchkey::device {

// How long things may take. Tests shorten them.
struct Timeouts {
  std::chrono::milliseconds handshake = std::chrono::seconds(10);
  std::chrono::milliseconds head = std::chrono::seconds(10);     // from its first byte
  std::chrono::milliseconds idle = std::chrono::seconds(75);     // between requests
  std::chrono::milliseconds body = std::chrono::seconds(30);     // between pieces of a body
  std::chrono::milliseconds stall = std::chrono::seconds(60);    // a peer that does not read
  std::chrono::milliseconds connect = std::chrono::seconds(3);   // to the service behind
  std::chrono::milliseconds answer = std::chrono::seconds(300);  // its head, or more of its body
  // Of that, until somebody looks whether the client is still there, where looking costs something.
  std::chrono::milliseconds unwatched = std::chrono::seconds(1);
  std::chrono::milliseconds tunnel = std::chrono::hours(2);  // a WebSocket that says nothing
  std::uint64_t upload_rate = 64;  // bytes a second that a body has to keep up, after `body`
};

class Caller : public net::Closable {
 public:
  // --- the request's body ---
  // Whether all of it has been read, or there is none.
  [[nodiscard]] virtual bool body_done() const = 0;
  // Nothing: the client did not say.
  [[nodiscard]] virtual std::optional<std::uint64_t> body_length() const = 0;
  // The next piece, valid until the next call; empty when it is over.
  virtual net::Task<net::Result<ByteSpan>> read_body() = 0;
  // "100 Continue".
  virtual net::Task<net::Result<void>> send_continue() = 0;
  // Nobody wants the rest. Reads it away where the connection needs that.
  virtual net::Task<void> skip_body() = 0;

  // --- the answer: a head, pieces, finish() ---
  // `length`: of the body as the client is told; nothing: it ends with finish(). The fields say
  // nothing of framing or the connection.
  virtual net::Task<net::Result<void>> write_head(wire::HttpResponseHead head,
                                                  std::optional<std::uint64_t> length) = 0;
  // Not for empty pieces, nor where there is no body (HEAD, 204, 304). Returns when the bytes are
  // not needed any more; a client that does not read makes this wait.
  virtual net::Task<net::Result<void>> write_piece(ByteSpan piece) = 0;
  // The answer is whole. Without this the client must see that it is not.
  virtual net::Task<net::Result<void>> finish() = 0;
  // A head and its whole body at once, which is the caller's until the call returns. `with_body`:
  // not for HEAD.
  virtual net::Task<net::Result<void>> write_whole(wire::HttpResponseHead head,
                                                   std::string_view body, bool with_body) = 0;

  // --- the connection ---
  // Where requests follow each other as bytes: nobody can tell where the next one begins, so there
  // is none. Before write_head().
  virtual void distrust() = 0;
  // The connection ends with this answer; others that are under way on it are cut off now. Before
  // write_head().
  virtual void end_connection() = 0;
  // close(): cuts the answer off, so that nobody takes it for the whole, and nothing else where the
  // connection carries others. What waits returns kClosed.
  [[nodiscard]] virtual bool is_open() const = 0;
  // Returns when the client has gone away or the answer was cut; maybe never.
  virtual net::Task<void> gone() = 0;
  // False: gone() reads from the connection. It may be called when body_done() only, not beside
  // tunnel(), and who need not wait long saves the trouble.
  [[nodiscard]] virtual bool notices_by_itself() const { return true; }
  // After a 101 was written: what carries the bytes of a WebSocket, and what came along with the
  // request. Null where this request asks for none in its version of HTTP.
  virtual net::ByteStream* tunnel() = 0;
  virtual Bytes take_rest() = 0;
  // Whether its WebSockets come without a key (RFC 8441): whoever passes one on makes it.
  [[nodiscard]] virtual bool is_keyless() const { return false; }

  [[nodiscard]] virtual std::string_view protocol() const = 0;  // as logs name it: "HTTP/1.1"
  // Why it was given up, if it was.
  [[nodiscard]] const std::optional<front::Refusal>& given_up() const { return given_up_; }
  // Whether what came of the body made no sense.
  [[nodiscard]] bool is_malformed() const { return malformed_; }
  // What was answered, for the log. Status 0: nothing.
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  void count_bytes(std::uint64_t more) { bytes_ += more; }

 protected:
  int status_ = 0;
  std::uint64_t bytes_ = 0;  // of the body
  std::optional<front::Refusal> given_up_;
  bool malformed_ = false;
};

// One of our own answers.
net::Task<net::Result<void>> write_answer(Caller& caller, front::Answer answer, bool with_body);

}  // namespace latchkey::device
