#include "wifi.h"

#include "passphrase.h"
#include "wire/network_messages.h"

namespace latchkey::cli {

using nlohmann::json;

Result<json> WifiSource::next(bool refused) {
  const json none = {{"ssid", nullptr}};
  if (refused && !options_.name.empty()) {
    return fail(Failure{Exit::kFailed, "refused", "The device couldn't join that Wi-Fi.",
                        "Check the name and the password and run the command again."});
  }
  if (refused) {
    terminal_.progress("The device couldn't join that Wi-Fi. Check the name and the password.");
  }
  std::string name = options_.name;
  if (name.empty() && Terminal::can_ask()) {
    const auto typed = Terminal::ask(
        "Which Wi-Fi should the device use? (Enter: none, it is on the network otherwise)");
    if (!typed) {
      return fail(failure_from("cancelled", "Stopped."));
    }
    name = *typed;
  } else if (name.empty()) {
    terminal_.progress("The device asks for a Wi-Fi. It can be told one with --wifi NAME.");
  }
  if (name.empty()) {
    return none;
  }
  if (name.size() > wire::kMaxSsid) {
    return fail(usage("The name of a Wi-Fi has 32 bytes at most.", "Is it spelled rightly?"));
  }
  auto password =
      read_secret(options_.password_fd, "Its password (Enter: none):", "--wifi-password-fd");
  if (!password) {
    return fail(password.error());
  }
  json answer = {{"ssid", name}, {"psk", *password}};
  wipe_text(*password);
  return answer;
}

}  // namespace latchkey::cli
