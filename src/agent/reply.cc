#include "agent/reply.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/desk.h"

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

json grant_json(const AgentGrant& grant, const std::optional<grant::Binding>& binding) {
  const WallTime blocked =
      grant.state == grant::State::kSuspended ? block_until(grant) : grant.block_until;
  return {{"id", grant.id.hex()},
          {"profile", grant.profile.hex()},
          {"origin", grant.origin ? json(grant.origin->text()) : json(nullptr)},
          {"host", grant.host.text()},
          {"port", grant.port},
          {"url", url_of(grant)},
          {"type", type_of(grant, binding)},
          {"device",
           {{"id", grant.device.hex()},
            {"name", binding ? binding->name : ""},
            {"model", binding ? text_or_null(binding->model) : json(nullptr)},
            {"maker", nullptr}}},
          {"created", grant.created.unix_seconds},
          {"last_used", grant.last_used.unix_seconds},
          {"not_after", grant.not_after.unix_seconds},
          {"renew_at", grant.renew_at.unix_seconds},
          {"state", name_of(grant.state)},
          {"block_until", blocked.unix_seconds}};
}

json device_json(const Device& device) {
  return {{"key", device.key},
          {"name", device.name},
          {"type", device.type},
          {"known", device.known},
          {"window_open", device.window_open},
          {"maker", nullptr},
          {"model", device.model ? text_or_null(*device.model) : json(nullptr)},
          {"proven", false},
          {"warning", device.same_name ? json("same_name") : json(nullptr)}};
}

json code_json(wire::CodeKind kind, std::uint32_t attempts_left) {
  return {{"kind", wire::name_of(kind)}, {"left", attempts_left}};
}

std::vector<AgentGrant> listed(std::vector<AgentGrant> grants, bool all, WallTime now) {
  std::set<HostName> live;
  for (const AgentGrant& grant : grants) {
    if (grant.state != grant::State::kRevoked) {
      live.insert(grant.host);
    }
  }
  std::erase_if(grants, [&](const AgentGrant& grant) {
    return grant.state == grant::State::kRevoked &&
           (!all || grant.block_until <= now || live.contains(grant.host));
  });
  return grants;
}

}  // namespace latchkey::agent
