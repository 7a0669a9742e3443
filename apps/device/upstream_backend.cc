#include "device/upstream_backend.h"

#include <sys/un.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <charconv>

#include "front/headers.h"
#include "front/websocket.h"
#include "net/accepting.h"
#include "net/spare_text.h"

namespace latchkey::device {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

constexpr std::size_t kTunnelBlock = 16384;
constexpr std::uint64_t kSmall = 14 * 1024;  // with its head one TLS record
constexpr std::uint64_t kBulk = 128 * 1024;

bool may_have_body(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS" && method != "DELETE";
}

}  // namespace

std::optional<UpstreamAddress> parse_upstream(std::string_view url) {
  constexpr std::string_view kUnix = "unix:";
  constexpr std::string_view kScheme = "http://";
  if (url.starts_with(kUnix)) {
    url.remove_prefix(kUnix.size());
    if (!url.starts_with('/') || url.size() >= sizeof(sockaddr_un::sun_path) ||
        url.find('\0') != std::string_view::npos) {
      return std::nullopt;
    }
    return std::string(url);
  }
  if (!url.starts_with(kScheme)) {
    return std::nullopt;
  }
  url.remove_prefix(kScheme.size());
  if (url.ends_with('/')) {
    url.remove_suffix(1);
  }
  const std::size_t colon = url.rfind(':');
  const std::string_view host = url.substr(0, colon);
  unsigned port = 80;
  if (host == "[::1]" || host == "127.0.0.1" || host == "localhost") {
    const std::string_view digits = url.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (colon == std::string_view::npos || error != std::errc{} ||
        end != digits.data() + digits.size() || port == 0 || port > 65535) {
      return std::nullopt;
    }
    const auto address =
        host == "[::1]" ? asio::ip::make_address("::1") : asio::ip::make_address("127.0.0.1");
    return asio::ip::tcp::endpoint(address, static_cast<std::uint16_t>(port));
  }
  return std::nullopt;
}

net::Task<net::Result<UpstreamBackend::Connection>> UpstreamBackend::connect(bool fresh) {
  while (!fresh && !idle_.empty()) {
    Connection connection = std::move(idle_.back());
    idle_.pop_back();
    if (!connection.stream->is_stale()) {
      connection.reused = true;
      co_return connection;
    }
  }
  net::Result<std::unique_ptr<net::FdStream>> stream;
  if (const auto* path = std::get_if<std::string>(&to_)) {
    stream = net::connect_unix(executor_, *path);
  } else {
    const auto& endpoint = std::get<asio::ip::tcp::endpoint>(to_);
    stream = co_await net::FdStream::connect(executor_, endpoint, net::after(timeouts_.connect));
  }
  if (!stream) {
    co_return fail(stream.error());
  }
  Connection connection;
  connection.stream = *std::move(stream);
  connection.http = std::make_unique<net::HttpStream>(*connection.stream);
  co_return connection;
}

void UpstreamBackend::give_back(Connection connection) {
  if (connection.http->buffered() > 0) {
    return;  // bytes that nobody asked for would be the next one's answer
  }
  connection.http->release_buffer();
  if (idle_.size() >= kMaxIdle) {
    idle_.pop_front();
  }
  idle_.push_back(std::move(connection));
}

net::Task<void> UpstreamBackend::serve(Exchange exchange) {
  Caller& client = exchange.client;
  const bool has_body = !client.body_done();
  std::string key;
  if (exchange.pass.websocket && client.is_keyless()) {
    key = front::websocket_key(random_);
    exchange.pass.head.fields.set("Sec-WebSocket-Key", key);
  }
  for (bool fresh = false;; fresh = true) {
    // A body can be sent once only, so it goes where nobody can have closed in the meantime.
    auto connection = co_await connect(fresh || has_body);
    if (!connection) {
      metrics_.count(front::UpstreamError::kUnreachable);
      co_return co_await answer_error(exchange, 502, "bad_gateway");
    }
    Passage passage{exchange, *std::move(connection), !has_body, key, false};
    if (!co_await send_head(passage)) {
      if (passage.connection.reused) {
        continue;  // it had been closed on us; nothing of the body was read yet
      }
      co_return co_await answer_error(exchange, 502, "bad_gateway");
    }
    // Whoever has gone does not keep the service busy.
    if (has_body && client.notices_by_itself()) {
      co_await (receive(passage) || send_body_then_wait(passage) || client.gone());
    } else if (has_body) {
      co_await (receive(passage) || send_body_then_wait(passage));
    } else if (client.notices_by_itself()) {
      co_await (receive(passage) || client.gone());
    } else {
      // Most answers are there before anybody would have gone.
      passage.watched = exchange.pass.websocket;
      co_await receive(passage);
      if (std::exchange(passage.quiet, false)) {
        passage.watched = true;
        co_await (receive(passage) || client.gone());
      }
    }
    if (passage.retry && !has_body) {
      continue;
    }
    if (client.status() == 0 && client.is_malformed()) {
      client.distrust();
      co_await answer_error(exchange, 400, "bad_request");
    } else if (client.status() == 0 && client.is_open()) {
      metrics_.count(front::UpstreamError::kNoAnswer);
      co_await answer_error(exchange, 502, "bad_gateway");
    }
    co_return;
  }
}

