#include "net/http_stream.h"

#include <cstring>

namespace latchkey::net {

namespace {

constexpr std::size_t kLingerBlock = 16384;
constexpr std::chrono::milliseconds kLinger{1000};

}  // namespace

Error HttpStream::protocol_error(HttpError error) {
  Error out{error.fault == HttpFault::kTruncated ? Error::Code::kClosed : Error::Code::kProtocol,
            error.detail};
  fault_ = std::move(error);
  return out;
}

Task<Result<std::size_t>> HttpStream::fill(Deadline deadline) {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (bulk_ && bulk_buffer_.empty()) {
      buffer_.reset();
      bulk_buffer_ = Block<kBulk, 8>::take();
    } else if (!bulk_) {
      bulk_buffer_.reset();
    }
  }
  if (buffer_.empty() && bulk_buffer_.empty()) {
    buffer_ = Block<kBuffer>::take();
  }
  const std::span<std::uint8_t> room = this->room();
  if (end_ == room.size() && begin_ > 0) {
    std::memmove(room.data(), room.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == room.size()) {
    co_return fail(Error{Error::Code::kLimit, "a line or chunk head that does not end"});
  }
  const auto got = co_await stream_.read_some(room.subspan(end_), deadline);
  if (got) {
    end_ += *got;
  }
  co_return got;
}

Task<Result<void>> HttpStream::read_head(Deadline deadline) {
  while (true) {
    const auto head = decoder_->read_head(unread());
    if (!head) {
      co_return fail(protocol_error(head.error()));
    }
    if (*head) {
      begin_ += **head;
      co_return Result<void>{};
    }
    const auto got = co_await fill(deadline);
    if (!got) {
      co_return fail(got.error());
    }
    if (*got == 0) {
      co_return fail(Error{Error::Code::kClosed, "the stream ended inside a head"});
    }
  }
}

Task<Result<void>> HttpStream::read_request(Deadline first_byte, std::chrono::milliseconds whole) {
  decoder_.reset();  // nothing of the last one is kept while the connection idles
  bulk_ = false;
  fault_.reset();
  pieces_.clear();
  next_piece_ = 0;
  if (begin_ == end_) {
    // Idle: for that no buffer is held.
    if (const auto ready = co_await stream_.readable(first_byte); !ready) {
      co_return fail(ready.error());
    }
    const auto got = co_await fill(first_byte);
    if (!got) {
      co_return fail(got.error());
    }
    if (*got == 0) {
      co_return fail(Error{Error::Code::kClosed, "the peer has ended"});
    }
  }
  decoder_ = HttpDecoder::request();
  co_return co_await read_head(after(whole));
}

Task<Result<void>> HttpStream::read_response(bool to_head, Deadline deadline) {
  decoder_ = HttpDecoder::response(to_head);
  bulk_ = false;
  fault_.reset();
  pieces_.clear();
  next_piece_ = 0;
  if (begin_ == end_) {
    if (const auto ready = co_await stream_.readable(deadline); !ready) {
      co_return fail(ready.error());
    }
  }
  co_return co_await read_head(deadline);
}

Task<Result<ByteSpan>> HttpStream::read_body(Deadline deadline) {
  while (true) {
    if (next_piece_ < pieces_.size()) {
      co_return pieces_[next_piece_++];
    }
    pieces_.clear();
    next_piece_ = 0;
    if (decoder_->done()) {
      co_return ByteSpan{};
    }
    if (begin_ < end_) {
      auto step = decoder_->read_body(unread());
      if (!step) {
        co_return fail(protocol_error(step.error()));
      }
      begin_ += step->consumed;
      std::erase_if(step->pieces, [](ByteSpan piece) { return piece.empty(); });
      pieces_ = std::move(step->pieces);
      if (!pieces_.empty() || step->done) {
        continue;
      }
    }
    const auto got = co_await fill(deadline);
    if (!got) {
      co_return fail(got.error());
    }
    if (*got == 0) {
      if (const auto ended = decoder_->end_of_stream(); !ended) {
        co_return fail(protocol_error(ended.error()));
      }
      co_return ByteSpan{};
    }
  }
}

Task<Result<Bytes>> HttpStream::read_all(std::size_t limit, Deadline deadline) {
  Bytes all;
  if (decoder_->body_kind() == BodyKind::kLength && decoder_->content_length() > limit) {
    co_return fail(Error{Error::Code::kLimit, "body too long"});
  }
  while (true) {
    const auto piece = co_await read_body(deadline);
    if (!piece) {
      co_return fail(piece.error());
    }
    if (piece->empty()) {
      co_return all;
    }
    if (piece->size() > limit - all.size()) {
      co_return fail(Error{Error::Code::kLimit, "body too long"});
    }
    append(all, *piece);
  }
}

Task<Result<void>> HttpStream::write(std::string bytes, std::chrono::milliseconds stall) {
  co_return co_await stream_.write_all(as_bytes(bytes), stall);
}

Task<Result<void>> HttpStream::write_piece(ByteSpan piece, bool chunked,
                                           std::chrono::milliseconds stall) {
  if (!chunked) {
    co_return co_await stream_.write_all(piece, stall);
  }
  // One write for small chunks, so that each is not three TLS records.
  Bytes framed;
  framed.reserve(piece.size() + 16);
  append(framed, chunk_prefix(piece.size()));
  append(framed, piece);
  append(framed, kChunkSuffix);
  co_return co_await stream_.write_all(framed, stall);
}

Task<void> HttpStream::ended() {
  while (begin_ > 0 || end_ == 0 || end_ < room().size()) {
    // Without a buffer until there is something: this may take as long as a long poll.
    if (!co_await stream_.readable(kNoDeadline)) {
      co_return;
    }
    const auto got = co_await fill(kNoDeadline);
    if (!got || *got == 0) {
      co_return;
    }
  }
  co_await sleep_until(kNoDeadline);
}

Bytes HttpStream::take_rest() {
  const ByteSpan unread = this->unread();
  Bytes rest(unread.begin(), unread.end());
  begin_ = end_ = 0;
  return rest;
}

void HttpStream::release_buffer() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    buffer_.reset();
    bulk_buffer_.reset();
  }
}

Task<Result<HttpAnswer>> exchange(HttpStream& http, wire::HttpRequestHead head, Bytes body,
                                  std::size_t limit, Deadline deadline) {
  const auto stall = std::chrono::seconds(30);
  if (!body.empty() || (head.method != "GET" && head.method != "HEAD" && head.method != "DELETE")) {
    head.fields.set("Content-Length", std::to_string(body.size()));
  }
  std::string bytes = encode_head(head);
  bytes.append(as_text(body));
  if (const auto sent = co_await http.write(std::move(bytes), stall); !sent) {
    co_return fail(sent.error());
  }
  do {
    if (const auto read = co_await http.read_response(head.method == "HEAD", deadline); !read) {
      co_return fail(read.error());
    }
  } while (http.message().response_head().status == 100);
  HttpAnswer answer;
  answer.head = http.message().response_head();
  auto all = co_await http.read_all(limit, deadline);
  if (!all) {
    co_return fail(all.error());
  }
  answer.body = std::move(*all);
  answer.keep_alive = http.message().keep_alive();
  co_return answer;
}

Task<void> linger(ByteStream& stream, std::size_t most) {
  co_await stream.shutdown();
  Bytes block(kLingerBlock);
  const Deadline until = after(kLinger);
  for (std::size_t taken = 0; taken < most;) {
    const auto got = co_await stream.read_some(block, until);
    if (!got || *got == 0) {
      co_return;
    }
    taken += *got;
  }
}

}  // namespace latchkey::net
