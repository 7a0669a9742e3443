#include <nlohmann/json.hpp>
#include <set>

#include "agent_link.h"
#include "commands.h"
#include "grant_view.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;

// Each device once, where something else answers in its place.
void tell_other_keys(const Terminal& terminal, const std::vector<json>& grants) {
  std::set<std::string> told;
  for (const json& grant : grants) {
    const json device = grant.value("device", json::object());
    if (grant.value("state", "") == "active" && device.value("other_key", false) &&
        told.insert(device.value("id", "")).second) {
      terminal.paragraph("Another device answers where " + device_of(grant) +
                             " was. If yours was reset, remove it here and add it again: latchkey "
                             "forget " +
                             device.value("id", "").substr(0, kShortId),
                         0);
    }
  }
}

bool is_meant(const json& grant, const RevokeOptions& options) {
  if (options.all) {
    return true;
  }
  if (!options.origin.empty()) {
    return grant.value("origin", json()) == options.origin;
  }
  return is_called(grant, options.which);
}

Result<std::vector<json>> end_them(AgentLink& link, const RevokeOptions& options) {
  const auto all = list_grants(link, false);
  if (!all) {
    return fail(all.error());
  }
  std::vector<json> meant;
  for (const json& grant : *all) {
    if (is_meant(grant, options)) {
      meant.push_back(grant);
    }
  }
  if (meant.empty() && !options.all) {
    return fail(failure_from("not_granted", "There is nothing like that to remove."));
  }
  if (meant.size() > 1 && options.origin.empty() && !options.all) {
    return fail(usage("More than one entry begins with " + options.which + ".",
                      "Write more of its number; `latchkey grants` lists them."));
  }
  for (json& grant : meant) {
    const auto done = link.call(wire::kGrantsRevoke, {{"id", grant.value("id", "")}});
    if (!done) {
      return fail(done.error());
    }
    grant["delivered"] = done->value("delivered", false);
  }
  return meant;
}

}  // namespace

int grants(const Common& common, const Terminal& terminal, bool all) {
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    return terminal.end(link.error());
  }
  const auto listed = list_grants(*link, all);
  if (!listed) {
    return terminal.end(listed.error());
  }
  if (terminal.json()) {
    terminal.document({{"grants", *listed}});
    return 0;
  }
  if (listed->empty()) {
    terminal.line("No web service may use a device of yours yet.");
    terminal.progress("Allow one with `latchkey grant --origin https://video.example`.");
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json& grant : *listed) {
    rows.push_back({grant.value("id", "").substr(0, kShortId), service_of(grant), device_of(grant),
                    state_of(grant)});
  }
  terminal.table({"NUMBER", "WEB SERVICE", "DEVICE", "STATE"}, rows);
  tell_other_keys(terminal, *listed);
  return 0;
}

int revoke(const Common& common, const Terminal& terminal, const RevokeOptions& options) {
  const int ways =
      (options.which.empty() ? 0 : 1) + (options.origin.empty() ? 0 : 1) + (options.all ? 1 : 0);
  if (ways != 1) {
    return terminal.end(usage("Say what to remove: a number, a host, --origin or --all.",
                              "`latchkey grants` lists what there is."));
  }
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    return terminal.end(link.error());
  }
  const auto ended = end_them(*link, options);
  if (!ended) {
    return terminal.end(ended.error());
  }
  if (terminal.json()) {
    json out = json::array();
    for (const json& grant : *ended) {
      out.push_back({{"id", grant["id"]}, {"delivered", grant["delivered"]}});
    }
    terminal.document({{"revoked", out}});
    return 0;
  }
  for (const json& grant : *ended) {
    terminal.line(service_of(grant) + " may not use " + device_of(grant) + " any more.");
    if (!grant.value("delivered", false)) {
      terminal.progress("The device did not answer; it will be told when it is back.");
    }
  }
  if (ended->empty()) {
    terminal.line("There was nothing to remove.");
  }
  return 0;
}

}  // namespace latchkey::cli
