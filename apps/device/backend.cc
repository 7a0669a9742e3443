#include "device/backend.h"

namespace latchkey::device {

namespace {
constexpr std::size_t kMaxDrain = 65536;
}

net::Task<net::Result<void>> write_answer(net::HttpStream& client, front::Answer answer,
                                          bool with_body, bool keep_alive,
                                          std::chrono::milliseconds stall) {
  wire::HttpResponseHead head;
  head.status = answer.status;
  head.fields = std::move(answer.fields);
  if (head.status != 204 && head.status != 304) {
    head.fields.set("Content-Length", std::to_string(answer.body.size()));
  }
  if (!keep_alive) {
    head.fields.set("Connection", "close");
  }
  std::string bytes = net::encode_head(head);
  if (with_body && head.status != 204 && head.status != 304) {
    bytes.append(answer.body);
  }
  co_return co_await client.write(std::move(bytes), stall);
}

net::Task<bool> drain(net::HttpStream& client, const Timeouts& timeouts) {
  if (client.message().done()) {
    co_return true;
  }
  const auto rest = co_await client.read_all(kMaxDrain, net::after(timeouts.head));
  co_return rest.has_value();
}

net::Task<Outcome> answer_error(Exchange& exchange, int status, std::string code,
                                const Timeouts& timeouts) {
  front::Answer answer = front::error_answer(status, code);
  front::Desk::dress_for(answer.fields, exchange.grant->grant);
  Outcome outcome{status, answer.body.size(), false};
  const bool head_only = exchange.pass.head.method == "HEAD";
  const bool keep = exchange.keep_alive && exchange.client.message().done();
  const auto written =
      co_await write_answer(exchange.client, std::move(answer), !head_only, keep, timeouts.stall);
  outcome.reusable = keep && written.has_value();
  co_return outcome;
}

}  // namespace latchkey::device
