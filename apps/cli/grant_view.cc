#include "grant_view.h"

#include <nlohmann/json.hpp>

#include "terminal.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;

std::string reason_of(const json& grant) {
  const auto hold = grant.find("hold");
  const std::string why = hold != grant.end() && hold->is_string() ? hold->get<std::string>() : "";
  return why == "origin_suspended" ? "on hold: the web service is suspended"
         : why == "origin_revoked" ? "on hold: the web service is revoked"
         : why == "device_revoked" ? "on hold: this kind of device is revoked"
         : why == "device_reset"   ? "not known to the device any more"
         : why == "paused"         ? "paused by you"
                                   : "paused";
}

}  // namespace

std::string service_of(const json& grant) {
  return grant.value("origin", json()).is_string() ? grant["origin"].get<std::string>()
                                                   : "(you, directly)";
}

std::string device_of(const json& grant) {
  const std::string name = grant.value("device", json::object()).value("name", "");
  const std::string type = grant.value("type", "other");
  return !name.empty() ? name : type == "other" ? "a device" : "a " + type;
}

std::string state_of(const json& grant) {
  const std::string state = grant.value("state", "");
  if (state == "active") {
    return "until " + day_of(grant.value("not_after", std::int64_t{0}));
  }
  return state == "pending" ? "not finished" : state == "suspended" ? reason_of(grant) : "ended";
}

Result<std::vector<json>> list_grants(AgentLink& link, bool all) {
  std::vector<json> grants;
  json params = {{"all", all}};
  do {
    const auto page = link.call(wire::kGrantsList, params);
    if (!page) {
      return fail(page.error());
    }
    for (const json& grant : page->value("grants", json::array())) {
      grants.push_back(grant);
    }
    params["after"] = page->value("more", json());
  } while (params["after"].is_string());
  return grants;
}

bool is_called(const json& grant, const std::string& which) {
  return grant.value("host", "") == which ||
         (which.size() >= kLeastId && grant.value("id", "").starts_with(which));
}

Result<json> find_grant(AgentLink& link, const std::string& which) {
  const auto listed = list_grants(link, false);
  if (!listed) {
    return fail(listed.error());
  }
  std::vector<json> meant;
  for (const json& grant : *listed) {
    if (is_called(grant, which)) {
      meant.push_back(grant);
    }
  }
  if (meant.empty()) {
    return fail(failure_from("not_granted", "There is no permission called " + which + "."));
  }
  if (meant.size() > 1) {
    return fail(usage("More than one entry begins with " + which + ".",
                      "Write more of its number; `latchkey grants` lists them."));
  }
  return meant.front();
}

}  // namespace latchkey::cli
