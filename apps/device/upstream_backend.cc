#include "device/upstream_backend.h"

#include <sys/un.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <charconv>

#include "front/headers.h"
#include "net/accepting.h"

namespace latchkey::device {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

constexpr std::size_t kTunnelBlock = 16384;

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
  connection.http->release_buffer();
  if (idle_.size() >= kMaxIdle) {
    idle_.pop_front();
  }
  idle_.push_back(std::move(connection));
}

net::Task<Outcome> UpstreamBackend::serve(Exchange exchange) {
  const bool has_body = !exchange.client.message().done();
  for (bool fresh = false;; fresh = true) {
    // A body can be sent once only, so it goes where nobody can have closed in the meantime.
    auto connection = co_await connect(fresh || has_body);
    if (!connection) {
      co_return co_await answer_error(exchange, 502, "bad_gateway", timeouts_);
    }
    Passage passage{exchange, *std::move(connection), {}, !has_body, false};
    if (!co_await send_head(passage)) {
      if (passage.connection.reused) {
        continue;  // it had been closed on us; nothing of the body was read yet
      }
      co_return co_await answer_error(exchange, 502, "bad_gateway", timeouts_);
    }
    if (has_body) {
      co_await (receive(passage) || send_body_then_wait(passage));
    } else {
      co_await receive(passage);
    }
    if (passage.retry && !has_body) {
      continue;
    }
    if (passage.outcome.status == 0 && exchange.stream.is_open()) {
      co_return co_await answer_error(exchange, 502, "bad_gateway", timeouts_);
    }
    passage.outcome.reusable = passage.outcome.reusable && passage.body_sent;
    co_return passage.outcome;
  }
}

net::Task<bool> UpstreamBackend::send_head(Passage& passage) {
  const net::HttpDecoder& message = passage.exchange.client.message();
  wire::HttpRequestHead head = passage.exchange.pass.head;
  if (message.body_kind() == net::BodyKind::kLength) {
    head.fields.set("Content-Length", std::to_string(message.content_length()));
  } else if (message.body_kind() == net::BodyKind::kChunked) {
    head.fields.set("Transfer-Encoding", "chunked");
  } else if (may_have_body(head.method)) {
    head.fields.set("Content-Length", "0");
  }
  const auto sent =
      co_await passage.connection.http->write(net::encode_head(head), timeouts_.stall);
  co_return sent.has_value();
}

net::Task<bool> UpstreamBackend::send_body(Passage& passage) {
  net::HttpStream& client = passage.exchange.client;
  net::HttpStream& service = *passage.connection.http;
  const bool chunked = client.message().body_kind() == net::BodyKind::kChunked;
  if (passage.exchange.pass.wants_continue &&
      !co_await client.write("HTTP/1.1 100 Continue\r\n\r\n", timeouts_.stall)) {
    co_return false;
  }
  while (true) {
    const auto piece = co_await client.read_body(net::after(timeouts_.body));
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
  const bool client_was_open = passage.exchange.stream.is_open();
  if (!co_await send_body(passage) && client_was_open) {
    // Either side may have failed. If the service has answered already, that answer stands;
    // otherwise there is nothing to wait for.
    co_await passage.connection.stream->shutdown();
  }
  co_await net::sleep_until(net::kNoDeadline);
}

net::Task<void> UpstreamBackend::receive(Passage& passage) {
  net::HttpStream& service = *passage.connection.http;
  const bool to_head = passage.exchange.pass.head.method == "HEAD";
  while (true) {
    const auto read = co_await service.read_response(to_head, net::after(timeouts_.answer));
    if (!read) {
      passage.retry = passage.connection.reused && read.error().code == net::Error::Code::kClosed &&
                      service.buffered() == 0;
      co_return;
    }
    const int status = service.message().response_head().status;
    if (status == 101) {
      if (passage.exchange.pass.websocket) {
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
  const net::BodyKind kind = message.body_kind();
  const std::string* length = message.response_head().fields.find("Content-Length");
  const bool unsized = kind == net::BodyKind::kChunked || kind == net::BodyKind::kUntilClose;
  const bool chunked = unsized && exchange.http11;
  if (chunked) {
    head.fields.set("Transfer-Encoding", "chunked");
  } else if (length != nullptr && head.status != 204) {
    head.fields.set("Content-Length", *length);
  }
  // Where the request's body is still coming in, the connection ends with this answer.
  bool keep = exchange.keep_alive && passage.body_sent && (chunked || !unsized);
  if (!keep) {
    head.fields.set("Connection", "close");
  }
  passage.outcome.status = head.status;
  if (!co_await exchange.client.write(net::encode_head(head), timeouts_.stall)) {
    co_return;
  }
  co_await relay_body(passage, chunked);
  if (!message.done()) {
    exchange.stream.close();  // cut off: the page must not take it for the whole
    co_return;
  }
  passage.outcome.reusable = keep;
  if (message.keep_alive() && passage.body_sent) {
    give_back(std::move(passage.connection));
  }
}

net::Task<void> UpstreamBackend::relay_body(Passage& passage, bool chunked) {
  net::HttpStream& service = *passage.connection.http;
  net::HttpStream& client = passage.exchange.client;
  while (true) {
    const auto piece = co_await service.read_body(net::after(timeouts_.answer));
    if (!piece || piece->empty()) {
      break;
    }
    if (!co_await client.write_piece(*piece, chunked, timeouts_.stall)) {
      co_return;
    }
    passage.outcome.bytes += piece->size();
  }
  if (chunked && service.message().done()) {
    (void)co_await client.write(std::string(net::kLastChunk), timeouts_.stall);
  }
}

net::Task<void> UpstreamBackend::tunnel(Passage& passage) {
  Exchange& exchange = passage.exchange;
  net::HttpStream& service = *passage.connection.http;
  wire::HttpResponseHead head;
  head.status = 101;
  head.fields = front::upstream_response_fields(service.message().response_head().fields, true);
  front::Desk::dress_for(head.fields, exchange.grant->grant);
  passage.outcome.status = 101;
  std::string bytes = net::encode_head(head);
  const Bytes early = service.take_rest();
  bytes.append(as_text(early));
  const Bytes from_client = exchange.client.take_rest();
  if (!co_await exchange.client.write(std::move(bytes), timeouts_.stall) ||
      !co_await passage.connection.stream->write_all(from_client, timeouts_.stall)) {
    co_return;
  }
  passage.outcome.bytes = early.size();
  std::uint64_t sent_up = 0;
  co_await (pump(*passage.connection.stream, exchange.stream, passage.outcome.bytes) ||
            pump(exchange.stream, *passage.connection.stream, sent_up));
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
