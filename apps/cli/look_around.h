// Devices as the agent finds them, gathered for a while.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent_link.h"

namespace latchkey::cli {

struct Surroundings {
  std::vector<nlohmann::json> devices;  // sorted by nearness
  bool network = true;
  std::string why;             // where there is no network
  std::string why_not_nearby;  // where Bluetooth was asked for, and cannot be used
};

// Looks for `wait`, or until `enough` says so. Discovery goes on afterwards, so that the devices'
// keys stay valid.
// `nearby`: by this computer's Bluetooth, too.
Result<Surroundings> look_around(AgentLink& link, const std::string& type, bool nearby,
                                 std::chrono::milliseconds wait,
                                 const std::function<bool(const Surroundings&)>& enough);

// The device's name, as it stands in tables.
std::string name_of(const nlohmann::json& device);

}  // namespace latchkey::cli
