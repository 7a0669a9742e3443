// Looking closer and taking back in part: show, pause, resume, renew, people, forget.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent_link.h"
#include "commands.h"
#include "grant_view.h"
#include "look_around.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;

constexpr const char* kToldLater = "The device did not answer; it will be told when it is back.";

// Asks `method` about the one grant or device that is meant; `answer` gets it and what came back.
template <class Find, class Answer>
int with_one(const Common& common, const Terminal& terminal, const std::string& which, Find find,
             std::string_view method, Answer answer) {
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    return terminal.end(link.error());
  }
  const auto found = find(*link, which);
  if (!found) {
    return terminal.end(found.error());
  }
  const auto done = link->call(method, {{"id", found->value("id", "")}});
  if (!done) {
    return terminal.end(done.error());
  }
  if (terminal.json()) {
    terminal.document(*done);
    return 0;
  }
  answer(*found, *done);
  return 0;
}

template <class Answer>
int with_grant(const Common& common, const Terminal& terminal, const std::string& which,
               std::string_view method, Answer answer) {
  return with_one(common, terminal, which, find_grant, method, std::move(answer));
}

// "AB:CD:..." in lines of sixteen bytes, as browsers show fingerprints.
void fingerprint(const Terminal& terminal, const std::string& title, const std::string& hex) {
  std::string text;
  for (std::size_t i = 0; i + 2 <= hex.size(); i += 2) {
    text += (i == 0 ? "" : i == 32 ? " " : ":") + hex.substr(i, 2);
  }
  const std::size_t half = text.find(' ');
  terminal.line("  " + title);
  terminal.line("    " + text.substr(0, half));
  if (half != std::string::npos) {
    terminal.line("    " + text.substr(half + 1));
  }
}

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string proof_of(const json& proof) {
  const std::string standing = text_of(proof, "standing");
  const std::string by = text_of(proof, "provider");
  const std::string made = text_of(proof, "maker") + " " + text_of(proof, "model");
  return standing == "proven"       ? made + ", proven" + (by.empty() ? "" : " (" + by + ")")
         : standing == "revoked"    ? made + ", revoked" + (by.empty() ? "" : " by " + by)
         : standing == "unproven"   ? "shown, but nobody stands behind it"
         : standing == "unattested" ? "none shown"
                                    : "nobody to ask: no provider is set up";
}

void show_certificate(const Terminal& terminal, const json& certificate) {
  terminal.line("Certificate");
  terminal.line("  for       " + text_of(certificate, "subject"));
  terminal.line("  valid     " + day_of(certificate.value("valid_from", std::int64_t{0})) + " to " +
                day_of(certificate.value("valid_to", std::int64_t{0})));
  terminal.line("  renewal   " + day_of(certificate.value("renew_at", std::int64_t{0})));
  fingerprint(terminal, "key (SHA-256)", text_of(certificate, "key"));
  fingerprint(terminal, "issuer (SHA-256)", text_of(certificate, "issuer_sha256"));
}

int set_paused(const Common& common, const Terminal& terminal, const std::string& which,
               bool paused) {
  return with_grant(common, terminal, which, paused ? wire::kGrantsPause : wire::kGrantsResume,
                    [&](const json& grant, const json& done) {
                      const json now = done.value("grant", json::object());
                      const bool active = now.value("state", "") == "active";
                      terminal.line(service_of(grant) +
                                    (active   ? " may use "
                                     : paused ? " is paused on "
                                              : " is still held on ") +
                                    device_of(grant) + (active ? " again." : "."));
                      if (!paused && !active) {
                        terminal.progress("It is " + state_of(now) + ".");
                      }
                      if (!done.value("delivered", false)) {
                        terminal.progress(kToldLater);
                      }
                    });
}

Result<json> find_device(AgentLink& link, const std::string& which) {
  const auto listed = link.call(wire::kDevicesList, json::object());
  if (!listed) {
    return fail(listed.error());
  }
  std::vector<json> meant;
  for (const json& device : listed->value("devices", json::array())) {
    if (device.value("name", "") == which ||
        (which.size() >= kLeastId && device.value("id", "").starts_with(which))) {
      meant.push_back(device);
    }
  }
  if (meant.size() > 1) {
    return fail(usage("More than one of your devices is called " + which + ".",
                      "Use its number: `latchkey devices --mine` lists them."));
  }
  if (meant.empty()) {
    Failure none = failure_from("not_granted", "You have no device called " + which + ".");
    none.hint = "See which ones you have with `latchkey devices --mine`.";
    return fail(std::move(none));
  }
  return meant.front();
}

std::string person_text(const json& one) {
  const json number = one.value("person", json());
  return one.value("you", false)       ? "you"
         : number.is_number_unsigned() ? "person " + number.dump()
                                       : "";
}