net::Task<bool> UpstreamBackend::send_head(Passage& passage) {
  const Caller& client = passage.exchange.client;
  wire::HttpRequestHead& head = passage.exchange.pass.head;
  const auto length = client.body_length();
  if (!length) {
    head.fields.set("Transfer-Encoding", "chunked");
  } else if (*length > 0 || may_have_body(head.method)) {
    head.fields.set("Content-Length", std::to_string(*length));
  }
  net::SpareText text;
  net::encode_head(head, *text);
  const auto sent = co_await passage.connection.http->write_all(as_bytes(*text), timeouts_.stall);
  co_return sent.has_value();
}

net::Task<bool> UpstreamBackend::send_body(Passage& passage) {
  Caller& client = passage.exchange.client;
  net::HttpStream& service = *passage.connection.http;
  const bool chunked = !client.body_length();
  if (passage.exchange.pass.wants_continue && !co_await client.send_continue()) {
    co_return false;
  }
  while (true) {
    const auto piece = co_await client.read_body();
    if (!piece) {
      co_return false;
    }
    if (piece->empty()) {
      break;
    }
    if (!co_await service.write_piece(*piece, chunked, timeouts_.stall)) {
      co_return false;
    }
  }
  if (chunked && !co_await service.write(std::string(net::kLastChunk), timeouts_.stall)) {
    co_return false;
  }
  passage.body_sent = true;
  co_return true;
}

net::Task<void> UpstreamBackend::send_body_then_wait(Passage& passage) {
  const bool client_was_open = passage.exchange.client.is_open();
  if (!co_await send_body(passage) && client_was_open) {
    // Either side may have failed. If the service has answered already, that answer stands;
    // otherwise there is nothing to wait for.
    co_await passage.connection.stream->shutdown();
  }
  Caller& client = passage.exchange.client;
  if (!client.notices_by_itself() && client.body_done() && !passage.exchange.pass.websocket) {
    // Not at once: some end their side with their last byte, and wait for the answer.
    co_await net::sleep_until(net::after(timeouts_.unwatched));
    co_return co_await client.gone();
  }
  co_await net::sleep_until(net::kNoDeadline);
}

net::Deadline UpstreamBackend::patience(const Passage& passage) const {
  return net::after(passage.watched ? timeouts_.answer
                                    : std::min(timeouts_.unwatched, timeouts_.answer));
}

bool UpstreamBackend::is_quiet(Passage& passage, const net::Error& error) const {
  passage.quiet = !passage.watched && error.code == net::Error::Code::kTimeout &&
                  timeouts_.answer > timeouts_.unwatched;
  return passage.quiet;
}

net::Task<void> UpstreamBackend::receive(Passage& passage) {
  net::HttpStream& service = *passage.connection.http;
  const bool to_head = passage.exchange.pass.head.method == "HEAD";
  if (passage.answering) {
    co_return co_await conclude(passage);
  }
  while (true) {
    const auto read = co_await service.read_response(to_head, patience(passage));
    if (!read) {
      if (is_quiet(passage, read.error())) {
        co_return;
      }
      passage.retry = passage.connection.reused && read.error().code == net::Error::Code::kClosed &&
                      service.buffered() == 0;
      co_return;
    }
    const wire::HttpResponseHead& head = service.message().response_head();
    const int status = head.status;
    if (status == 101) {
      const bool answers = passage.key.empty() || front::accepts_websocket(head, passage.key);
      if (passage.exchange.pass.websocket && passage.exchange.client.tunnel() != nullptr &&
          answers) {
        co_await tunnel(passage);
      }
      co_return;
    }
    if (status >= 200) {
      break;
    }
  }
  co_await receive_answer(passage);
}

