// Connections of granted hosts.
#include <spdlog/spdlog.h>

#include "device/server.h"
#include "front/answers.h"

namespace latchkey::device {

namespace {

// Of a request that was refused early.
constexpr std::size_t kLingerBytes = 256 * 1024;

}  // namespace

net::Task<void> Server::serve_http(Client client) {
  net::TlsStream& stream = *client.stream;
  const auto listed = parts_.device.streams().list_grant(stream.tag(), stream);
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
    if (!co_await serve_request(client, http)) {
      if (stream.is_open() && !http.message().done()) {
        co_await net::linger(stream, kLingerBytes);
      }
      break;
    }
  }
  co_await stream.shutdown();
}

net::Task<bool> Server::refuse_malformed(net::HttpStream& http) {
  const int status = net::status_of(*http.fault());
  const std::string_view code = status == 431 ? "too_large" : "bad_request";
  (void)co_await write_answer(http, front::error_answer(status, code), true, false,
                              parts_.timeouts.head);
  co_return false;
}

net::Task<bool> Server::serve_request(Client& client, net::HttpStream& http) {
  const wire::HttpRequestHead& head = http.message().request_head();
  const bool wants_more = http.message().keep_alive();
  const auto live = parts_.device.live(client.stream->sni(), client.stream->tag());
  if (!live) {
    client.stream->close();
    co_return false;
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
  bool reusable = false;
  bool ended = false;  // with this request the grant may have ended
  if (const auto* asked = std::get_if<front::PageRequest>(&decision)) {
    const front::PageRequest what = *asked;
    ended = what.act == front::PageAct::kLeave;
    decision = co_await parts_.page.answer(what, live, *client.stream);
  }
  if (auto* answer = std::get_if<front::Answer>(&decision)) {
    const bool head_only = head.method == "HEAD";
    const bool small = http.message().done() || !head.fields.has("Expect");
    // Who sends what is no request (400) is not trusted with where the next one begins.
    const bool sane = answer->status != 400;
    const bool keep =
        wants_more && small && sane && !ended && co_await drain(http, parts_.timeouts);
    line.status = answer->status;
    line.bytes = head_only ? 0 : answer->body.size();
    const auto written =
        co_await write_answer(http, std::move(*answer), !head_only, keep, parts_.timeouts.stall);
    reusable = keep && written.has_value();
  } else {
    auto& pass = std::get<front::Pass>(decision);
    // From here on the connection ends when the session does.
    const auto listed = parts_.device.streams().list_session(pass.session.id, *client.stream);
    const bool http11 = head.minor_version == 1;
    // It has a name because g++ 12 destroys an aggregate that is a temporary of co_await twice.
    Exchange exchange{http, *client.stream, std::move(pass), live, http11, wants_more};
    const Outcome outcome = co_await parts_.backend.serve(std::move(exchange));
    line.status = outcome.status;
    line.bytes = outcome.bytes;
    reusable = outcome.reusable && (http.message().done() || co_await drain(http, parts_.timeouts));
  }
  parts_.log.write(line);
  co_return reusable;
}

}  // namespace latchkey::device
