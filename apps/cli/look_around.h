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
  std::vector<nlohmann::json> devices;  // in the order they were found
  bool network = true;
  std::string why;  // where there is no network
};

// Looks for `wait`, or until `enough` says so. Discovery goes on afterwards, so that the devices'
// keys stay valid.
Result<Surroundings> look_around(AgentLink& link, const std::string& type,
                                 std::chrono::milliseconds wait,
                                 const std::function<bool(const Surroundings&)>& enough);

// The device's name, as it stands in tables.
std::string name_of(const nlohmann::json& device);

}  // namespace latchkey::cli
