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
#include "enroll/session.h"
#include "firefox.h"
#include "names.h"
#include "shown_grant.h"
#include "wire/names.h"

namespace latchkey::agentd {
namespace {

using nlohmann::json;
using wire::ErrorCode;

constexpr std::chrono::milliseconds kCodeTime = std::chrono::minutes(10);
constexpr std::chrono::milliseconds kDeriveTime = std::chrono::seconds(30);
constexpr std::chrono::milliseconds kStall = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kBetweenTries{200};
constexpr int kTries = 4;

// What the session says comes as effects; the coroutine goes through them in order.
net::Deadline deadline_of(const std::optional<MonoTime>& time) {
  return time ? net::Deadline(std::chrono::milliseconds(time->ms)) : net::after(kStall);
}

wire::Error lost(const net::Error& error) {
  return {ErrorCode::kUnreachable, error.detail, false};
}

// The desk of one session, which also tells whose grant it is making.
class WatchedDesk final : public agent::PairingDesk {
 public:
  WatchedDesk(agent::GrantDesk& desk, const agent::Wish& wish, std::optional<GrantId>* making,
              bool* names_another)
      : PairingDesk(desk, wish), sso_(wish.sso), making_(making), names_another_(names_another) {}
  wire::Result<Planned> plan(const DeviceId& device) override {
    auto planned = PairingDesk::plan(device);
    if (planned) {
      *making_ = planned->offer.grant;
      *names_another_ = sso_ && planned->offer.sso != sso_;
    }
    return planned;
  }