net::Task<void> UpstreamBackend::receive_answer(Passage& passage) {
  net::HttpStream& service = *passage.connection.http;
  const net::HttpDecoder& message = service.message();
  Exchange& exchange = passage.exchange;
  wire::HttpResponseHead head;
  head.status = message.response_head().status;
  head.reason = message.response_head().reason;
  head.fields = front::upstream_response_fields(message.response_head().fields, false);
  front::Desk::dress_for(head.fields, exchange.grant->grant);
  // Of an answer without a body (to HEAD, or 304) the length says how long it would have been.
  const std::string* field = message.response_head().fields.find("Content-Length");
  std::optional<std::uint64_t> length;
  if (message.body_kind() == net::BodyKind::kLength) {
    length = message.content_length();
  } else if (message.body_kind() == net::BodyKind::kNone && field != nullptr) {
    length = std::stoull(*field);
  }
  if (message.body_kind() == net::BodyKind::kLength && *length <= kSmall &&
      *length == service.buffered()) {
    // All of it is here, and no more: one write, one TLS record.
    const auto piece = co_await service.read_body(net::after(timeouts_.answer));
    if (!piece || piece->size() != *length) {
      exchange.client.close();
      co_return;
    }
    const auto written =
        co_await exchange.client.write_whole(std::move(head), as_text(*piece), true);
    if (written && message.done() && message.keep_alive() && passage.body_sent) {
      give_back(std::move(passage.connection));
    }
    co_return;
  }
  if (!co_await exchange.client.write_head(std::move(head), length)) {
    co_return;
  }
  if (message.body_kind() == net::BodyKind::kLength && *length >= kBulk) {
    passage.connection.http->expect_bulk();
  }
  passage.answering = true;
  co_await conclude(passage);
}

net::Task<void> UpstreamBackend::conclude(Passage& passage) {
  const net::HttpDecoder& message = passage.connection.http->message();
  Exchange& exchange = passage.exchange;
  const bool passed_on = co_await relay_body(passage);
  if (passage.quiet) {
    co_return;
  }
  if (!passed_on || !message.done()) {
    // Cut off, by the service, or by a client that has left before the last piece was its own: it
    // must not be taken for the whole.
    exchange.client.close();
    co_return;
  }
  const auto finished = co_await exchange.client.finish();
  if (finished && message.keep_alive() && passage.body_sent) {
    give_back(std::move(passage.connection));
  }
}

net::Task<bool> UpstreamBackend::relay_body(Passage& passage) {
  net::HttpStream& service = *passage.connection.http;
  while (true) {
    const auto piece = co_await service.read_body(patience(passage));
    if (!piece) {
      if (!is_quiet(passage, piece.error())) {
        metrics_.count(front::UpstreamError::kCut);
      }
      co_return false;
    }
    if (piece->empty()) {
      co_return true;
    }
    const auto written = co_await passage.exchange.client.write_piece(*piece);
    if (!written) {
      co_return false;
    }
  }
}

net::Task<void> UpstreamBackend::tunnel(Passage& passage) {
  Caller& client = passage.exchange.client;
  net::HttpStream& service = *passage.connection.http;
  wire::HttpResponseHead head;
  head.status = 101;
  head.fields = front::upstream_response_fields(service.message().response_head().fields, true);
  front::Desk::dress_for(head.fields, passage.exchange.grant->grant);
  const Bytes early = service.take_rest();
  const Bytes from_client = client.take_rest();
  net::ByteStream& under = *client.tunnel();
  if (!co_await client.write_head(std::move(head), std::nullopt) ||
      !co_await under.write_all(early, timeouts_.stall) ||
      !co_await passage.connection.stream->write_all(from_client, timeouts_.stall)) {
    co_return;
  }
  std::uint64_t sent_down = early.size();
  std::uint64_t sent_up = 0;
  // Counted however it ends: by a side that hangs up, or by the session that is over.
  struct Count {
    Caller& client;
    const std::uint64_t& bytes;
    ~Count() { client.count_bytes(bytes); }
  };
  const Count count{client, sent_down};
  co_await (pump(*passage.connection.stream, under, sent_down) ||
            pump(under, *passage.connection.stream, sent_up));
  (void)co_await client.finish();
}

net::Task<void> UpstreamBackend::pump(net::ByteStream& from, net::ByteStream& to,
                                      std::uint64_t& bytes) {
  Bytes block(kTunnelBlock);
  while (true) {
    const auto got = co_await from.read_some(block, net::after(timeouts_.tunnel));
    if (!got || *got == 0 || !co_await to.write_all(ByteSpan(block).first(*got), timeouts_.stall)) {
      co_return;
    }
    bytes += *got;
  }
}

}  // namespace latchkey::device