// What a device writes into its trail (store/device_store.h), in words; other kinds as they are.
std::string event_text(const json& event) {
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"paired", "joined with a code"},
      {"granted", "allowed a web service"},
      {"suspended", "paused a web service"},
      {"resumed", "resumed a web service"},
      {"deleted", "removed a web service"},
      {"agent_left", "gave up the access"},
      {"agent_removed", "was removed at the device"},
      {"window_opened", "had a code shown"},
      {"wrong_code", "tried a wrong code"}};
  const std::string kind = event.value("kind", "");
  std::string text = kind;
  for (const auto& [name, words] : kWords) {
    if (name == kind) {
      text = words;
    }
  }
  const std::string detail = text_of(event, "detail");
  return detail.empty() ? text : text + ": " + detail;
}

void show_people(const Terminal& terminal, const json& device, const json& said) {
  const json people = said.value("people", json::array());
  const std::size_t others = static_cast<std::size_t>(std::count_if(
      people.begin(), people.end(), [](const json& one) { return !one.value("you", false); }));
  terminal.line(others == 0   ? "Nobody else uses " + name_of(device) + "."
                : others == 1 ? "You and one other person use " + name_of(device) + "."
                              : "You and " + std::to_string(others) + " other people use " +
                                    name_of(device) + ".");
  std::vector<std::vector<std::string>> rows;
  for (const json& one : people) {
    rows.push_back({person_text(one), day_of(one.value("since", std::int64_t{0})),
                    day_of(one.value("last_seen", std::int64_t{0})),
                    one.value("services", json()).dump()});
  }
  terminal.table({"WHO", "SINCE", "LAST SEEN", "WEB SERVICES"}, rows);
  rows.clear();
  for (const json& event : said.value("events", json::array())) {
    const std::string who = person_text(event);
    rows.push_back({day_of(event.value("time", std::int64_t{0})),
                    who.empty() ? std::string("the device") : who, event_text(event)});
  }
  if (!rows.empty()) {
    terminal.line("");
    terminal.table({"WHEN", "WHO", "WHAT HAPPENED"}, rows);
  }
}

}  // namespace

int people(const Common& common, const Terminal& terminal, const std::string& which) {
  return with_one(
      common, terminal, which, find_device, wire::kDevicesPeople,
      [&](const json& device, const json& said) { show_people(terminal, device, said); });
}

int show(const Common& common, const Terminal& terminal, const std::string& which) {
  return with_grant(
      common, terminal, which, wire::kGrantsDetails, [&](const json& before, const json& done) {
        const json grant = done.value("grant", before);
        const json proof = done.value("proof", json::object());
        terminal.line("Number      " + text_of(grant, "id"));
        terminal.line("Web service " + service_of(grant));
        terminal.line("Device      " + device_of(grant));
        terminal.line("Address     " + text_of(grant, "url"));
        terminal.line("State       " + state_of(grant));
        terminal.line("Since       " + day_of(grant.value("created", std::int64_t{0})));
        terminal.line("Last used   " + day_of(grant.value("last_used", std::int64_t{0})));
        terminal.line("Proof       " + proof_of(proof));
        if (const json certificate = done.value("certificate", json()); certificate.is_object()) {
          show_certificate(terminal, certificate);
        }
      });
}

int pause(const Common& common, const Terminal& terminal, const std::string& which) {
  return set_paused(common, terminal, which, true);
}

int resume(const Common& common, const Terminal& terminal, const std::string& which) {
  return set_paused(common, terminal, which, false);
}

int renew(const Common& common, const Terminal& terminal, const std::string& which) {
  return with_grant(
      common, terminal, which, wire::kCertificateRenew, [&](const json& grant, const json& done) {
        terminal.line(device_of(grant) + " has a new certificate for " + service_of(grant) +
                      ", until " + day_of(done.value("not_after", std::int64_t{0})) + ".");
      });
}

int forget(const Common& common, const Terminal& terminal, const std::string& which) {
  return with_one(
      common, terminal, which, find_device, wire::kDevicesForget,
      [&](const json& device, const json& done) {
        terminal.line(name_of(device) + " is forgotten; no web service may use it any more.");
        terminal.progress("To use it again, type its code anew.");
        if (!done.value("delivered", false)) {
          terminal.progress(kToldLater);
        }
      });
}

int own_devices(const Common& common, const Terminal& terminal) {
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    return terminal.end(link.error());
  }
  const auto listed = link->call(wire::kDevicesList, json::object());
  if (!listed) {
    return terminal.end(listed.error());
  }
  if (terminal.json()) {
    terminal.document(*listed);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json& device : listed->value("devices", json::array())) {
    const auto count = device.value("grants", std::uint64_t{0});
    rows.push_back({device.value("id", "").substr(0, kShortId), name_of(device),
                    device.value("type", ""), day_of(device.value("since", std::int64_t{0})),
                    device.value("reset", false) ? "was reset"
                    : count == 1                 ? "1 permission"
                                                 : std::to_string(count) + " permissions"});
  }
  if (rows.empty()) {
    terminal.line("You have not typed a code for any device yet.");
    return 0;
  }
  terminal.table({"NUMBER", "DEVICE", "TYPE", "SINCE", "STATE"}, rows);
  return 0;
}

}  // namespace latchkey::cli
