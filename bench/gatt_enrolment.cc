// Enrolment over Bluetooth LE with the real machines on a simulated radio, in simulated time: a
// connection event every 30 ms, an ATT MTU of 185. Prints bytes each way, round trips and seconds,
// and fails above the budget. What the machines compute is measured and added.
#include "support/gatt_enrolment.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <string>

namespace {

using latchkey::testing::GattHouse;
using latchkey::testing::GattWire;

constexpr std::chrono::milliseconds kInterval{30};
constexpr double kBudget = 3.0;

struct Measured {
  std::size_t mtu = 0;
  std::size_t per_event = 0;
  std::size_t bytes_to_device = 0;
  std::size_t bytes_from_device = 0;
  int values = 0;
  int turns = 0;  // times the direction of the conversation changed
  int events = 0;
  double air = 0;      // seconds
  double compute = 0;  // seconds
};

// `per_event`: values that one connection event carries each way. Many radios do six, the slowest
// one.
Measured measure(std::size_t mtu, std::size_t per_event) {
  using clock = std::chrono::steady_clock;
  GattHouse house;
  GattWire wire;
  Measured out{.mtu = mtu, .per_event = per_event};
  std::size_t last = 2;
  wire.tamper = [&](GattWire::Side from, const latchkey::Bytes& value) {
    if (value[0] < 0x80 && from != last) {
      out.turns += last == 2 ? 0 : 1;
      last = from;
    }
  };
  const auto before = clock::now();
  // GattWire lets values arrive at once; here they wait for the next event, and the other end's
  // answer for the one after it.
  wire.pace = [&](latchkey::MonoTime now) {
    ++out.events;
    return now + kInterval;
  };
  wire.per_event = per_event;
  const auto begin = wire.now;
  const auto outcome = house.run(wire, mtu, mtu);
  out.compute = std::chrono::duration<double>(clock::now() - before).count();
  if (!outcome.enrolled) {
    std::fprintf(stderr, "the enrolment failed\n");
    std::exit(1);
  }
  out.air = std::chrono::duration<double>(outcome.enrolled_at - begin).count();
  out.bytes_to_device = wire.bytes[GattWire::kCentral];
  out.bytes_from_device = wire.bytes[GattWire::kPeripheral];
  out.values = wire.values;
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  std::string file;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with("--benchmark_out=")) {
      file = word.substr(std::string("--benchmark_out=").size());
    }
  }
  std::string json = "{\"benchmarks\": [";
  bool fast = true;
  std::printf("Enrolment over GATT, a connection event every 30 ms (simulated):\n");
  std::printf("%5s %10s %10s %12s %7s %6s %8s %9s\n", "MTU", "per event", "to device",
              "from device", "values", "turns", "on air", "computing");
  for (const auto& [mtu, per_event] :
       {std::pair<std::size_t, std::size_t>{185, 1}, {185, 6}, {23, 1}, {23, 6}, {517, 1}}) {
    const Measured m = measure(mtu, per_event);
    std::printf("%5zu %10zu %8zu B %10zu B %7d %6d %6.2f s %7.2f s\n", m.mtu, m.per_event,
                m.bytes_to_device, m.bytes_from_device, m.values, m.turns, m.air, m.compute);
    json += std::string(json.back() == '[' ? "" : ", ") +
            "{\"name\": \"gatt_enrolment/mtu:" + std::to_string(mtu) +
            "/per_event:" + std::to_string(per_event) +
            "\", \"to_device\": " + std::to_string(m.bytes_to_device) +
            ", \"from_device\": " + std::to_string(m.bytes_from_device) +
            ", \"values\": " + std::to_string(m.values) +
            ", \"turns\": " + std::to_string(m.turns) +
            ", \"seconds\": " + std::to_string(m.air + m.compute) + "}";
    fast = fast && (mtu != 185 || m.air + m.compute <= kBudget);
  }
  json += "]}\n";
  if (!file.empty()) {
    std::ofstream(file) << json;
  }
  std::printf("Budget at MTU 185: %.1f s: %s\n", kBudget, fast ? "kept" : "EXCEEDED");
  return fast ? 0 : 1;
}
