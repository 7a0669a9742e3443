#include "look_around.h"

#include <algorithm>

#include "nearness.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;

void take(Surroundings& around, const Event& event) {
  if (event.name == wire::kDiscoverState && event.params.contains("nearby")) {
    around.why_not_nearby = event.params.value("message", "");
    return;
  }
  if (event.name == wire::kDiscoverState) {
    around.network = event.params.value("network", "") == "looking";
    around.why = event.params.value("message", "");
    return;
  }
  const bool found = event.name == wire::kDiscoverFound;
  if (!found && event.name != wire::kDiscoverLost) {
    return;
  }
  const json device = found ? event.params.value("device", json::object()) : json::object();
  const json key = found ? device.value("key", json()) : event.params.value("key", json());
  const auto same = std::find_if(around.devices.begin(), around.devices.end(),
                                 [&](const json& one) { return one.value("key", json()) == key; });
  if (!found) {
    if (same != around.devices.end()) {
      around.devices.erase(same);
    }
  } else if (same != around.devices.end()) {
    *same = device;
  } else {
    around.devices.push_back(device);
  }
}

}  // namespace

Result<Surroundings> look_around(AgentLink& link, const std::string& type, bool nearby,
                                 std::chrono::milliseconds wait,
                                 const std::function<bool(const Surroundings&)>& enough) {
  json start = json::object();
  if (!type.empty()) {
    start["type"] = type;
  }
  if (nearby) {
    start["nearby"] = true;
  }
  const auto started = link.call(wire::kDiscoverStart, std::move(start));
  if (!started) {
    return fail(started.error());
  }
  Surroundings around;
  const auto until = std::chrono::steady_clock::now() + wait;
  while (!enough(around)) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      break;
    }
    const auto event = link.next_event(left);
    if (!event) {
      return fail(event.error());
    }
    if (!*event) {
      break;
    }
    take(around, **event);
  }
  sort_by_nearness(around.devices);
  return around;
}

std::string name_of(const json& device) {
  const std::string name = device.value("name", "?");
  return name.empty() ? "A device nearby" : name;
}

}  // namespace latchkey::cli
