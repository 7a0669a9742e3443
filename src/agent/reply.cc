#include "agent/reply.h"

#include <nlohmann/json.hpp>

#include "agent/desk.h"
#include "agent/neighbours.h"
#include "agent/sentinel.h"
#include "base/text.h"

namespace latchkey::agent {
namespace {

using grant::AgentGrant;
using nlohmann::json;

std::string text_of(const json& message) {
  // Names that strangers chose were cleaned; should a byte be wrong after all, it must not throw.
  return message.dump(-1, ' ', false, json::error_handler_t::replace);
}

json text_or_null(const std::string& text) {
  return text.empty() ? json(nullptr) : json(text);
}

json time_or_null(const std::optional<WallTime>& time) {
  return time ? json(time->unix_seconds) : json(nullptr);
}

attest::DeviceStanding standing_of(const std::optional<grant::Binding>& binding,
                                   const attest::Trust& trust) {
  const auto evidence = binding ? evidence_of(*binding) : std::nullopt;
  return trust.device(evidence ? &*evidence : nullptr);
}

// What a provider calls the model, else what the device says of itself.
json model_of(const attest::DeviceStanding& standing,
              const std::optional<grant::Binding>& binding) {
  return text_or_null(!standing.model.empty() ? standing.model
                      : binding               ? binding->model
                                              : std::string());
}

json site_json(const Origin& origin, const attest::Trust& trust) {
  const attest::OriginStanding standing = trust.origin(origin);
  return {{"state", attest::name_of(standing.state)},
          {"name", text_or_null(clean_display_name(standing.name))},
          {"provider", text_or_null(clean_display_name(standing.provider))}};
}

}  // namespace

std::string reply_text(std::uint64_t id, const json& result) {
  return text_of({{"id", id}, {"result", result}});
}

std::string reply_text(std::uint64_t id, const Error& error) {
  return text_of(
      {{"id", id}, {"error", {{"code", wire::name_of(error.code)}, {"message", error.message}}}});
}

std::string event_text(std::string_view event, const json& params) {
  return text_of({{"event", event}, {"params", params}});
}

json grant_json(const AgentGrant& grant, const std::optional<grant::Binding>& binding,
                const attest::Trust& trust) {
  const attest::DeviceStanding standing = standing_of(binding, trust);
  // An ended one of a device that was forgotten says what it can: every reader wants a type.
  const std::string type = type_of(grant, binding);
  const WallTime blocked =
      grant.state == grant::State::kSuspended ? block_until(grant) : grant.block_until;
  return {{"id", grant.id.hex()},
          {"profile", grant.profile.hex()},
          {"origin", grant.origin ? json(grant.origin->text()) : json(nullptr)},
          {"host", grant.host.text()},
          {"port", grant.port},
          {"url", url_of(grant)},
          {"type", type.empty() ? std::string(kUnknownType) : type},
          {"device",
           {{"id", grant.device.hex()},
            {"name", binding ? binding->name : ""},
            {"model", model_of(standing, binding)},
            {"maker", text_or_null(standing.maker)},
            {"standing", attest::name_of(standing.state)}}},
          {"site", grant.origin ? site_json(*grant.origin, trust) : json(nullptr)},
          {"created", grant.created.unix_seconds},
          {"last_used", grant.last_used.unix_seconds},
          {"not_after", grant.not_after.unix_seconds},
          {"renew_at", grant.renew_at.unix_seconds},
          {"state", name_of(grant.state)},
          {"hold", grant.hold ? json(grant::name_of(*grant.hold)) : json(nullptr)},
          {"paused", grant.paused},
          {"block_until", blocked.unix_seconds}};
}

json make_json(const grant::Binding& binding, const attest::Trust& trust) {
  const attest::DeviceStanding standing = standing_of(binding, trust);
  return {{"maker", text_or_null(standing.maker)},
          {"model", model_of(standing, binding)},
          {"standing", attest::name_of(standing.state)}};
}

json policy_json(const Origin& origin, const std::optional<std::string>& type,
                 const attest::Trust& trust, WallTime now) {
  const auto code = trust.refuses_origin(origin, now);
  return {{"allowed", !code},
          {"code", code ? json(wire::name_of(*code)) : json(nullptr)},
          {"message", code ? json(words_for(*code)) : json(nullptr)},
          {"site", site_json(origin, trust)},
          {"consented", !code && type && trust.is_consented(origin, *type)}};
}

json metadata_json(const std::vector<ProviderStatus>& providers, const attest::Policy& policy) {
  json list = json::array();
  for (const ProviderStatus& one : providers) {
    list.push_back({{"name", clean_display_name(one.name)},
                    {"url", one.url},
                    {"no", one.no ? json(*one.no) : json(nullptr)},
                    {"published", time_or_null(one.published)},
                    {"next_update", time_or_null(one.next_update)},
                    {"checked", time_or_null(one.checked)},
                    {"state", attest::name_of(one.state)},
                    {"error", text_or_null(one.error)}});
  }
  return {{"providers", std::move(list)},
          {"policy",
           {{"only_registered_origins", policy.only_registered_origins},
            {"only_attested_devices", policy.only_attested_devices}}}};
}

namespace {
json nearby_json(Nearby nearby) {
  switch (nearby) {
    case Nearby::kNo:
      break;
    case Nearby::kSeen:
      return "seen";
    case Nearby::kLinked:
      return "linked";
  }
  return nullptr;
}
}  // namespace

json device_json(const Device& device, const std::optional<grant::Binding>& binding,
                 const attest::Trust& trust) {
  const attest::DeviceStanding standing = standing_of(binding, trust);
  return {{"key", device.key},
          {"name", device.name},
          {"type", device.type},
          {"known", device.known},
          {"window_open", device.window_open},
          {"maker", text_or_null(standing.maker)},
          {"model", model_of(standing, binding)},
          {"proven", standing.state == attest::DeviceState::kProven},
          {"standing", attest::name_of(standing.state)},
          {"nearby", nearby_json(device.nearby)},
          {"signal", device.signal ? json(*device.signal) : json(nullptr)},
          {"warning", device.same_name ? json("same_name") : json(nullptr)}};
}

json code_json(wire::CodeKind kind, std::uint32_t attempts_left) {
  return {{"kind", wire::name_of(kind)}, {"left", attempts_left}};
}

}  // namespace latchkey::agent
