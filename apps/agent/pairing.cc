#include "pairing.h"

#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/reply.h"
#include "anchor_keeper.h"
#include "firefox.h"
#include "names.h"
#include "pairing_talk.h"
#include "shown_grant.h"
#include "wire/names.h"

namespace latchkey::agentd {
namespace {

using nlohmann::json;
using wire::ErrorCode;

// A device that was just given a network has to join it, be given an address and say so.
constexpr std::chrono::milliseconds kTurnUpTime = std::chrono::seconds(60);
constexpr std::chrono::milliseconds kBetweenTries{200};
constexpr int kTries = 4;

}  // namespace

Pairing::Pairing(Context* context, Start start, Client client)
    : context_(context),
      start_(std::move(start)),
      client_(std::move(client)),
      tasks_(context->executor),
      code_ready_(context->executor, net::kNoDeadline),
      name_ready_(context->executor, net::kNoDeadline),
      network_ready_(context->executor, net::kNoDeadline) {}

Pairing::~Pairing() {
  take_back();
  if (busy_) {
    context_->upkeep.end(*busy_, true, context_->clock.mono_now());
    context_->look_after();
  }
}

std::shared_ptr<Pairing> Pairing::start(Context* context, Start start, Client client) {
  std::shared_ptr<Pairing> pairing(new Pairing(context, std::move(start), std::move(client)));
  pairing->tasks_.spawn(run(pairing));
  return pairing;
}

void Pairing::give_code(SecretBytes typed) {
  code_ = std::move(typed);
  code_ready_.cancel();
}

void Pairing::cancel() {
  if (name_answer_) {
    begin(fail(agent::error(ErrorCode::kCancelled)));
  }
  over_ = true;
  tasks_.cancel();
  code_ready_.cancel();
  name_ready_.cancel();
  network_ready_.cancel();
}

void Pairing::take_back() {
  if (making_) {
    const auto grant = context_->desk.records().grant(*making_);
    if (grant && !agent::has_ended(*grant)) {
      if (const auto ended = context_->desk.revoke(*making_)) {
        context_->changed(*ended);
      }
    }
    making_.reset();
  }
}

// --- what the client is told ---

void Pairing::begin(const agent::Result<json>& reply) {
  if (over_) {
    return;
  }
  if (!begun_) {
    begun_ = true;
    client_.begun(reply);
  } else if (const Answer answer = std::exchange(name_answer_, nullptr)) {
    answer(reply);
  }
}

void Pairing::progress(Step step, bool done, const json& device) {
  tell_progress(step, done ? "done" : "start", device);
}

void Pairing::tell_progress(Step step, std::string_view state, const json& device) {
  static constexpr std::array kSteps = {"check", "issue", "try"};
  if (!over_) {
    json params{{"session", start_.session},
                {"step", kSteps.at(static_cast<std::size_t>(step))},
                {"state", state}};
    if (!device.is_null()) {
      params["device"] = device;
    }
    client_.event(wire::kPairProgress, params);
  }
}

void Pairing::progress(Step step, bool done) {
  progress(step, done, json());
}

void Pairing::fail_with(const wire::Error& error) {
  // A certificate may be on its way: upkeep finds out, and completes it.
  const auto grant = making_ ? context_->desk.records().grant(*making_) : std::nullopt;
  if (grant && grant->state == grant::State::kPending && !grant->leaf.empty() &&
      error.code == ErrorCode::kUnreachable) {
    making_.reset();
  }
  take_back();
  if (over_) {
    return;
  }
  if (!begun_ || name_answer_) {
    begin(fail(agent::error(error.code)));
    over_ = true;
  } else {
    over_ = true;
    client_.event(wire::kPairFailed, {{"session", start_.session},
                                      {"code", wire::name_of(error.code)},
                                      {"message", agent::words_for(error.code)},
                                      {"again", false}});
  }
}

bool Pairing::on_wrong_code(std::optional<std::uint32_t> left) {
  if (over_) {
    return false;
  }
  const bool again = left.value_or(1) > 0;
  over_ = !again;
  json params{{"session", start_.session},
              {"code", wire::name_of(ErrorCode::kWrongCode)},
              {"message", agent::words_for(ErrorCode::kWrongCode)},
              {"again", again}};
  if (left) {
    params["left"] = *left;
  }
  client_.event(wire::kPairFailed, params);
  return again;
}

// --- the way ---

net::Task<void> Pairing::run(std::shared_ptr<Pairing> self) {
  // Not inside start(): the caller notes it down first.
  co_await boost::asio::post(self->context_->executor, boost::asio::use_awaitable);
  co_await self->choose();
  if (self->client_.ended) {
    self->client_.ended();
  }
}

net::Task<void> Pairing::choose() {
  if (!start_.wish.origin && !take_existing()) {
    // On a line of its own: g++ 12 makes a broken frame of a co_await behind two conditions.
    const bool agreed = co_await agree_on_name();
    if (!agreed) {
      co_return;
    }
  }
  // Over Bluetooth there is no management: a device that is known and found only nearby takes its
  // code again.
  if (start_.known && !start_.nearby) {
    const bool done = co_await over_binding();
    if (done) {
      co_return;
    }
  }
  co_await with_code();
}

// --- over the binding ---

net::Task<bool> Pairing::over_binding() {
  auto link = co_await DeviceLink::reach_at(context_, *start_.known, start_.endpoints);
  if (!link) {
    if (link.error().other_key && start_.known_by_address) {
      co_return false;
    }
    fail_with(link.error().error);
    co_return true;
  }
  busy_ = start_.known->device;
  context_->upkeep.begin(*busy_);
  const auto known_there = co_await (*link)->check_in();
  if (!known_there) {
    if (known_there.error().from_peer && known_there.error().code == ErrorCode::kNotGranted) {
      co_return false;
    }
    fail_with(known_there.error());
    co_return true;
  }
  begin(json{{"session", start_.session}, {"state", "working"}});
  progress(Step::kCheck, false);
  progress(Step::kCheck, true, agent::make_json(*start_.known, context_->desk.trust()));
  progress(Step::kIssue, false);
  const auto grant = co_await grant_over(link->get());
  if (!grant) {
    fail_with(grant.error());
    co_return true;
  }
  progress(Step::kIssue, true);
  net::Endpoints endpoints(1, (*link)->endpoint());
  link->reset();
  co_await finish(grant->id, std::move(endpoints));
  co_return true;
}

net::Task<wire::Result<grant::AgentGrant>> Pairing::grant_over(DeviceLink* link) {
  const DeviceId device = start_.known->device;
  if (const auto back = context_->desk.unpause(start_.wish, device)) {
    (void)co_await link->tell_held(back->id, back->state == grant::State::kSuspended);
    context_->changed(*back);
  }
  if (auto existing = context_->desk.existing(start_.wish, device)) {
    if (start_.wish.sso) {
      const auto agreed = co_await link->tell_sign_in(existing->id, *start_.wish.sso);
      if (!agreed) {
        co_return fail(agreed.error());
      }
    }
    if (existing->renew_at > context_->desk.now()) {
      co_return *std::move(existing);
    }
    const auto renewed = co_await link->renew(existing->id);
    const auto now = context_->desk.records().grant(existing->id);
    if (now && now->state == grant::State::kActive) {
      if (!renewed && now->not_after <= context_->desk.now()) {
        co_return fail(renewed.error());
      }
      co_return *now;
    }
  }
  auto planned = context_->desk.plan(start_.wish, device);
  if (!planned) {
    co_return fail(planned.error());
  }
  making_ = planned->offer.grant;
  names_another_ = start_.wish.sso && planned->offer.sso != start_.wish.sso;
  // What the device still holds for us may be in the way of the new grant.
  for (const agent::OwedDeletion& owed : context_->desk.records().owed()) {
    if (owed.device == device) {
      (void)co_await link->tell_ended(owed);
    }
  }
  co_return co_await link->enrol(*std::move(planned));
}

// --- does it work ---

net::Task<net::Endpoints> Pairing::wait_in_network(DeviceId device) {
  const auto binding = context_->desk.records().binding(device);
  if (!binding) {
    co_return net::Endpoints();
  }
  tell_progress(Step::kTry, "waiting", json());
  co_return co_await search(context_, *binding, kTurnUpTime);
}

net::Task<void> Pairing::finish(GrantId id, net::Endpoints endpoints) {
  progress(Step::kTry, false);
  const auto grant = context_->desk.records().grant(id);
  if (!grant || grant->state != grant::State::kActive) {
    fail_with({ErrorCode::kInternal, "the grant ended meanwhile", false});
    co_return;
  }
  if (endpoints.empty()) {
    endpoints = co_await wait_in_network(grant->device);
  }
  const Bytes root = context_->desk.records().user_root().certificate;
  std::optional<net::Endpoint> works;
  for (int i = 0; i < kTries && !works && !endpoints.empty(); ++i) {
    if (i > 0) {
      co_await net::sleep_until(net::after(kBetweenTries));
    }
    for (std::size_t at = 0; at < endpoints.size() && !works; ++at) {
      net::Endpoint there = endpoints[at];
      there.port(grant->port);
      const auto tried =
          co_await net::try_host(context_->executor, there, grant->host, root, grant->leaf);
      if (tried) {
        works = there;
      }
    }
  }
  if (!works) {
    fail_with({ErrorCode::kUnreachable, "the new host is not served as it should be", false});
    co_return;
  }
  // The device keeps what it hears of again; if this fails, upkeep tries once more.
  const auto made = context_->desk.records().binding(grant->device);
  if (made) {
    net::Endpoints there(1, *works);
    auto link = co_await DeviceLink::reach_at(context_, *made, std::move(there));
    if (link) {
      (void)co_await (*link)->check_in();
      if (names_another_) {
        const auto agreed = co_await (*link)->tell_sign_in(grant->id, *start_.wish.sso);
        names_another_ = !agreed.has_value();
      }
    }
  }
  if (names_another_) {
    fail_with({ErrorCode::kUnreachable, "the device was not told whom people sign in with", false});
    co_return;
  }
  const auto found = co_await warnings(grant->host);
  context_->anchors.changed(*grant);
  if (start_.needs_anchor) {
    co_await await_anchors(context_);
  }
  progress(Step::kTry, true);
  making_.reset();
  if (!over_) {
    over_ = true;
    client_.event(wire::kPairDone, {{"session", start_.session},
                                    {"grant", shown_grant(*context_, *grant)},
                                    {"warnings", found}});
  }
  context_->changed(*grant);
}

net::Task<std::vector<std::string>> Pairing::warnings(HostName host) {
  std::vector<std::string> found;
  if ((co_await look_up(context_, host)).empty()) {
    found.push_back("This computer cannot find " + host.text() +
                    " by its name yet. If pages can't reach the device, run `latchkey doctor`.");
  }
  co_return found;
}

}  // namespace latchkey::agentd
