#include "device/page_acts.h"

#include <algorithm>

namespace latchkey::device {

namespace {
constexpr std::chrono::minutes kLength{10};
}

net::Task<front::Answer> PageActs::answer(front::PageRequest request,
                                          std::shared_ptr<const LiveGrant> grant,
                                          net::Closable& connection) {
  Device& device = parts_.device;
  front::Answer answer;
  switch (request.act) {
    case front::PageAct::kState:
      answer = state(grant->grant);
      break;
    case front::PageAct::kOpenWindow:
      answer = co_await open_window(request.language, grant->grant.grant_key());
      break;
    case front::PageAct::kCloseWindow:
      // Somebody else's window is not this person's to close.
      if (device.window_opener() == grant->grant.agent) {
        device.close_window();
      }
      answer = front::back_to_home();
      break;
    case front::PageAct::kLeave: {
      const auto spared = device.streams().spare(connection);
      answer = device.remove_agent(grant->grant.agent, "agent_left")
                   ? front::left_page(request.language)
                   : front::failed_page(request.language);
      break;
    }
  }
  front::Desk::dress_for(answer.fields, grant->grant);
  co_return answer;
}

front::Answer PageActs::state(const grant::DeviceGrant& grant) {
  Device& device = parts_.device;
  const auto agents = device.store().agents();
  if (!agents) {
    return front::error_answer(500, "internal");
  }
  const auto& identity = device.identity();
  front::HomeFacts facts;
  facts.name = identity.name;
  facts.type = identity.type;
  facts.model = identity.model;
  facts.firmware = identity.firmware;
  for (const grant::BoundAgent& agent : *agents) {
    auto held = device.records().grants_of(agent.key_hash);
    facts.agents.push_back(agent);
    // The way in to this page is no web service.
    facts.services.push_back(static_cast<std::size_t>(std::count_if(
        held.begin(), held.end(), [](const auto& one) { return one.origin.has_value(); })));
    if (agent.key_hash == grant.agent) {
      facts.grants = std::move(held);
    }
  }
  facts.trail = device.records().audit(front::kMaxHomeLines);
  const MonoTime now = device.clock().mono_now();
  facts.may_open_window = parts_.may_open_window;
  facts.window_open = device.window_is_open();
  facts.window_is_own = facts.window_open && device.window_opener() == grant.agent;
  facts.window_left =
      facts.window_open ? *device.window().deadline() - now : device.window().wait_left(now);
  const auto number = [&device](const SpkiHash& one) { return device.records().number(one); };
  return front::json_answer(200, front::home_json(facts, grant.agent, number));
}

net::Task<front::Answer> PageActs::open_window(front::Language language, grant::GrantKey from) {
  Device& device = parts_.device;
  const MonoTime now = device.clock().mono_now();
  front::WindowFacts facts{parts_.may_open_window, device.window_is_open(),
                           device.window().wait_left(now), std::nullopt};
  if (last_opened_) {
    facts.since_last = now - *last_opened_;
  }
  if (const auto refusal = front::judge_window(facts)) {
    co_return front::window_refused_page(language, *refusal);
  }
  last_opened_ = now;
  const auto code = co_await parts_.opener.open(wire::CodeKind::kDigits8, kLength, from);
  if (!code) {
    co_return code.error().code == wire::ErrorCode::kLocked
        ? front::window_refused_page(language, front::WindowRefusal::kWait)
        : front::failed_page(language);
  }
  co_return front::code_page(language, code->for_display(), kLength);
}

}  // namespace latchkey::device
