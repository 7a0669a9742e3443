#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent_link.h"
#include "base/host_name.h"
#include "base/origin.h"
#include "base/text.h"
#include "commands.h"
#include "look_around.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kStepTime = std::chrono::seconds(60);
// Found one; others may be about to answer.
constexpr std::chrono::milliseconds kSettle{1500};

// "https://video.example/watch" means the web service there.
std::optional<Origin> origin_from(std::string text) {
  const auto scheme = text.find("://");
  if (scheme == std::string::npos) {
    text = "https://" + text;
  }
  const auto path = text.find_first_of("/?#", text.find("://") + 3);
  if (path != std::string::npos) {
    text.resize(path);
  }
  return Origin::parse(text);
}

Result<json> choose(const Terminal& terminal, const GrantOptions& options,
                    const Surroundings& around) {
  std::vector<json> fitting;
  for (const json& device : around.devices) {
    if (options.device.empty() || name_of(device) == options.device) {
      fitting.push_back(device);
    }
  }
  if (fitting.empty()) {
    const std::string what = options.device.empty() ? "No device" : "\"" + options.device + "\"";
    return fail(failure_from("unreachable", what + " was found in this network."));
  }
  if (fitting.size() == 1) {
    return fitting.front();
  }
  if (!Terminal::can_ask()) {
    return fail(usage("There is more than one device.",
                      "Say which with --device NAME; `latchkey devices` lists them."));
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
  CodeSource(const Terminal& terminal, const GrantOptions& options)
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
  const GrantOptions& options_;
  bool used_ = false;
};

class Course {
 public:
  Course(AgentLink& link, const Terminal& terminal, const GrantOptions& options, json device)
      : link_(link), terminal_(terminal), codes_(terminal, options), device_(std::move(device)) {}

  Result<json> run(const Origin& origin) {
    auto begun = link_.call(wire::kPairBegin, {{"origin", origin.text()},
                                               {"type", device_.value("type", "")},
                                               {"key", device_.value("key", "")}});
    if (!begun) {
      return fail(begun.error());
    }
    session_ = begun->value("session", "");
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
  json device_;
  std::string session_;
  json asked_ = json::object();
};

Result<json> run(const Common& common, const Terminal& terminal, const GrantOptions& options) {
  const auto origin = origin_from(options.origin);
  if (!origin) {
    return fail(usage("\"" + options.origin + "\" is not the address of a web service.",
                      "Write it like https://video.example"));
  }
  if (!options.type.empty() && !is_device_type(options.type)) {
    return fail(
        usage("\"" + options.type + "\" is not a type of device.", "Write it like media-cache"));
  }
  std::optional<ProfileId> profile;
  if (!options.profile.empty()) {
    profile = ProfileId::parse(options.profile);
    if (!profile) {
      return fail(usage("A profile is 32 hexadecimal digits.", "Leave --profile out."));
    }
  }
  auto link = AgentLink::open(common.socket, profile);
  if (!link) {
    return fail(link.error());
  }
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
  auto around = look_around(*link, options.type, wait, enough);
  if (!around) {
    return fail(around.error());
  }
  auto device = choose(terminal, options, *around);
  if (!device) {
    return device;
  }
  if (device->value("warning", json()).is_string()) {
    terminal.progress("Careful: \"" + name_of(*device) +
                      "\" has a name like a device of yours, but it is another one.");
  }
  return Course(*link, terminal, options, *std::move(device)).run(*origin);
}

std::string text_at(const json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() && found->is_string()
             ? clean_display_name(found->get<std::string>())
             : std::string();
}

// What providers say of both; nothing where there is none.
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

}  // namespace

int grant(const Common& common, const Terminal& terminal, const GrantOptions& options) {
  const auto done = run(common, terminal, options);
  if (!done) {
    return terminal.end(done.error());
  }
  const json made = done->value("grant", json::object());
  const json warnings = done->value("warnings", json::array());
  if (terminal.json()) {
    terminal.document({{"grant", made}, {"warnings", warnings}});
    return 0;
  }
  for (const json& warning : warnings) {
    terminal.progress(warning.get<std::string>());
  }
  if (const std::string standing = standing_of(made); !standing.empty()) {
    terminal.progress(standing);
  }
  terminal.progress(made.value("origin", "") + " may use " +
                    clean_display_name(made["device"].value("name", "")) + " now:");
  terminal.line(made.value("url", ""));
  return 0;
}

}  // namespace latchkey::cli
