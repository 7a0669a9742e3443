#include "device/commands.h"

#include <qrencode.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <ctime>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "device/control.h"
#include "device/options.h"
#include "device/reset.h"
#include "device/store_door.h"
#include "net/local_message.h"
#include "net/task.h"

namespace latchkey::device {

namespace {

using nlohmann::json;

constexpr std::chrono::seconds kPatience{15};
constexpr std::chrono::seconds kErasing{3600};  // large folders

// The result, or the error document.
using Asked = Result<json, ControlError>;

int exit_code(const ControlError& error) {
  return error.code == "unreachable" ? kNotReachable : kFailed;
}

int complain(const CommandOptions& options, const ControlError& error) {
  if (options.json) {
    std::cout << to_json(error).dump() << '\n';
  } else {
    std::cerr << error.message << '\n' << error.hint << '\n';
  }
  return exit_code(error);
}

ControlError nobody(const CommandOptions& options) {
  return {"unreachable", "No device runs with the state in " + options.state.string() + ".",
          "Start it with: latchkey-device run, or name its folder with --state."};
}

net::OwnedFd connect_control(const std::filesystem::path& state, std::chrono::seconds patience) {
  const std::string path = (state / kControlSocket).string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return {};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  net::OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
  if (!fd.is_open() || ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return {};
  }
  return fd;
}

Asked ask(const CommandOptions& options, const json& request,
          std::chrono::seconds patience = kPatience) {
  const net::OwnedFd fd = connect_control(options.state, patience);
  if (!fd.is_open()) {
    return fail(nobody(options));
  }
  if (!net::write_local_message(fd.get(), request.dump())) {
    return fail(nobody(options));
  }
  const auto text = net::read_local_message(fd.get());
  const json answer = text ? json::parse(*text, nullptr, false) : json();
  if (!answer.is_object()) {
    return fail(nobody(options));
  }
  if (answer.contains("error")) {
    const json& error = answer["error"];
    return fail(ControlError{error.value("code", "internal"), error.value("message", ""),
                             error.value("hint", "")});
  }
  return answer.value("result", json::object());
}

// Two rows of modules to a line of text, dark on light whatever the terminal's colours are.
void print_qr(const std::string& text) {
  const std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
      QRcode_encodeString8bit(text.c_str(), 0, QR_ECLEVEL_M), &QRcode_free);
  if (!code) {
    return;
  }
  const int width = code->width;
  const auto dark = [&code, width](int x, int y) {
    return x >= 0 && y >= 0 && x < width && y < width &&
           (code->data[static_cast<std::size_t>(y * width + x)] & 1U) != 0;
  };
  for (int y = -2; y < width + 2; y += 2) {
    std::cout << "\033[30;107m";
    for (int x = -2; x < width + 2; ++x) {
      const bool top = dark(x, y);
      const bool bottom = dark(x, y + 1);
      std::cout << (top && bottom ? "\u2588" : top ? "\u2580" : bottom ? "\u2584" : " ");
    }
    std::cout << "\033[0m\n";
  }
}

std::string clock_text(std::int64_t unix_seconds) {
  const std::time_t time = unix_seconds;
  std::tm parts{};
  localtime_r(&time, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%H:%M", &parts);
  return text.data();
}

std::string date_text(std::int64_t unix_seconds) {
  if (unix_seconds <= 0) {
    return "never";
  }
  const std::time_t time = unix_seconds;
  std::tm parts{};
  localtime_r(&time, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &parts);
  return text.data();
}

int report(const CommandOptions& options, const Asked& result, const std::string& done) {
  if (!result) {
    return complain(options, result.error());
  }
  std::cout << (options.json ? result->dump() : done) << '\n';
  return kDone;
}

void print_records(const json& records) {
  const std::string sealed = records.value("sealed", "");
  std::cout << "Records: "
            << (sealed == kKeyFileKind ? "sealed with a key file"
                : sealed == kTokenKind ? "sealed with a key in a token"
                                       : "protected by file permissions alone")
            << (records.value("witness", "") == "failed"
                    ? "; whether they are the newest cannot be written down: check the disk\n"
                    : "\n");
}

void print_status(const json& status) {
  const json& window = status.at("window");
  std::cout << status.at("name").get<std::string>() << " (" << status.at("type").get<std::string>()
            << "), port " << status.at("port") << '\n';
  if (window.at("open").get<bool>()) {
    std::cout << "Pairing: open for another " << window.at("seconds_left") << " seconds\n";
  } else if (window.at("wait_seconds").get<int>() > 0) {
    std::cout << "Pairing: closed; can be opened again in " << window.at("wait_seconds")
              << " seconds\n";
  } else {
    std::cout << "Pairing: closed\n";
  }
  print_records(status.value("records", json::object()));
  for (const json& agent : status.at("agents")) {
    std::cout << "Person " << agent.at("person") << " (" << agent.at("id").get<std::string>()
              << "), since " << date_text(agent.at("since")) << ", seen "
              << date_text(agent.at("last_seen")) << '\n';
    for (const json& grant : status.at("grants")) {
      if (grant.at("agent") == agent.at("id")) {
        std::cout << "  " << grant.at("host").get<std::string>() << "  "
                  << (grant.at("origin").is_null() ? "opened directly"
                                                   : grant.at("origin").get<std::string>())
                  << "  " << grant.at("state").get<std::string>() << '\n';
        if (grant.at("sso").is_object()) {
          std::cout << "    signs in with " << grant["sso"].value("issuer", "") << '\n';
        }
      }
    }
  }
  if (status.at("agents").empty()) {
    std::cout << "Nobody is paired yet. Let somebody in with: latchkey-device open-window\n";
  }
}

std::string what_happened(const json& event) {
  const std::string kind = event.at("kind").get<std::string>();
  const std::string detail = event.at("detail").get<std::string>();
  static const std::map<std::string, std::string> kTexts = {
      {"paired", "joined with a code"},         {"granted", "allowed a service"},
      {"suspended", "paused a service"},        {"resumed", "resumed a service"},
      {"deleted", "removed a service"},         {"agent_left", "gave up the access"},
      {"agent_removed", "was removed here"},    {"window_opened", "had a code shown"},
      {"wrong_code", "a wrong code was tried"},
  };
  const auto text = kTexts.find(kind);
  return (text == kTexts.end() ? kind : text->second) + (detail.empty() ? "" : ": " + detail);
}

// Whether a device has ever lived here.
bool is_device_state(const std::filesystem::path& state) {
  std::error_code ignored;
  return is_reset_pending(state) || std::filesystem::exists(std::filesystem::symlink_status(
                                        state / store::DeviceStore::kFile, ignored));
}

// Where no device runs.
ResetResult reset_at_rest(const std::filesystem::path& state, const SealOptions& seal) {
  net::SystemRandom random;
  const auto plan = read_plan(state);
  if (!plan) {
    return fail(plan.error());
  }
  // A store that cannot be opened goes as well as one that can; one that is in use does not.
  StoreDoor door(random, state, seal);
  auto store = door.open();
  if (!store && (store.error().kind == StoreTrouble::Kind::kBusy ||
                 store.error().kind == StoreTrouble::Kind::kOptions)) {
    return fail(without_dot(store.error().message));
  }
  auto done = begin_reset(state, *plan);
  if (done) {
    done = erase_content(*plan);
  }
  if (done) {
    done = store ? erase_store(**store, random) : discard_store(state, door);
  }
  if (done && store) {
    done = accept_store(**store, door);
  }
  return done ? end_reset(state) : done;
}

}  // namespace

int audit(const CommandOptions& options, int lines) {
  const auto result = ask(options, {{"command", "audit"}, {"limit", lines}});
  if (!result || options.json) {
    return report(options, result, {});
  }
  for (const json& event : result->at("events")) {
    const std::string who =
        event.at("person").is_null() ? "" : "Person " + event.at("person").dump();
    std::cout << date_text(event.at("time")) << "  " << who
              << std::string(who.size() < 11 ? 11 - who.size() : 1, ' ') << what_happened(event)
              << '\n';
  }
  if (result->at("events").empty()) {
    std::cout << "Nothing has happened yet.\n";
  }
  return kDone;
}

int open_window(const CommandOptions& options, bool key128, int minutes) {
  const auto result =
      ask(options, {{"command", "open-window"}, {"key128", key128}, {"minutes", minutes}});
  if (!result) {
    return complain(options, result.error());
  }
  if (options.json) {
    json shown = *result;
    shown.erase("display");
    shown.erase("name");
    std::cout << shown.dump() << '\n';
    return kDone;
  }
  std::cout << "Code for " << result->at("name").get<std::string>() << ":\n\n    "
            << result->at("display").get<std::string>() << "\n\n";
  if (result->at("qr").is_string()) {
    print_qr(result->at("qr").get<std::string>());
    std::cout << '\n' << result->at("qr").get<std::string>() << "\n\n";
  }
  std::cout << "Type it in the Latchkey window. It works until "
            << clock_text(result->at("expires").get<std::int64_t>()) << ".\n";
  return kDone;
}

int close_window(const CommandOptions& options) {
  return report(options, ask(options, {{"command", "close-window"}}), "Pairing is closed.");
}

int status(const CommandOptions& options) {
  const auto result = ask(options, {{"command", "status"}});
  if (!result || options.json) {
    return report(options, result, {});
  }
  print_status(*result);
  return kDone;
}

int remove_agent(const CommandOptions& options, const std::string& id) {
  return report(options, ask(options, {{"command", "remove-agent"}, {"id", id}}),
                "Removed. All its permissions have ended.");
}

int factory_reset(const CommandOptions& options, const SealOptions& seal, bool yes) {
  if (!yes) {
    const ControlError error{"malformed", "This forgets everybody: keys, permissions, sessions.",
                             "If that is what you want, run: latchkey-device factory-reset --yes"};
    (void)complain(options, error);
    return kMisused;
  }
  const std::string done = "Done. The device is as new; everybody has to pair again.";
  auto result = ask(options, {{"command", "factory-reset"}}, kErasing);
  if (result || result.error().code != "unreachable" || !is_device_state(options.state)) {
    const bool named = result && result->contains("name_stays");
    return report(options, result,
                  named ? done + "\nIts name, " + result->value("name_stays", "") +
                              ", comes from its configuration; that is yours to change."
                        : done);
  }
  if (const auto reset = reset_at_rest(options.state, seal); !reset) {
    return complain(options, {"internal", "The reset did not go through: " + reset.error() + ".",
                              is_reset_pending(options.state)
                                  ? "It has begun, so the device serves nobody until it is done: "
                                    "mend that and run this again."
                                  : "Nothing has changed. Mend that and run this again."});
  }
  return report(options, json::object(), done);
}

}  // namespace latchkey::device
