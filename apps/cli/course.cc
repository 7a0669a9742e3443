#include "course.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "base/host_name.h"
#include "base/text.h"
#include "passphrase.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;

// Between two words of the agent's. It ends each step by itself, the longest after two minutes.
constexpr std::chrono::milliseconds kStepTime = std::chrono::minutes(3);
// What the agent shows as the type of a device that has not said it.
constexpr std::string_view kUnknownType = "other";
// Found one; others may be about to answer.
constexpr std::chrono::milliseconds kSettle{1500};

Result<json> choose(const Terminal& terminal, const CourseOptions& options,
                    const Surroundings& around) {
  std::vector<json> fitting;
  for (const json& device : around.devices) {
    if (options.device.empty() || name_of(device) == options.device) {
      fitting.push_back(device);
    }
  }
  if (fitting.empty()) {
    const std::string what =
        options.device.empty() ? "No device was found" : "\"" + options.device + "\" was not found";
    return fail(failure_from("unreachable", what + (options.nearby ? " in this network or nearby."
                                                                   : " in this network.")));
  }
  if (fitting.size() == 1) {
    return fitting.front();
  }
  if (!Terminal::can_ask()) {
    return fail(usage("There is more than one device.",
                      "Say which by its name; `latchkey devices` lists them."));
  }
  for (std::size_t i = 0; i < fitting.size(); ++i) {
    terminal.progress("  " + std::to_string(i + 1) + "  " + name_of(fitting[i]) + " (" +
                      fitting[i].value("type", "") + ")" +
                      (fitting[i].value("known", false) ? ", yours" : ""));
  }
  const auto answer = Terminal::ask("Which device? Number:");
  const int number = answer ? std::atoi(answer->c_str()) : 0;
  if (number < 1 || static_cast<std::size_t>(number) > fitting.size()) {
    return fail(failure_from("cancelled", "No device was chosen."));
  }
  return fitting[static_cast<std::size_t>(number) - 1];
}

// From where the code comes; each is used once.
class CodeSource {
 public:
  CodeSource(const Terminal& terminal, const CourseOptions& options)
      : terminal_(terminal), options_(options) {}

  Result<std::string> next(const std::string& device, const json& asked) {
    if (!options_.code.empty() || !options_.code_from.empty()) {
      if (used_) {
        return fail(failure_from("wrong_code", "The code didn't match."));
      }
      used_ = true;
      return options_.code.empty() ? from_input() : Result<std::string>(options_.code);
    }
    if (!Terminal::can_ask()) {
      return fail(usage(device + " asks for a code.",
                        "Pass it with --code CODE, or on standard input with --code-from -."));
    }
    const bool digits = asked.value("kind", "") == "digits8";
    terminal_.progress(digits ? device + " shows a code of 8 digits."
                              : "There is a code of 26 characters on " + device +
                                    ", or a link that begins with latchkey:");
    const auto typed = Terminal::ask("Code:");
    if (!typed || typed->empty()) {
      return fail(failure_from("cancelled", "No code was typed."));
    }
    return *typed;
  }

 private:
  static Result<std::string> from_input() {
    std::string code;
    if (!std::getline(std::cin, code) || code.empty()) {
      return fail(usage("No code came on standard input.", "Pass one line with the code."));
    }
    return code;
  }
  const Terminal& terminal_;
  const CourseOptions& options_;
  bool used_ = false;
};

class Course {
 public:
  Course(AgentLink& link, const Terminal& terminal, const CourseOptions& options, json device)
      : link_(link),
        terminal_(terminal),
        codes_(terminal, options),
        wifi_(terminal, options.wifi),
        type_(options.type),
        device_(std::move(device)) {}

  Result<json> run(json begin, const OnName& name) {
    const auto type = type_of_device();
    if (!type) {
      return fail(type.error());
    }
    begin["type"] = *type;
    begin["key"] = device_.value("key", "");
    auto begun = link_.call(wire::kPairBegin, std::move(begin));
    if (!begun) {
      return fail(begun.error());
    }
    session_ = begun->value("session", "");
    while (begun->value("state", "") == "name") {
      const auto chosen = name(*begun);
      if (!chosen) {
        return fail(cancel(chosen.error()));
      }
      begun = link_.call(wire::kPairName, {{"session", session_}, {"name", *chosen}});
      if (!begun) {
        return fail(cancel(begun.error()));
      }
    }
    if (begun->value("state", "") == "code") {
      asked_ = begun->value("code", json::object());
      if (auto sent = send_code(); !sent) {
        return fail(cancel(sent.error()));
      }
    }
    while (true) {
      const auto event = link_.next_event(kStepTime);
      if (!event || !*event) {
        return fail(cancel(event ? failure_from("unreachable", "The device stopped answering.")
                                 : event.error()));
      }
      auto done = on_event(**event);
      if (!done) {
        return fail(done.error());
      }
      if (!done->is_null()) {
        return done;
      }
    }
  }

 private:
  // A device that is found nearby says it only when its code was right, and an address begins with
  // it.
  [[nodiscard]] Result<std::string> type_of_device() const {
    std::string type = device_.value("type", "");
    const bool unsaid = type == kUnknownType && !device_.value("nearby", json()).is_null();
    if (!unsaid) {
      return type;
    }
    type = type_;
    if (type.empty() && Terminal::can_ask()) {
      type = Terminal::ask("What kind of device is it? (such as media-cache)").value_or("");
    }
    if (!is_device_type(type)) {
      return fail(usage("A device that is found nearby does not say what kind it is.",
                        "Say it with --type, such as media-cache."));
    }
    return type;
  }

