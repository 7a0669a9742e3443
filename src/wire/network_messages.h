// Which wireless network a device is to join (docs/protocol.md section 4): said inside the sealed
// channel of a pairing over Bluetooth, after the code was proved and before the offer.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "wire/messages.h"

namespace latchkey::wire {

inline constexpr std::size_t kMaxSsid = 32;
inline constexpr std::size_t kMaxPsk = 64;

struct NetworkCredentials {
  Bytes ssid;       // 1..32 bytes, whatever they are
  SecretBytes psk;  // empty: an open network; else 8..63 printable ASCII, or 64 hex digits
  [[nodiscard]] NetworkCredentials clone() const { return {ssid, psk.clone()}; }
};
// Whether they are as above. So neither has a line break: hooks read lines.
bool are_sound(const NetworkCredentials& credentials);

enum class NetworkState {
  kJoined,
  kFailed,
  kWrongPassword,
  kNotFound,     // no such network in reach
  kUnsupported,  // this device cannot be told
  kWanted,       // it can; the answer to a query, and to nothing else
};
std::string_view name_of(NetworkState state);  // "joined", "wrong_password"

struct NetworkReply {
  NetworkState state = NetworkState::kFailed;
};

SecretBytes encode(const NetworkCredentials& credentials);  // are_sound()
Bytes encode(const NetworkReply& reply);
// Whether the device can be told a network. It then waits for a person to type one.
Bytes encode_network_query();
bool is_network_query(ByteSpan bytes);

// Nothing where it is a message of another type; kMalformed where it is none, or not sound.
Result<std::optional<NetworkCredentials>> read_network(ByteSpan bytes);
template <>
Result<NetworkReply> decode<NetworkReply>(ByteSpan bytes);

}  // namespace latchkey::wire
