#include "device/http1_caller.h"

#include "net/spare_text.h"

namespace latchkey::device {

namespace {

bool has_no_body(int status) {
  return status < 200 || status == 204 || status == 304;
}

}  // namespace

Http1Caller::Http1Caller(net::HttpStream& http, net::ByteStream& stream, const Timeouts& timeouts)
    : http_(http),
      stream_(stream),
      timeouts_(timeouts),
      pace_(timeouts.body, timeouts.upload_rate),
      keep_(http.message().keep_alive()),
      head_only_(http.message().request_head().method == "HEAD") {}

std::optional<std::uint64_t> Http1Caller::body_length() const {
  const net::HttpDecoder& message = http_.message();
  switch (message.body_kind()) {
    case net::BodyKind::kNone:
      return 0;
    case net::BodyKind::kLength:
      return message.content_length();
    default:
      return std::nullopt;
  }
}

net::Task<net::Result<ByteSpan>> Http1Caller::read_body() {
  const net::Deadline begun = std::chrono::steady_clock::now();
  auto piece = co_await http_.read_body(begun + std::min(timeouts_.body, pace_.left()));
  if (piece) {
    pace_.on_piece(std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::steady_clock::now() - begun),
                   piece->size());
  } else if (piece.error().code == net::Error::Code::kTimeout) {
    given_up_ = front::Refusal::kSlowBody;
  } else {
    malformed_ = piece.error().code == net::Error::Code::kProtocol;
  }
  co_return piece;
}

net::Result<void> Http1Caller::noted(net::Result<void> written) {
  if (!written && written.error().code == net::Error::Code::kTimeout) {
    given_up_ = front::Refusal::kSlowReader;
  }
  return written;
}

net::Task<net::Result<void>> Http1Caller::send_continue() {
  return http_.write("HTTP/1.1 100 Continue\r\n\r\n", timeouts_.stall);
}

net::Task<void> Http1Caller::skip_body() {
  if (!body_done()) {
    (void)co_await http_.read_all(kMaxDrain, net::after(timeouts_.head));
  }
}

void Http1Caller::frame(wire::HttpResponseHead head, std::optional<std::uint64_t> length,
                        std::string& out) {
  status_ = head.status;
  if (head.status == 101) {
    keep_ = false;
    net::encode_head(head, out);
    return;
  }
  const bool empty = head_only_ || has_no_body(head.status);
  if (length && head.status != 204) {
    head.fields.set("Content-Length", std::to_string(*length));
  }
  chunked_ = !length && !empty && http_.message().request_head().minor_version == 1;
  if (chunked_) {
    head.fields.set("Transfer-Encoding", "chunked");
  }
  left_ = empty ? std::optional<std::uint64_t>(0) : length;
  // Where the request's body is still coming in, or only its end can end this one, it is the last.
  keep_ = keep_ && body_done() && (length || empty || chunked_);
  if (!keep_) {
    head.fields.set("Connection", "close");
  }
  net::encode_head(head, out);
}

net::Task<net::Result<void>> Http1Caller::write_head(wire::HttpResponseHead head,
                                                     std::optional<std::uint64_t> length) {
  net::SpareText text;
  frame(std::move(head), length, *text);
  co_return noted(co_await http_.write_all(as_bytes(*text), timeouts_.stall));
}

net::Task<net::Result<void>> Http1Caller::write_piece(ByteSpan piece) {
  LATCHKEY_CHECK(!left_ || piece.size() <= *left_);
  const auto written = noted(co_await http_.write_piece(piece, chunked_, timeouts_.stall));
  if (written) {
    bytes_ += piece.size();
    left_ = left_ ? std::optional(*left_ - piece.size()) : left_;
  }
  co_return written;
}

net::Task<net::Result<void>> Http1Caller::finish() {
  LATCHKEY_CHECK(!left_ || *left_ == 0);
  if (chunked_) {
    const auto written = co_await http_.write(std::string(net::kLastChunk), timeouts_.stall);
    if (!written) {
      co_return written;
    }
  }
  finished_ = true;
  co_return net::Result<void>{};
}

net::Task<net::Result<void>> Http1Caller::write_whole(wire::HttpResponseHead head,
                                                      std::string_view body, bool with_body) {
  const bool sends = with_body && !has_no_body(head.status);
  const std::size_t size = body.size();
  const bool sized = !has_no_body(head.status);
  net::SpareText text;
  frame(std::move(head), sized ? std::optional<std::uint64_t>(size) : std::nullopt, *text);
  if (sends) {
    text->append(body);
  }
  const auto written = noted(co_await http_.write_all(as_bytes(*text), timeouts_.stall));
  if (written) {
    bytes_ = sends ? size : 0;
    finished_ = true;
  }
  co_return written;
}

net::Task<void> Http1Caller::gone() {
  LATCHKEY_CHECK(body_done());
  co_await http_.ended();
  stream_.close();
}

}  // namespace latchkey::device
