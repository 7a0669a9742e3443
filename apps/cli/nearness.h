// In which order devices are listed.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

namespace latchkey::cli {

// First those in the network, as they were found; then those seen by Bluetooth, the strongest
// signal first. The order says nothing of who they are: anybody may send strongly.
void sort_by_nearness(std::vector<nlohmann::json>& devices);

}  // namespace latchkey::cli
