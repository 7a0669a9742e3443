#include <nlohmann/json.hpp>

#include "agent_link.h"
#include "commands.h"
#include "look_around.h"

namespace latchkey::cli {

using nlohmann::json;

int devices(const Common& common, const Terminal& terminal, const DevicesOptions& options) {
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    return terminal.end(link.error());
  }
  terminal.progress("Looking for devices in your home...");
  const std::chrono::milliseconds wait(static_cast<long>(options.timeout * 1000));
  const auto around = look_around(*link, options.type, options.nearby, wait,
                                  [](const Surroundings&) { return false; });
  if (!around) {
    return terminal.end(around.error());
  }
  if (!around->why_not_nearby.empty()) {
    terminal.progress(around->why_not_nearby);
  }
  if (!around->network && around->devices.empty() && !options.nearby) {
    return terminal.end({Exit::kUnreachable, "unreachable",
                         "This computer cannot look for devices now. " + around->why,
                         "Connect to your home network, then run `latchkey doctor`."});
  }
  if (terminal.json()) {
    terminal.document({{"devices", around->devices}});
    return 0;
  }
  if (around->devices.empty()) {
    terminal.line(options.nearby
                      ? "No device was found. Is it on, and in this network or waiting for a code?"
                      : "No device was found. Check that it is on and in this network.");
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json& device : around->devices) {
    std::string note = device.value("known", false) ? "yours" : "";
    if (device.value("warning", json()).is_string()) {
      note = "new, but named like a device of yours";
    } else if (note.empty()) {
      note = device.value("window_open", false) ? "new, waiting for a code" : "new";
    }
    rows.push_back({name_of(device), device.value("type", ""), note});
  }
  terminal.table({"DEVICE", "TYPE", "STATE"}, rows);
  return 0;
}

}  // namespace latchkey::cli
