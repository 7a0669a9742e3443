#include "nearness.h"

#include <algorithm>
#include <limits>

namespace latchkey::cli {
namespace {

using nlohmann::json;

// The smaller the nearer.
int rank(const json& device) {
  const json signal = device.value("signal", json());
  if (signal.is_number_integer()) {
    return -std::clamp(signal.get<int>(), 0, 4);
  }
  return device.value("nearby", json()).is_null() ? std::numeric_limits<int>::min() : 1;
}

}  // namespace

void sort_by_nearness(std::vector<json>& devices) {
  std::ranges::stable_sort(devices, {}, rank);
}

}  // namespace latchkey::cli
