#include "device/backend.h"

namespace latchkey::device {

net::Task<net::Result<void>> write_answer(Caller& caller, front::Answer answer, bool with_body) {
  wire::HttpResponseHead head;
  head.status = answer.status;
  head.fields = std::move(answer.fields);
  co_return co_await caller.write_whole(std::move(head), answer.body, with_body);
}

net::Task<void> answer_error(Exchange& exchange, int status, std::string code) {
  front::Answer answer = front::error_answer(status, code);
  front::Desk::dress_for(answer.fields, exchange.grant->grant);
  const bool with_body = exchange.pass.head.method != "HEAD";
  (void)co_await write_answer(exchange.client, std::move(answer), with_body);
}

}  // namespace latchkey::device
