// HTTP/1.1 over a ByteStream, one message after the other, with one buffer of fixed size. Bodies
// pass through in pieces; nothing is collected unless asked for, and then up to a limit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "net/block.h"
#include "net/http1.h"
#include "net/stream.h"
#include "net/task.h"

namespace latchkey::net {

class HttpStream {
 public:
  // `stream` is the caller's and outlives this.
  explicit HttpStream(ByteStream& stream) : stream_(stream) {}

  // Server: the next request's head. kClosed where the peer ended between requests. `fault()` says
  // more about kProtocol. `first_byte`: how long to wait for it to begin, `whole`: from then to its
  // end.
  Task<Result<void>> read_request(Deadline first_byte, std::chrono::milliseconds whole);
  // Client: the answer's head; 1xx answers count as answers.
  Task<Result<void>> read_response(bool to_head, Deadline deadline);
  [[nodiscard]] const HttpDecoder& message() const { return *decoder_; }
  [[nodiscard]] const std::optional<HttpError>& fault() const { return fault_; }

  // The next piece of the body, valid until the next call; empty when it is over.
  Task<Result<ByteSpan>> read_body(Deadline deadline);
  // Much is to come: the rest of this message's body is read in pieces of up to 64 KiB, which are
  // whole TLS records when they are passed on (four, where pieces of 18 KiB make a large and a
  // small one each).
  void expect_bulk() { bulk_ = true; }
  // All of the rest, kLimit where it is more than `limit`.
  Task<Result<Bytes>> read_all(std::size_t limit, Deadline deadline);

  Task<Result<void>> write(std::string bytes, std::chrono::milliseconds stall);
  // The bytes are the caller's until the call returns.
  Task<Result<void>> write_all(ByteSpan bytes, std::chrono::milliseconds stall) {
    return stream_.write_all(bytes, stall);
  }
  // One piece of a body, as a chunk where `chunked`. Not for empty pieces.
  Task<Result<void>> write_piece(ByteSpan piece, bool chunked, std::chrono::milliseconds stall);

  // Server, after a request has been read whole: returns when the peer has ended or cannot be heard
  // any more. What it sends meanwhile is kept for the next request; when more than fits has come it
  // is not listened to any further, and this never returns.
  Task<void> ended();

  // After an upgrade: bytes that came along with the head.
  [[nodiscard]] Bytes take_rest();
  [[nodiscard]] std::size_t buffered() const { return end_ - begin_; }
  // Gives back the buffer while the connection idles.
  void release_buffer();

 private:
  static constexpr std::size_t kBuffer = kMaxHttpHead + 2048;
  static constexpr std::size_t kBulk = 65536;
  [[nodiscard]] std::span<std::uint8_t> room() const {
    return bulk_buffer_.empty() ? buffer_.span() : bulk_buffer_.span();
  }
  [[nodiscard]] ByteSpan unread() const { return room().subspan(begin_, end_ - begin_); }
  Task<Result<std::size_t>> fill(Deadline deadline);
  Task<Result<void>> read_head(Deadline deadline);
  Error protocol_error(HttpError error);

  ByteStream& stream_;
  std::optional<HttpDecoder> decoder_;
  std::optional<HttpError> fault_;
  Block<kBuffer> buffer_;
  Block<kBulk, 8> bulk_buffer_;  // instead of the other, from when that was empty
  bool bulk_ = false;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::vector<ByteSpan> pieces_;  // decoded and not handed out yet
  std::size_t next_piece_ = 0;
};

// Client: one request and its whole answer, at most `limit` bytes of body. Content-Length is set
// here; a 100 is skipped.
struct HttpAnswer {
  wire::HttpResponseHead head;
  Bytes body;
  bool keep_alive = false;
};
Task<Result<HttpAnswer>> exchange(HttpStream& http, wire::HttpRequestHead head, Bytes body,
                                  std::size_t limit, Deadline deadline);

// Server: an answer that comes before its request has ended is lost when the socket closes with
// bytes unread. Ends the sending side and reads up to `most` bytes away, for a second at most.
Task<void> linger(ByteStream& stream, std::size_t most);

}  // namespace latchkey::net
