// What a browser's window asks of the agent about a device nearby: to speak to it over a Bluetooth
// link that the window carries, and to tell it a network (docs/protocol.md section 10).
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "wire/network_messages.h"

namespace latchkey::agent {

// The longest value GATT has.
inline constexpr std::size_t kMaxNearbyValue = 512;

// The window is connected. `link`: again, to what was opened before.
struct NearbyOpen {
  std::optional<std::string> link;
  ByteArray<12> rid{};
};
// A value came from the device.
struct NearbyValue {
  std::string link;
  Bytes value;
};
// The device has taken one value of `nearby.send`.
struct NearbyTaken {
  std::string link;
};
// The connection is gone; `nearby.connect` asks for another.
struct NearbyLost {
  std::string link;
};
struct NearbyClose {
  std::string link;
};
// The answer to `pair.network_wanted`.
struct PairNetwork {
  std::string session;
  std::optional<wire::NetworkCredentials> wifi;  // sound; nothing: the device gets none
};

std::optional<NearbyOpen> read_nearby_open(const nlohmann::json& params);
std::optional<NearbyValue> read_nearby_value(const nlohmann::json& params);
std::optional<NearbyTaken> read_nearby_taken(const nlohmann::json& params);
std::optional<NearbyLost> read_nearby_lost(const nlohmann::json& params);
std::optional<NearbyClose> read_nearby_close(const nlohmann::json& params);
std::optional<PairNetwork> read_pair_network(const nlohmann::json& params);

}  // namespace latchkey::agent
