// Connections of granted hosts.
#include <spdlog/spdlog.h>

#include "device/http1_caller.h"
#include "device/http2_connection.h"
#include "device/server.h"
#include "front/answers.h"
#include "net/http_stream.h"

namespace latchkey::device {

namespace {

// Of a request that was refused early.
constexpr std::size_t kLingerBytes = 256 * 1024;

}  // namespace

net::Task<void> Server::serve_http(std::shared_ptr<Client> shared) {
  Client& client = *shared;
  net::TlsStream& stream = *client.stream;
  const auto listed = parts_.device.streams().list_grant(stream.tag(), stream);
  if (stream.alpn() == "h2") {
    co_return co_await serve_http2(std::move(shared));
  }
  net::HttpStream http(stream);
  while (stream.is_open()) {
    if (http.buffered() == 0) {
      http.release_buffer();
    }
    const auto read =
        co_await http.read_request(net::after(parts_.timeouts.idle), parts_.timeouts.head);
    if (!read) {
      if (http.fault()) {
        co_await refuse_malformed(http);
        co_await net::linger(stream, kLingerBytes);
      }
      break;
    }
    Http1Caller caller(http, stream, parts_.timeouts);
    co_await serve_request(client, caller, http.message().request_head());
    if (!caller.reusable()) {
      if (stream.is_open() && !http.message().done()) {
        co_await net::linger(stream, kLingerBytes);
      }
      break;
    }
  }
  co_await stream.shutdown();
}

net::Task<void> Server::serve_http2(std::shared_ptr<Client> client) {
  const auto connection = std::make_shared<Http2Connection>(executor_, *client->stream,
                                                            parts_.timeouts, net::Http2Limits{});
  // What serves a stream holds both, so that neither is gone before it.
  const std::weak_ptr<Http2Connection> weak = connection;
  std::function<void(std::int32_t)> serve = [this, client, weak](std::int32_t stream) {
    tasks_.spawn(serve_stream(client, weak.lock(), stream));
  };
  co_await connection->run(std::move(serve));
}

net::Task<void> Server::serve_stream(std::shared_ptr<Client> client,
                                     std::shared_ptr<Http2Connection> connection,
                                     std::int32_t stream) {
  Http2Caller caller(std::move(connection), stream);
  if (const int refused = caller.request().refused; refused != 0) {
    const std::string_view code = refused == 431 ? "too_large" : "bad_request";
    (void)co_await write_answer(caller, front::error_answer(refused, code), true);
    co_return;
  }
  co_await serve_request(*client, caller, caller.request().head);
}

net::Task<void> Server::refuse_malformed(net::HttpStream& http) {
  const int status = net::status_of(*http.fault());
  const std::string_view code = status == 431 ? "too_large" : "bad_request";
  (void)co_await write_plain(http, front::error_answer(status, code), false, parts_.timeouts.head);
}

net::Task<net::Result<void>> write_plain(net::HttpStream& client, front::Answer answer,
                                         bool keep_alive, std::chrono::milliseconds stall) {
  wire::HttpResponseHead head;
  head.status = answer.status;
  head.fields = std::move(answer.fields);
  const bool has_body = head.status != 204 && head.status != 304;
  if (has_body) {
    head.fields.set("Content-Length", std::to_string(answer.body.size()));
  }
  if (!keep_alive) {
    head.fields.set("Connection", "close");
  }
  std::string bytes = net::encode_head(head);
  if (has_body) {
    bytes.append(answer.body);
  }
  co_return co_await client.write(std::move(bytes), stall);
}

net::Task<void> Server::serve_request(Client& client, Caller& caller,
                                      const wire::HttpRequestHead& head) {
  const auto live = parts_.device.live(client.stream->sni(), client.stream->tag());
  if (!live) {
    client.stream->close();
    co_return;
  }
  AccessLine line{parts_.device.clock().wall_now(),
                  live->grant.host.text(),
                  {},
                  head.method,
                  head.target,
                  0,
                  0};
  if (const std::string* origin = head.fields.find("Origin")) {
    line.origin = *origin;
  }
  const bool has_root = head.target != "/" || parts_.backend.has_root_page();
  front::Decision decision =
      parts_.device.decide({head, client.stream->sni(), client.address, has_root}, live->grant);
  if (const auto* asked = std::get_if<front::PageRequest>(&decision)) {
    const front::PageRequest what = *asked;
    decision = co_await parts_.page.answer(what, live, *client.stream);
    if (what.act == front::PageAct::kLeave) {
      caller.end_connection();  // with this request the grant may have ended
    }
  }
  if (auto* asked = std::get_if<front::SsoRequest>(&decision)) {
    // The desk asks for it only where there is one.
    front::SsoRequest what = std::move(*asked);
    decision = co_await parts_.sso->answer(std::move(what), live, caller);
  }
  if (auto* answer = std::get_if<front::Answer>(&decision)) {
    // Who sends what is no request (400) is not trusted with where the next one begins.
    if (answer->status == 400) {
      caller.distrust();
    } else if (!head.fields.has("Expect")) {
      co_await caller.skip_body();
    }
    (void)co_await write_answer(caller, std::move(*answer), head.method != "HEAD");
  } else {
    auto& pass = std::get<front::Pass>(decision);
    // From here on the answer ends when the session does.
    const auto listed = parts_.device.streams().list_session(pass.session.id, caller);
    // It has a name because g++ 12 destroys an aggregate that is a temporary of co_await twice.
    Exchange exchange{caller, std::move(pass), live};
    co_await parts_.backend.serve(std::move(exchange));
  }
  line.status = caller.status();
  line.bytes = caller.bytes();
  parts_.log.write(line);
}

}  // namespace latchkey::device