  Result<void> send_code() {
    const auto code = codes_.next(name_of(device_), asked_);
    if (!code) {
      return fail(code.error());
    }
    const auto sent = link_.call(wire::kPairCode, {{"session", session_}, {"code", *code}});
    if (!sent) {
      return fail(sent.error());
    }
    return {};
  }

  Result<void> send_wifi(bool refused) {
    auto answer = wifi_.next(refused);
    if (!answer) {
      return fail(answer.error());
    }
    (*answer)["session"] = session_;
    if (answer->contains("psk")) {
      terminal_.progress("Joining " + clean_display_name((*answer)["ssid"].get<std::string>()) +
                         "...");
    }
    const auto sent = link_.call(wire::kPairNetwork, *answer);
    if (answer->contains("psk")) {
      wipe_text((*answer)["psk"].get_ref<std::string&>());
    }
    if (!sent && sent.error().code == "bad_request") {
      return fail(usage("That is no password for a Wi-Fi.", "It has 8 to 63 characters, or none."));
    }
    return sent ? Result<void>() : fail(sent.error());
  }

  Failure cancel(Failure why) {
    link_.ignore_interrupts();
    (void)link_.call(wire::kPairCancel, {{"session", session_}});
    return why;
  }

  // Null: not at the end yet.
  Result<json> on_event(const Event& event) {
    if (event.params.value("session", "") != session_) {
      return json();
    }
    if (event.name == wire::kPairProgress && event.params.value("state", "") == "start") {
      const std::string step = event.params.value("step", "");
      terminal_.progress(step == "check"   ? "Checking..."
                         : step == "issue" ? "Getting the device ready..."
                                           : "Trying it out...");
    } else if (event.name == wire::kPairNetworkWanted) {
      if (auto sent = send_wifi(event.params.value("trouble", json()).is_string()); !sent) {
        return fail(cancel(sent.error()));
      }
    } else if (event.name == wire::kPairDone) {
      return event.params;
    } else if (event.name == wire::kPairFailed) {
      const Failure failure =
          failure_from(event.params.value("code", "internal"), event.params.value("message", ""));
      if (!event.params.value("again", false)) {
        return fail(failure);
      }
      const int left = event.params.value("left", 0);
      if (asked_.value("kind", "") == "digits8") {
        asked_["left"] = left;
        terminal_.progress(failure.message + " (" + std::to_string(left) +
                           (left == 1 ? " try left)" : " tries left)"));
      } else {
        terminal_.progress(failure.message);
      }
      if (auto sent = send_code(); !sent) {
        return fail(cancel(sent.error()));
      }
    }
    return json();
  }

  AgentLink& link_;
  const Terminal& terminal_;
  CodeSource codes_;
  WifiSource wifi_;
  const std::string& type_;
  json device_;
  std::string session_;
  json asked_ = json::object();
};

std::string text_at(const json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() && found->is_string()
             ? clean_display_name(found->get<std::string>())
             : std::string();
}

}  // namespace

Result<AgentLink> open_for_pairing(const std::string& socket, const std::string& type,
                                   const std::string& profile) {
  if (!type.empty() && !is_device_type(type)) {
    return fail(usage("\"" + type + "\" is not a type of device.", "Write it like media-cache"));
  }
  std::optional<ProfileId> id;
  if (!profile.empty()) {
    id = ProfileId::parse(profile);
    if (!id) {
      return fail(usage("A profile is 32 hexadecimal digits.", "Leave --profile out."));
    }
  }
  return AgentLink::open(socket, id);
}

Result<json> choose_device(AgentLink& link, const Terminal& terminal,
                           const CourseOptions& options) {
  terminal.progress("Looking for devices in your home...");
  const std::chrono::milliseconds wait(static_cast<long>(options.timeout * 1000));
  std::optional<std::chrono::steady_clock::time_point> first;
  const auto enough = [&](const Surroundings& around) {
    if (!options.device.empty()) {
      return std::any_of(around.devices.begin(), around.devices.end(),
                         [&](const json& device) { return name_of(device) == options.device; });
    }
    if (!around.devices.empty() && !first) {
      first = std::chrono::steady_clock::now();
    }
    return first && std::chrono::steady_clock::now() - *first > kSettle;
  };
  auto around = look_around(link, options.type, options.nearby, wait, enough);
  if (!around) {
    return fail(around.error());
  }
  if (!around->why_not_nearby.empty()) {
    terminal.progress(around->why_not_nearby);
  }
  auto device = choose(terminal, options, *around);
  if (!device) {
    return device;
  }
  if (device->value("warning", json()).is_string()) {
    terminal.progress("Careful: \"" + name_of(*device) +
                      "\" has a name like a device of yours, but it is another one.");
  }
  return device;
}

Result<json> run_course(AgentLink& link, const Terminal& terminal, const CourseOptions& options,
                        const json& device, json begin, const OnName& name) {
  return Course(link, terminal, options, device).run(std::move(begin), name);
}

std::string standing_of(const json& made) {
  const json device = made.value("device", json::object());
  const json site = made.value("site", json());
  const std::string state = text_at(device, "standing");
  if (state.empty() || state == "none") {
    return {};
  }
  const std::string make = state == "proven"
                               ? "The device is a proven " + text_at(device, "maker") + " " +
                                     text_at(device, "model") + "."
                               : "The device has not proven what it is.";
  return make + (text_at(site, "state") == "known"
                     ? " The web service is registered with " + text_at(site, "provider") + "."
                     : " The web service is not registered.");
}

}  // namespace latchkey::cli
