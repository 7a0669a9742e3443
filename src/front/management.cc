#include "front/management.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "wire/cbor.h"
#include "wire/messages.h"

namespace latchkey::front {

namespace {

using nlohmann::json;

ManagementOutcome reply(int status, ByteSpan body) {
  ManagementOutcome outcome;
  outcome.answer.status = status;
  if (!body.empty()) {
    outcome.answer.fields.add("Content-Type", "application/cbor");
    outcome.answer.body = as_text(body);
  }
  return outcome;
}

int status_of(wire::ErrorCode code) {
  switch (code) {
    case wire::ErrorCode::kNotGranted:
    case wire::ErrorCode::kNotAllowed:
    case wire::ErrorCode::kAttestationFailed:
      return 403;
    case wire::ErrorCode::kNameConflict:
      return 409;
    case wire::ErrorCode::kExpired:
      return 410;
    case wire::ErrorCode::kInternal:
      return 500;
    default:
      return 400;
  }
}

ManagementOutcome refuse(const wire::Error& error) {
  return reply(status_of(error.code), wire::encode(wire::error_message(error)));
}

ManagementOutcome refuse(wire::ErrorCode code, std::string detail) {
  return refuse(wire::Error{code, std::move(detail), false});
}

std::optional<WallTime> time_of(const wire::HttpRequestHead& head) {
  const std::string* text = head.fields.find("Latchkey-Time");
  if (head.fields.count("Latchkey-Time") != 1 || text->size() > 12) {
    return std::nullopt;
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || value <= 0) {
    return std::nullopt;
  }
  return WallTime{value};
}

json binary(ByteSpan bytes) {
  return json::binary(to_bytes(bytes));
}

std::uint64_t told(WallTime time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.unix_seconds));
}

// One that this agent has, and nobody else's.
std::optional<grant::DeviceGrant> grant_of(ManagementRecords& records, const SpkiHash& agent,
                                           const GrantId& id) {
  auto held = records.grants_of(agent);
  const auto found = std::find_if(held.begin(), held.end(),
                                  [&](const grant::DeviceGrant& one) { return one.id == id; });
  return found == held.end() ? std::nullopt : std::optional(std::move(*found));
}

}  // namespace

ManagementOutcome ManagementDesk::handle(const ManagementRequest& request, WallTime wall_now,
                                         MonoTime now) {
  // The key is judged at every request: a binding may have ended since the handshake.
  const auto agent = records_.agent(request.agent);
  if (!agent) {
    return refuse(wire::ErrorCode::kNotGranted, "not bound to this device");
  }
  const auto told = time_of(request.head);
  if (!told) {
    return refuse(wire::ErrorCode::kMalformed, "Latchkey-Time is missing");
  }
  // An agent's clock that was turned back does not bring back what has expired.
  const WallTime agent_now = std::max(*told, agent->last_seen);
  gate_.on_trusted_time(request.agent, agent_now, now);
  if (!records_.seen(request.agent, agent_now)) {
    return refuse(wire::ErrorCode::kInternal, "could not be stored");
  }
  return dispatch(request, agent_now, wall_now);
}

ManagementOutcome ManagementDesk::dispatch(const ManagementRequest& request, WallTime agent_now,
                                           WallTime wall_now) {
  const std::string call = request.head.method + " " + request.head.target;
  constexpr std::string_view kDelete = "DELETE /grants/";
  if (call == "POST /offer") {
    const auto csr = enrollment_.on_offer(request.body, request.exporter, request.agent, wall_now);
    return csr ? reply(200, wire::encode(*csr)) : refuse(csr.error());
  }
  if (call == "POST /certificate") {
    return certificate(request, agent_now);
  }
  if (call == "POST /renew") {
    return renew(request);
  }
  if (call == "POST /suspend" || call == "POST /resume") {
    return set_suspended(request, call == "POST /suspend");
  }
  if (call == "POST /sso") {
    return set_sign_in(request);
  }
  if (call == "GET /grants") {
    return list(request.agent);
  }
  if (call == "GET /audit") {
    return audit(request.agent);
  }
  if (call == "DELETE /agent") {
    return remove_agent(request.agent);
  }
  if (call.starts_with(kDelete)) {
    return remove(request.agent, std::string_view(call).substr(kDelete.size()));
  }
  auto outcome = refuse(wire::ErrorCode::kUnsupported, "no such request");
  outcome.answer.status = 404;
  return outcome;
}

ManagementOutcome ManagementDesk::certificate(const ManagementRequest& request,
                                              WallTime agent_now) {
  const auto message = wire::decode<wire::CertMessage>(request.body);
  if (!message) {
    return refuse(message.error());
  }
  const auto done = enrollment_.on_certificate(request.body, request.agent, agent_now);
  if (!done) {
    return refuse(done.error());
  }
  if (!records_.confirm(request.agent, message->grant)) {
    return refuse(wire::ErrorCode::kInternal, "could not be stored");
  }
  auto outcome = reply(200, wire::encode(*done));
  outcome.effects.installed = message->grant;
  return outcome;
}

ManagementOutcome ManagementDesk::renew(const ManagementRequest& request) {
  const auto named = wire::decode<wire::RenewRequest>(request.body);
  if (!named) {
    return refuse(named.error());
  }
  const auto renewal = enrollment_.on_renew(request.body, request.agent, request.exporter);
  if (!renewal) {
    return refuse(renewal.error());
  }
  // The agent knows that its first certificate arrived: from now on only the new key gets one.
  if (!records_.confirm(request.agent, named->grant)) {
    return refuse(wire::ErrorCode::kInternal, "could not be stored");
  }
  return reply(200, wire::encode(*renewal));
}

