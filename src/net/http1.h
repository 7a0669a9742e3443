// HTTP/1.1 messages (RFC 9112) without sockets: bytes in, heads and pieces of bodies out, and back.
//
// Stricter than the RFC asks of a recipient, since whoever reads a message differently from the
// next in line can be tricked into seeing other requests than it does. Refused: line ends other
// than CR LF, folded fields, white space around field names, control characters, two Host or
// Content-Length fields, Content-Length beside Transfer-Encoding, any transfer coding but one
// "chunked", HTTP/1.0 with Transfer-Encoding. Trailers are read and dropped.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/http_head.h"

namespace latchkey::net {

inline constexpr std::size_t kMaxHttpHead = 16384;
inline constexpr std::size_t kMaxHttpFields = 100;

enum class HttpFault {
  kMalformed,
  kHeadTooLarge,  // bytes or number of fields
  kVersion,       // not HTTP/1.0 or 1.1
  kFraming,       // where the body ends is in doubt
  kTruncated,     // the stream ended inside a message
};
struct HttpError {
  HttpFault fault = HttpFault::kMalformed;
  std::string detail;
};
// What a server answers to it (RFC 9110 15.5, 15.6; RFC 6585 5).
int status_of(const HttpError& error);
template <class T>
using HttpResult = latchkey::Result<T, HttpError>;

enum class BodyKind { kNone, kLength, kChunked, kUntilClose };

struct BodyStep {
  std::size_t consumed = 0;
  std::vector<ByteSpan> pieces;  // of the body, inside the caller's bytes
  bool done = false;
};

// Decodes one message. Give it what is buffered; drop what it consumed; give it more when it
// consumed too little to be done.
class HttpDecoder {
 public:
  static HttpDecoder request();
  // `to_head`: the answer to a HEAD request, which has no body whatever its fields say.
  static HttpDecoder response(bool to_head);
  HttpDecoder(HttpDecoder&&) noexcept;
  HttpDecoder& operator=(HttpDecoder&&) noexcept;
  ~HttpDecoder();

  // How many bytes the head took, once all of it is there.
  HttpResult<std::optional<std::size_t>> read_head(ByteSpan buffered);
  // After the head, until done.
  HttpResult<BodyStep> read_body(ByteSpan buffered);
  // The stream has ended. Fine only where that is how the body ends.
  HttpResult<void> end_of_stream();

  [[nodiscard]] const wire::HttpRequestHead& request_head() const;
  [[nodiscard]] const wire::HttpResponseHead& response_head() const;
  [[nodiscard]] BodyKind body_kind() const;
  [[nodiscard]] std::uint64_t content_length() const;  // of kLength
  [[nodiscard]] bool done() const;
  // Whether the connection may carry another message after this one.
  [[nodiscard]] bool keep_alive() const;

  struct Parser;

 private:
  explicit HttpDecoder(std::unique_ptr<Parser> parser);
  std::unique_ptr<Parser> parser_;
};

// CHECKs that nothing in the head could break out of its line.
std::string encode_head(const wire::HttpRequestHead& head);
std::string encode_head(const wire::HttpResponseHead& head);  // an empty reason is filled in
// The same, put after what is in `out`.
void encode_head(const wire::HttpRequestHead& head, std::string& out);
void encode_head(const wire::HttpResponseHead& head, std::string& out);
std::string chunk_prefix(std::size_t size);  // "1a\r\n"
inline constexpr std::string_view kChunkSuffix = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
std::string_view reason_of(int status);

// Whether `value`, a comma-separated list, has `token` (RFC 9110 section 5.6.1).
bool list_has_token(std::string_view value, std::string_view token);
// Whether a field value can be sent: no control characters but HTAB.
bool is_field_value(std::string_view value);
bool is_token(std::string_view text);

}  // namespace latchkey::net