 private:
  std::optional<SignInOffer> sso_;
  std::optional<GrantId>* making_;
  bool* names_another_;
};

}  // namespace

Pairing::Pairing(Context* context, Start start, Client client)
    : context_(context),
      start_(std::move(start)),
      client_(std::move(client)),
      tasks_(context->executor),
      code_ready_(context->executor, net::kNoDeadline),
      name_ready_(context->executor, net::kNoDeadline) {}

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
  static constexpr std::array kSteps = {"check", "issue", "try"};
  if (!over_) {
    json params{{"session", start_.session},
                {"step", kSteps.at(static_cast<std::size_t>(step))},
                {"state", done ? "done" : "start"}};
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
  if (start_.known && co_await over_binding()) {
    co_return;
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
  const net::Endpoint endpoint = (*link)->endpoint();
  link->reset();
  co_await finish(grant->id, endpoint);
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

// --- with a code ---

net::Task<std::optional<SecretBytes>> Pairing::typed_code() {
  if (!code_) {
    code_ready_.expires_after(kCodeTime);
    (void)co_await code_ready_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  co_return std::exchange(code_, std::nullopt);
}

// Asks the device who it is and what code it wants, and hangs up: a person takes a while to type.
net::Task<wire::Result<pairing::CodeNeeded>> Pairing::look() {
  auto link = co_await net::connect_pairing(context_->executor, start_.endpoints);
  if (!link) {
    co_return fail(wire_error(link.error()));
  }
  agent::PairingDesk desk(context_->desk, start_.wish);
  const DeviceId shown(link->bootstrap_key.spki_hash().bytes());
  enroll::AgentSession session(desk, context_->random, link->channel_binding, shown, std::nullopt);
  auto effects = session.start(context_->clock.mono_now());
  std::array<std::uint8_t, 4096> buffer{};
  while (true) {
    for (const enroll::AgentEffect& effect : effects) {
      if (const auto* send = std::get_if<enroll::SendBytes>(&effect)) {
        const auto sent = co_await link->stream->write_all(send->bytes, kStall);
        if (!sent) {
          co_return fail(lost(sent.error()));
        }
      } else if (const auto* needed = std::get_if<enroll::CodeNeeded>(&effect)) {
        co_return *needed;
      } else if (const auto* failed = std::get_if<enroll::Failed>(&effect)) {
        co_return fail(failed->error);
      }
    }
    const auto got = co_await link->stream->read_some(buffer, deadline_of(session.deadline()));
    if (!got || *got == 0) {
      co_return fail(got ? wire::Error{ErrorCode::kUnreachable, "hung up", false}
                         : lost(got.error()));
    }
    effects = session.on_bytes(context_->clock.mono_now(), ByteSpan(buffer).first(*got));
  }
}

net::Task<void> Pairing::with_code() {
  auto needed = co_await look();
  if (!needed) {
    fail_with(needed.error());
    co_return;
  }
  if (!busy_) {
    busy_ = needed->device;
    context_->upkeep.begin(*busy_);
  }
  json asked{{"session", start_.session},
             {"state", "code"},
             {"code", agent::code_json(needed->kind, needed->attempts_left)}};
  if (start_.wish.direct_host) {
    // Whoever types a code is told what it is for, by who knows (threats.md row 41).
    asked["host"] = start_.wish.direct_host->text();
  }
  begin(asked);
  // Attempts at a key128 are not counted.
  std::optional<std::uint32_t> left;
  if (needed->kind == wire::CodeKind::kDigits8) {
    left = needed->attempts_left;
  }
  while (!over_) {
    const auto typed = co_await typed_code();
    if (!typed) {
      fail_with({ErrorCode::kWindowClosed, "no code was typed", false});
      co_return;
    }
    const std::string_view text = as_text(typed->span());
    auto link = pairing::parse_link(text);
    auto code =
        link ? std::optional(link->code.clone()) : pairing::PairingCode::parse(text, needed->kind);
    if (!code || code->kind() != needed->kind || (link && link->device != needed->device)) {
      // It cannot be right: no attempt is spent on it.
      if (!on_wrong_code(left)) {
        co_return;
      }
      continue;
    }
    progress(Step::kCheck, false);
    const auto made = co_await attempt(*std::move(code), needed->device);
    if (made) {
      co_await finish(made->grant, made->endpoint);
      co_return;
    }
    if (made.error().code != ErrorCode::kWrongCode) {
      fail_with(made.error());
      co_return;
    }
    if (left) {
      left = std::max(*left, 1U) - 1;
    }
    if (!on_wrong_code(left)) {
      co_return;
    }
  }
}

net::Task<wire::Result<Pairing::Attempt>> Pairing::attempt(pairing::PairingCode code,
                                                           std::optional<DeviceId> expected) {
  auto link = co_await net::connect_pairing(context_->executor, start_.endpoints);
  if (!link) {
    co_return fail(wire_error(link.error()));
  }
  WatchedDesk desk(context_->desk, start_.wish, &making_, &names_another_);
  const DeviceId shown(link->bootstrap_key.spki_hash().bytes());
  enroll::AgentSession session(desk, context_->random, link->channel_binding, shown, expected);
  auto effects = session.start(context_->clock.mono_now());
  std::array<std::uint8_t, 4096> buffer{};
  while (true) {
    for (std::size_t i = 0; i < effects.size(); ++i) {
      const enroll::AgentEffect effect = effects[i];
      if (const auto* send = std::get_if<enroll::SendBytes>(&effect)) {
        const auto sent = co_await link->stream->write_all(send->bytes, kStall);
        if (!sent) {
          co_return fail(lost(sent.error()));
        }
      } else if (const auto* needed = std::get_if<enroll::CodeNeeded>(&effect)) {
        // It has a name because g++ 12 destroys a closure that is a temporary of co_await twice.
        auto derive = [typed = code.clone(), salt = needed->salt, rounds = needed->iterations] {
          return pairing::derive_password_key(typed, salt, rounds);
        };
        auto key = co_await context_->worker.run(context_->executor, net::after(kDeriveTime),
                                                 std::move(derive));
        if (!key) {
          co_return fail(wire::Error{ErrorCode::kInternal, "the code took too long", false});
        }
        auto more = session.on_password_key(context_->clock.mono_now(), *std::move(key));
        std::move(more.begin(), more.end(), std::back_inserter(effects));
      } else if (std::holds_alternative<enroll::Paired>(effect)) {
        progress(Step::kCheck, true);
        progress(Step::kIssue, false);
      } else if (const auto* enrolled = std::get_if<enroll::Enrolled>(&effect)) {
        progress(Step::kIssue, true);
        co_await link->stream->shutdown();
        for (const grant::AgentGrant& moved : context_->desk.seen_at(
                 shown, link->endpoint.address().to_string(), link->endpoint.port())) {
          context_->changed(moved);
        }
        co_return Attempt{enrolled->grant, link->endpoint};
      } else if (const auto* failed = std::get_if<enroll::Failed>(&effect)) {
        co_return fail(failed->error);
      }
    }
    const auto got = co_await link->stream->read_some(buffer, deadline_of(session.deadline()));
    if (!got || *got == 0) {
      co_return fail(got ? wire::Error{ErrorCode::kUnreachable, "hung up", false}
                         : lost(got.error()));
    }
    effects = session.on_bytes(context_->clock.mono_now(), ByteSpan(buffer).first(*got));
  }
}

// --- does it work ---

net::Task<void> Pairing::finish(GrantId id, net::Endpoint endpoint) {
  progress(Step::kTry, false);
  const auto grant = context_->desk.records().grant(id);
  if (!grant || grant->state != grant::State::kActive) {
    fail_with({ErrorCode::kInternal, "the grant ended meanwhile", false});
    co_return;
  }
  endpoint.port(grant->port);
  const Bytes root = context_->desk.records().user_root().certificate;
  bool works = false;
  for (int i = 0; i < kTries && !works; ++i) {
    if (i > 0) {
      co_await net::sleep_until(net::after(kBetweenTries));
    }
    works = (co_await net::try_host(context_->executor, endpoint, grant->host, root, grant->leaf))
                .has_value();
  }
  if (!works) {
    fail_with({ErrorCode::kUnreachable, "the new host is not served as it should be", false});
    co_return;
  }
  // The device keeps what it hears of again; if this fails, upkeep tries once more.
  const auto made = context_->desk.records().binding(grant->device);
  if (made) {
    net::Endpoints there(1, endpoint);
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