ManagementOutcome ManagementDesk::set_suspended(const ManagementRequest& request, bool suspended) {
  const auto named = wire::decode<wire::RenewRequest>(request.body);  // {grant}, as there
  if (!named) {
    return refuse(named.error());
  }
  const auto grant = grant_of(records_, request.agent, named->grant);
  if (!grant) {
    return refuse(wire::ErrorCode::kNotGranted, "no such grant of this agent");
  }
  if (grant->suspended != suspended &&
      !records_.set_suspended(request.agent, named->grant, suspended)) {
    return refuse(wire::ErrorCode::kInternal, "could not be stored");
  }
  auto outcome = reply(204, {});
  if (grant->suspended != suspended) {
    (suspended ? outcome.effects.suspended : outcome.effects.resumed) = named->grant;
  }
  return outcome;
}

ManagementOutcome ManagementDesk::set_sign_in(const ManagementRequest& request) {
  const auto named = wire::decode<wire::SignInRequest>(request.body);
  if (!named) {
    return refuse(named.error());
  }
  const auto grant = grant_of(records_, request.agent, named->grant);
  if (!grant) {
    return refuse(wire::ErrorCode::kNotGranted, "no such grant of this agent");
  }
  if (!grant->origin) {
    return refuse(wire::ErrorCode::kMalformed, "a direct grant follows its device's owner");
  }
  auto outcome = reply(204, {});
  if (grant->sso != named->sso) {
    if (!records_.set_sign_in(request.agent, named->grant, named->sso)) {
      return refuse(wire::ErrorCode::kInternal, "could not be stored");
    }
    outcome.effects.signs_in_anew = named->grant;
  }
  return outcome;
}

ManagementOutcome ManagementDesk::list(const SpkiHash& agent) {
  json grants = json::array();
  for (const grant::DeviceGrant& grant : records_.grants_of(agent)) {
    // Both ends know of it now: it is not one that a lost message left behind.
    if (grant.state == grant::State::kActive && !grant.confirmed &&
        !records_.confirm(agent, grant.id)) {
      return refuse(wire::ErrorCode::kInternal, "could not be stored");
    }
    json line = {{"grant", binary(grant.id.span())},
                 {"host", grant.host.text()},
                 {"state", std::string(grant::name_of(grant.suspended ? grant::State::kSuspended
                                                                      : grant.state))},
                 {"not_after", told(grant.not_after)}};
    line["origin"] = grant.origin ? json(grant.origin->text()) : json(nullptr);
    grants.push_back(std::move(line));
  }
  return reply(200, wire::encode_cbor({{"grants", std::move(grants)}}));
}

ManagementOutcome ManagementDesk::remove(const SpkiHash& agent, std::string_view id) {
  const auto grant = GrantId::parse(id);
  if (!grant) {
    return refuse(wire::ErrorCode::kMalformed, "not a grant's id");
  }
  // Ids of other agents' grants are nothing here: the same answer, and no effect.
  const auto held = records_.grants_of(agent);
  const bool own = std::any_of(held.begin(), held.end(),
                               [&](const grant::DeviceGrant& one) { return one.id == *grant; });
  if (own && !records_.delete_grant(agent, *grant)) {
    return refuse(wire::ErrorCode::kInternal, "could not be stored");
  }
  auto outcome = reply(204, {});
  if (own) {
    outcome.effects.ended.push_back(*grant);
  }
  return outcome;
}

ManagementOutcome ManagementDesk::remove_agent(const SpkiHash& agent) {
  auto outcome = reply(204, {});
  for (const grant::DeviceGrant& grant : records_.grants_of(agent)) {
    outcome.effects.ended.push_back(grant.id);
  }
  if (!records_.delete_agent(agent)) {
    return refuse(wire::ErrorCode::kInternal, "could not be stored");
  }
  outcome.effects.agent_ended = true;
  return outcome;
}

ManagementOutcome ManagementDesk::audit(const SpkiHash& agent) {
  const auto number = [this](const SpkiHash& one) { return records_.number(one); };
  // Of others what the device's page shows, too: that they are there, and how many web services.
  json people = json::array();
  std::vector<grant::BoundAgent> bound = records_.agents();
  if (bound.size() > kMaxPeopleAnswer) {
    bound.erase(bound.begin() + kMaxPeopleAnswer, bound.end());
  }
  for (const grant::BoundAgent& one : bound) {
    const auto held = records_.grants_of(one.key_hash);
    const auto services = std::count_if(held.begin(), held.end(),
                                        [](const auto& grant) { return grant.origin.has_value(); });
    people.push_back({{"agent", number(one.key_hash)},
                      {"own", one.key_hash == agent},
                      {"since", told(one.bound_at)},
                      {"seen", told(one.last_seen)},
                      {"services", static_cast<std::uint64_t>(services)}});
  }
  json events = json::array();
  for (const SeenLine& line : as_seen_by(agent, records_.audit(kMaxAuditAnswer), number)) {
    json event = {{"time", told(line.time)}, {"kind", line.kind}, {"own", line.own}};
    if (line.own) {
      event["detail"] = line.detail;
      if (line.grant) {
        event["grant"] = binary(line.grant->span());
      }
    } else if (line.person) {
      event["agent"] = *line.person;
    }
    events.push_back(std::move(event));
  }
  return reply(200,
               wire::encode_cbor({{"people", std::move(people)}, {"events", std::move(events)}}));
}

}  // namespace latchkey::front
