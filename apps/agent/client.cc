#include "client.h"

#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "agent/listing.h"
#include "agent/reply.h"
#include "agent/sentinel.h"
#include "base/encoding.h"
#include "checks.h"
#include "firefox.h"
#include "keys_desk.h"
#include "metadata_keeper.h"
#include "moving.h"
#include "shown_grant.h"
#include "wire/names.h"

namespace latchkey::agentd {
namespace {

using nlohmann::json;
using wire::ErrorCode;

// A certificate with less than this left is renewed before a page is sent there; with more, while
// the page already goes.
constexpr seconds kAlmostOver{3600};

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

}  // namespace

Client::Client(Context* context, std::shared_ptr<net::JsonChannel> channel)
    : context_(context),
      channel_(std::move(channel)),
      connection_(context->extension_id, context->firefox_id),
      nearby_(context->executor, context->random,
              {.event = [this](std::string_view event,
                               const json& params) { send_event(event, params); },
               .seen = [this](const agent::Announced& device) { on_seen(device); },
               .lost = [this](const std::string& service) { on_gone(service); }}),
      tasks_(context->executor) {}

Client::~Client() {
  close();
}

void Client::close() {
  scanning_.reset();
  looking_.reset();
  for (const auto& [session, pairing] : pairings_) {
    pairing->cancel();
  }
  pairings_.clear();
  nearby_.stop();
  tasks_.cancel();
  channel_->close();
}

net::Task<void> Client::run(std::shared_ptr<Client> self) {
  net::Deadline deadline = net::after(agent::kHelloTime);
  while (true) {
    auto text = co_await self->channel_->receive(deadline);
    if (!text) {
      break;
    }
    auto request = agent::parse_request(*text);
    SecretBytes::take(*std::move(text));  // a code or a passphrase may be in it
    if (request) {
      self->on_request(*request);
    } else if (request.error().id) {
      self->answer(*request.error().id, fail(request.error().error));
    }
    if (!self->connection_.greeted() || (!request && !request.error().id)) {
      // Nothing good can follow.
      self->channel_->close_after_send();
      break;
    }
    deadline = net::kNoDeadline;
  }
  self->looking_.reset();
  for (const auto& [session, pairing] : self->pairings_) {
    pairing->cancel();
  }
  self->pairings_.clear();
  self->nearby_.stop();
  self->tasks_.cancel();
  end_if_moved(self->context_);
}

void Client::answer(std::uint64_t id, const Reply& reply) {
  channel_->send(reply ? agent::reply_text(id, *reply) : agent::reply_text(id, reply.error()));
}

void Client::later(std::uint64_t id, net::Task<Reply> work) {
  tasks_.spawn(answer_later(shared_from_this(), id, std::move(work)));
}

net::Task<void> Client::answer_later(std::shared_ptr<Client> self, std::uint64_t id,
                                     net::Task<Reply> work) {
  self->answer(id, co_await std::move(work));
}

void Client::send_event(std::string_view event, const json& params) {
  channel_->send(agent::event_text(event, params));
}

void Client::on_request(agent::Request& request) {
  const auto admitted = connection_.admit(request.method, context_->clock.mono_now());
  if (!admitted) {
    answer(request.id, fail(admitted.error()));
    return;
  }
  const std::uint64_t id = request.id;
  std::visit(
      Overloaded{
          [&](const agent::Hello&) { later(id, hello()); },
          [&](const agent::DiscoverStart& start) { answer(id, on_discover_start(start)); },
          [&](const agent::DiscoverStop&) { answer(id, on_discover_stop()); },
          [&](const agent::PairBegin& begin) { on_pair_begin(id, begin); },
          [&](const agent::PairName& name) { on_pair_name(id, name); },
          [&](const agent::PairCode& code) { answer(id, on_pair_code(code)); },
          [&](const agent::PairCancel& cancel) { answer(id, on_pair_cancel(cancel)); },
          [&](const agent::GrantsList& list) { answer(id, on_grants_list(list)); },
          [&](const agent::GrantsGet& get) { answer(id, on_grants_get(get)); },
          [&](const agent::GrantsRevoke& gone) { later(id, revoke(gone.id)); },
          [&](const agent::TicketMint& ticket) { later(id, mint(ticket)); },
          [&](const agent::CertificateRenew& stale) { later(id, renew(stale.id)); },
          [&](const agent::PolicyCheck& check) {
            answer(id, agent::policy_json(check.origin, check.type, context_->desk.trust(),
                                          context_->desk.now()));
          },
          [&](const agent::MetadataStatus&) {
            answer(id, agent::metadata_json(context_->metadata.status(),
                                            context_->desk.trust().policy()));
          },
          [&](const agent::MetadataRefresh&) { later(id, refresh_metadata()); },
          [&](const agent::AnchorGet&) { answer(id, on_anchor_get()); },
          [&](const agent::SetupFirefox& setup) { later(id, set_up_firefox(context_, setup)); },
          [&](const agent::Doctor& places) { later(id, doctor(places)); },
          [&](const agent::GrantsPause& pause) { later(id, set_paused(pause.id, true)); },
          [&](const agent::GrantsResume& go_on) { later(id, set_paused(go_on.id, false)); },
          [&](const agent::GrantsDetails& of) { answer(id, on_grants_details(of)); },
          [&](const agent::DevicesList&) { answer(id, on_devices_list()); },
          [&](const agent::DevicesForget& gone) { later(id, forget(gone.id)); },
          [&](const agent::DevicesPeople& of) { later(id, people(of.id)); },
          [&](agent::BackupExport& backup) {
            later(id, export_backup(context_, std::move(backup)));
          },
          [&](agent::BackupImport& backup) {
            tasks_.spawn(import_and_end(shared_from_this(), id, std::move(backup)));
          },
          [&](const agent::ProfilesList&) { answer(id, list_profiles(context_)); },
          [&](const agent::ProfilesAdopt& adopt) { answer(id, adopt_profile(context_, adopt)); },
          [&](const agent::StoreStatus&) { answer(id, context_->keys.status()); },
          [&](const agent::StoreUnlock&) { answer(id, context_->keys.status()); },
          [&](const agent::StoreAccept&) { answer(id, context_->keys.nothing_to_do()); },
          [&](const agent::StoreStartAnew&) { answer(id, context_->keys.nothing_to_do()); },
          [&](agent::PairNetwork& network) { answer(id, on_pair_network(network)); },
          [&](const agent::NearbyOpen& open) { on_nearby_open(id, open); },
          [&](const agent::NearbyValue& value) {
            answer(id, json::object());
            nearby_.on_value(value);
          },
          [&](const agent::NearbyTaken& taken) {
            answer(id, json::object());
            nearby_.on_taken(taken);
          },
          [&](const agent::NearbyLost& lost) {
            answer(id, json::object());
            nearby_.on_lost(lost);
          },
          [&](const agent::NearbyClose& close) {
            answer(id, json::object());
            nearby_.on_close(close);
          },
          [&](agent::StoreSeal& seal) { later(id, context_->keys.seal(std::move(seal))); },
      },
      request.method);
}

net::Task<Client::Reply> Client::hello() {
  if (connection_.browser() != agent::Browser::kNone) {
    remember_profile(context_, connection_.profile());
  }
  const SetupState setup = connection_.browser() == agent::Browser::kFirefox
                               ? co_await firefox_setup_state(context_)
                               : co_await setup_state(context_);
  co_return json{
      {"version", LATCHKEY_VERSION},
      {"protocol", 1},
      {"ready", setup.root_installed},
      {"setup",
       {{"root_installed", setup.root_installed}, {"restart_needed", setup.restart_needed}}}};
}

net::Task<Client::Reply> Client::refresh_metadata() {
  co_await context_->metadata.refresh();
  co_return agent::metadata_json(context_->metadata.status(), context_->desk.trust().policy());
}

// --- discovery ---

Client::Reply Client::on_discover_start(const agent::DiscoverStart& start) {
  // What is known of the network stays known: whoever asks again is told the same, and not what a
  // responder still has of before.
  const auto before = std::exchange(looking_, nullptr);
  neighbours_ = agent::Neighbours(start.type);
  looking_ =
      context_->lookout.listen([this](const discovery::SourceEvent& event) { on_service(event); });
  nearby_.announce();
  scanning_.reset();
  if (start.nearby) {
    look_nearby();
  }
  return json::object();
}

void Client::look_nearby() {
  if (context_->scan == nullptr) {
    return;
  }
  scanning_ =
      context_->scan->listen({.seen = [this](const agent::Announced& device) { on_seen(device); },
                              .lost = [this](const std::string& service) { on_gone(service); },
                              .state =
                                  [this](bool looking, const std::string& why) {
                                    json params{{"nearby", looking ? "looking" : "unavailable"}};
                                    if (!why.empty()) {
                                      params["message"] = why;
                                    }
                                    send_event(wire::kDiscoverState, params);
                                  }});
}

Client::Reply Client::on_discover_stop() {
  scanning_.reset();
  looking_.reset();
  return json::object();
}

void Client::on_service(const discovery::SourceEvent& event) {
  if (const auto* looking = std::get_if<discovery::Looking>(&event)) {
    json params{{"network", looking->available ? "looking" : "unavailable"}};
    if (!looking->message.empty()) {
      params["message"] = looking->message;
    }
    send_event(wire::kDiscoverState, params);
  } else if (const auto* found = std::get_if<discovery::Found>(&event)) {
    on_seen(announced_of(found->service));
  } else if (const auto* lost = std::get_if<discovery::Lost>(&event)) {
    on_gone(lost->key);
  }
}

// --- grants ---

agent::Result<grant::AgentGrant> Client::grant(const GrantId& id) const {
  auto found = context_->desk.records().grant(id);
  if (!found || !connection_.sees(*found)) {
    return fail(agent::error(ErrorCode::kNotGranted));
  }
  return *std::move(found);
}

json Client::shown(const grant::AgentGrant& grant) const {
  return shown_grant(*context_, grant);
}

json Client::shown(const agent::Device& device) const {
  const auto binding = device.id ? context_->desk.records().binding(*device.id) : std::nullopt;
  return agent::device_json(device, binding, context_->desk.trust());
}

Client::Reply Client::on_grants_list(const agent::GrantsList& list) {
  const agent::ListQuery query{
      list.after, list.all, [this](const grant::AgentGrant& one) { return connection_.sees(one); }};
  const auto page = agent::list_page(context_->desk.records(), query, context_->desk.now());
  if (!page) {
    return fail(agent::error(ErrorCode::kNotGranted));
  }
  json out = json::array();
  for (const auto& one : page->grants) {
    out.push_back(shown(one));
  }
  return json{{"grants", std::move(out)},
              {"more", page->more ? json(page->more->hex()) : json(nullptr)}};
}

Client::Reply Client::on_grants_get(const agent::GrantsGet& get) {
  const auto found = grant(get.id);
  if (!found) {
    return fail(found.error());
  }
  return json{{"grant", shown(*found)}};
}

Client::Reply Client::on_anchor_get() {
  json answer{{"root", base64_encode(context_->desk.records().user_root().certificate)}};
  if (connection_.browser() == agent::Browser::kNone) {
    answer.update(remembered_places(*context_));
  }
  return answer;
}

void Client::grant_changed(const grant::AgentGrant& changed) {
  if (connection_.sees(changed)) {
    send_event(wire::kGrantsChanged,
               {{"id", changed.id.hex()}, {"state", grant::name_of(changed.state)}});
  }
}

void Client::trust_changed() {
  send_event(wire::kTrustChanged, json::object());
}

net::Task<Client::Reply> Client::revoke(GrantId id) {
  const auto found = grant(id);
  if (!found) {
    co_return fail(found.error());
  }
  const auto ended = context_->desk.revoke(id);
  if (!ended && found->state != grant::State::kRevoked && found->state != grant::State::kPending) {
    co_return fail(agent::error(ErrorCode::kInternal));
  }
  if (ended) {
    context_->changed(*ended);
    co_await await_anchors(context_);
  }
  const auto owes = [&] {
    for (const agent::OwedDeletion& owed : context_->desk.records().owed()) {
      if (owed.grant == id) {
        return std::optional(owed);
      }
    }
    return std::optional<agent::OwedDeletion>();
  };
  const auto owed = owes();
  const auto binding = context_->desk.records().binding(found->device);
  if (!owed || !binding) {
    co_return json{{"delivered", true}};
  }
  const auto link = co_await DeviceLink::reach(context_, *binding);
  const bool told = link && (co_await (*link)->tell_ended(*owed)).has_value();
  if (!told) {
    context_->look_after();
  }
  co_return json{{"delivered", told}};
}

// `always`: also where nothing is due, to find out where the device is.
net::Task<wire::Result<void>> Client::renew_now(grant::AgentGrant stale, bool always) {
  const auto binding = context_->desk.records().binding(stale.device);
  if (!binding || binding->reset) {
    co_return fail(wire::Error{ErrorCode::kNotGranted, "the device was reset", false});
  }
  const auto link = co_await DeviceLink::reach(context_, *binding);
  if (!link) {
    co_return fail(link.error());
  }
  if (always && stale.renew_at > context_->desk.now()) {
    co_return wire::Result<void>{};
  }
  co_return co_await (*link)->renew(stale.id);
}

net::Task<Client::Reply> Client::mint(agent::TicketMint mint) {
  const auto found = grant(mint.id);
  if (!found) {
    co_return fail(found.error());
  }
  const WallTime now = context_->desk.now();
  if (found->state == grant::State::kActive && found->origin == mint.origin &&
      (found->renew_at <= now || mint.failed)) {
    // A page that could not reach the device waits for the agent to look where it went.
    if (found->not_after - now < kAlmostOver || mint.failed) {
      (void)co_await renew_now(*found, mint.failed);
    } else {
      context_->look_after();
    }
  }
  const auto ticket = context_->desk.mint(mint.id, mint.origin, mint.nonce);
  if (!ticket) {
    co_return fail(ticket.error());
  }
  co_return json{
      {"ticket", ticket->ticket}, {"url", ticket->url}, {"expires", ticket->expires.unix_seconds}};
}

net::Task<Client::Reply> Client::renew(GrantId id) {
  const auto found = grant(id);
  if (!found || found->state != grant::State::kActive) {
    co_return fail(
        agent::error(found && found->hold ? agent::code_of(*found->hold) : ErrorCode::kNotGranted));
  }
  const auto renewed = co_await renew_now(*found, false);
  if (!renewed) {
    co_return fail(agent::error(renewed.error().code));
  }
  const auto after = grant(id);
  if (!after) {
    co_return fail(after.error());
  }
  co_return json{{"not_after", after->not_after.unix_seconds}};
}

net::Task<Client::Reply> Client::doctor(agent::Doctor places) {
  remember_places(context_, places);
  json out = json::array();
  for (const platform::Check& check : co_await all_checks(context_)) {
    out.push_back({{"id", check.id},
                   {"level", platform::level_text(check.level)},
                   {"title", check.title},
                   {"detail", check.detail},
                   {"fix", check.fix}});
  }
  co_return json{{"checks", std::move(out)}};
}

}  // namespace latchkey::agentd
