// Connections of granted hosts.
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "device/http1_caller.h"
#include "device/http2_connection.h"
#include "device/server.h"
#include "front/answers.h"
#include "front/connection_rules.h"
#include "net/http_stream.h"

namespace latchkey::device {

namespace {

// Of a request that was refused early.
constexpr std::size_t kLingerBytes = 256 * 1024;

}  // namespace

// What is to happen to a connection when the server takes no more requests.
class Server::Serving {
 public:
  // `http2_tag`: of the grant whose connection it is, where that speaks HTTP/2.
  Serving(Server& server, std::optional<std::uint64_t> http2_tag, std::function<void()> drain)
      : server_(server), http2_tag_(http2_tag), drain_(std::move(drain)) {
    server_.serving_.insert(this);
  }
  ~Serving() {
    server_.serving_.erase(this);
    if (server_.serving_.empty() && server_.drained_) {
      std::exchange(server_.drained_, nullptr)();
    }
  }
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;
  void drain() const { drain_(); }
  [[nodiscard]] bool is_http2_of(std::uint64_t tag) const { return http2_tag_ == tag; }

 private:
  Server& server_;
  std::optional<std::uint64_t> http2_tag_;
  std::function<void()> drain_;
};

void Server::drain(std::function<void()> done) {
  draining_ = true;
  if (listener_ && listener_->is_open()) {
    // Whoever else has the socket open: nobody is to wait in its queue.
    (void)::shutdown(listener_->fd(), SHUT_RD);
    listener_->close();
  }
  if (serving_.empty()) {
    done();
    return;
  }
  drained_ = std::move(done);
  const std::set<Serving*> all = serving_;
  for (const Serving* one : all) {
    one->drain();
  }
}

// Answers that are under way come to their end; the next request comes on a new connection.
void Server::leave_http2(std::uint64_t tag) {
  parts_.device.leave_http2(tag);
  for (const Serving* one : serving_) {
    if (one->is_http2_of(tag)) {
      one->drain();
    }
  }
}

net::Task<void> Server::serve_http(std::shared_ptr<Client> shared) {
  Client& client = *shared;
  net::TlsStream& stream = *client.stream;
  const auto listed = parts_.device.streams().list_grant(stream.tag(), stream);
  if (draining_) {
    co_return co_await stream.shutdown();
  }
  if (stream.alpn() == "h2") {
    co_return co_await serve_http2(std::move(shared));
  }
  net::HttpStream http(stream);
  Http1Caller* answering = nullptr;
  const Serving serving(*this, std::nullopt, [&answering, &stream] {
    if (answering != nullptr) {
      answering->distrust();
    } else {
      stream.stop_reading();
    }
  });
  while (stream.is_open() && !draining_) {
    if (http.buffered() == 0) {
      http.release_buffer();
    }
    const auto read =
        co_await http.read_request(net::after(parts_.timeouts.idle), parts_.timeouts.head);
    if (!read) {
      if (http.fault()) {
        co_await refuse_malformed(http);
        co_await net::linger(stream, kLingerBytes);
      } else if (read.error().code == net::Error::Code::kTimeout && http.buffered() > 0) {
        parts_.metrics.count(front::Refusal::kSlowHead);
      }
      break;
    }
    Http1Caller caller(http, stream, parts_.timeouts);
    answering = &caller;
    co_await serve_request(client, caller, http.message().request_head());
    answering = nullptr;
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
  net::Http2Limits limits;
  limits.streams = parts_.limits.streams;
  const auto connection =
      std::make_shared<Http2Connection>(executor_, *client->stream, parts_.timeouts, limits);
  const Serving serving(*this, client->stream->tag(), [&connection] { connection->drain(); });
  // What serves a stream holds both, so that neither is gone before it.
  const std::weak_ptr<Http2Connection> weak = connection;
  std::function<void(std::int32_t)> serve = [this, client, weak](std::int32_t stream) {
    tasks_.spawn(serve_stream(client, weak.lock(), stream));
  };
  co_await connection->run(std::move(serve));
  if (connection->had_slow_head()) {
    parts_.metrics.count(front::Refusal::kSlowHead);
  }
}

net::Task<void> Server::serve_stream(std::shared_ptr<Client> client,
                                     std::shared_ptr<Http2Connection> connection,
                                     std::int32_t stream) {
  Http2Caller caller(std::move(connection), stream);
  if (const int refused = caller.request().refused; refused != 0) {
    const std::string_view code = refused == 431 ? "too_large" : "bad_request";
    (void)co_await write_answer(caller, front::error_answer(refused, code), true);
    parts_.metrics.count_request(true, refused, caller.bytes());
    co_return;
  }
  co_await serve_request(*client, caller, caller.request().head);
}

net::Task<void> Server::refuse_malformed(net::HttpStream& http) {
  const int status = net::status_of(*http.fault());
  const std::string_view code = status == 431 ? "too_large" : "bad_request";
  parts_.metrics.count_request(false, status, 0);
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
  const bool has_root = head.target != "/" || parts_.backend.has_root_page();
  front::Decision decision = parts_.device.decide(
      {head, client.stream->sni(), client.address, has_root, parts_.backend.reads_fields()},
      live->grant);
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
  const auto* refused = std::get_if<front::Answer>(&decision);
  if (caller.protocol() == "HTTP/2.0" && (refused == nullptr || refused->status < 400) &&
      front::loses_requests_over_http2(head, live->grant.origin)) {
    leave_http2(client.stream->tag());
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
  parts_.metrics.count_request(caller.protocol() == "HTTP/2.0", caller.status(), caller.bytes());
  if (caller.given_up()) {
    parts_.metrics.count(*caller.given_up());
  }
  if (parts_.log.is_on()) {
    write_line(client, caller, head, live->grant.host);
  }
}

void Server::write_line(const Client& client, const Caller& caller,
                        const wire::HttpRequestHead& head, const HostName& host) {
  const auto field = [&head](std::string_view name) {
    const std::string* value = head.fields.find(name);
    return value == nullptr ? std::string() : *value;
  };
  parts_.log.write({parts_.device.clock().wall_now(), host.text(), client.address, field("Origin"),
                    head.method, head.target, std::string(caller.protocol()), field("User-Agent"),
                    caller.status(), caller.bytes()});
}

}  // namespace latchkey::device
