// What a client is told of devices, and how it pairs with one of them.
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/reply.h"
#include "client.h"
#include "wire/names.h"

namespace latchkey::agentd {

using nlohmann::json;
using wire::ErrorCode;

void Client::on_seen(const agent::Announced& announced) {
  const auto bindings = context_->desk.records().bindings();
  const auto device = neighbours_.seen(announced, bindings);
  for (const auto& merged : neighbours_.take_merged()) {
    send_event(wire::kDiscoverLost, {{"key", merged.key}, {"into", merged.into}});
  }
  if (device) {
    send_event(wire::kDiscoverFound, {{"device", shown(*device)}});
  }
}

void Client::on_gone(const std::string& service) {
  const auto bindings = context_->desk.records().bindings();
  const auto gone = neighbours_.lost(service, bindings);
  if (gone && gone->still) {
    send_event(wire::kDiscoverFound, {{"device", shown(*gone->still)}});
  } else if (gone && !neighbours_.service({gone->key})) {
    send_event(wire::kDiscoverLost, {{"key", gone->key}});
  }
}

void Client::on_nearby_open(std::uint64_t id, const agent::NearbyOpen& open) {
  const auto opened = nearby_.open(open);
  answer(id, opened);
  if (opened) {
    nearby_.go_on();
  }
}

void Client::on_pair_begin(std::uint64_t id, const agent::PairBegin& begin) {
  if (const auto code = context_->desk.refusal(begin.origin)) {
    answer(id, fail(agent::error(*code)));
    return;
  }
  auto start = start_at(begin);
  if (!start) {
    answer(id, fail(agent::error(ErrorCode::kUnreachable)));
    return;
  }
  if (pairings_.size() >= agent::kMaxPairings) {
    answer(id, fail(agent::error(ErrorCode::kLocked)));
    return;
  }
  const std::string session = "p" + std::to_string(next_pairing_++);
  start->session = session;
  const std::weak_ptr<Client> weak = weak_from_this();
  Pairing::Client listener{.begun =
                               [weak, id](const Reply& reply) {
                                 if (const auto self = weak.lock()) {
                                   self->answer(id, reply);
                                 }
                               },
                           .event =
                               [weak](std::string_view event, const json& params) {
                                 if (const auto self = weak.lock()) {
                                   self->send_event(event, params);
                                 }
                               },
                           .ended =
                               [weak, session] {
                                 if (const auto self = weak.lock()) {
                                   self->pairings_.erase(session);
                                 }
                               }};
  pairings_.emplace(session, Pairing::start(context_, *std::move(start), std::move(listener)));
}

std::optional<Pairing::Start> Client::start_at(const agent::PairBegin& begin) const {
  const auto service = neighbours_.service(begin.key);
  if (!service) {
    return std::nullopt;
  }
  Pairing::Start start{
      .session = {},
      .wish = {connection_.profile(), begin.origin, begin.type, std::nullopt, begin.sso},
      .name = begin.name.value_or(""),
      .endpoints = {},
      .nearby = nearby_.find(*service),
      .known = std::nullopt,
      .needs_anchor = connection_.browser() == agent::Browser::kFirefox};
  if (!start.nearby && context_->scan != nullptr) {
    start.nearby = context_->scan->find(*service);
  }
  if (start.nearby) {
    // It says what it is when its code was right: for an address of a person's own, any kind will
    // do.
    if (!begin.origin && begin.type == agent::kUnknownType) {
      start.wish.type.clear();
    }
    return start;
  }
  const auto* found = context_->lookout.find(*service);
  if (found == nullptr || found->type != begin.type) {
    return std::nullopt;
  }
  const auto bindings = context_->desk.records().bindings();
  const auto match = agent::match(announced_of(*found), bindings);
  start.name = begin.name.value_or(announced_of(*found).name);
  start.endpoints = endpoints_of(*found);
  start.known = match ? context_->desk.records().binding(match->device) : std::nullopt;
  start.known_by_address = match && match->by_address;
  return start;
}

Client::Reply Client::on_pair_network(agent::PairNetwork& network) {
  const auto found = pairings_.find(network.session);
  if (found == pairings_.end() || !found->second->give_network(std::move(network.wifi))) {
    return fail(agent::error(ErrorCode::kCancelled));
  }
  return json::object();
}

void Client::on_pair_name(std::uint64_t id, const agent::PairName& name) {
  const auto found = pairings_.find(name.session.text);
  if (found == pairings_.end()) {
    answer(id, fail(agent::error(ErrorCode::kCancelled)));
    return;
  }
  found->second->give_name(name.name, [weak = weak_from_this(), id](const Reply& reply) {
    if (const auto self = weak.lock()) {
      self->answer(id, reply);
    }
  });
}

Client::Reply Client::on_pair_code(const agent::PairCode& code) {
  const auto found = pairings_.find(code.session.text);
  if (found == pairings_.end()) {
    return fail(agent::error(ErrorCode::kCancelled));
  }
  found->second->give_code(code.code.clone());
  return json::object();
}

Client::Reply Client::on_pair_cancel(const agent::PairCancel& cancel) {
  if (const auto found = pairings_.find(cancel.session.text); found != pairings_.end()) {
    const auto pairing = found->second;
    pairings_.erase(found);
    pairing->cancel();
  }
  return json::object();
}

}  // namespace latchkey::agentd
