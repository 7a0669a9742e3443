// What a device and the program that drives its radio say to each other over the radio's socket:
// kinds and limits of the messages in docs/bluetooth.md. Numbers are big-endian.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace latchkey::gatt::radio {

enum Kind : std::uint8_t {
  // To the program.
  kAdvertise = 1,
  kValue = 2,
  kHangUp = 3,
  // From it.
  kConnected = 17,
  kValueCame = 18,
  kDisconnected = 19,
  kTaken = 20,
};

// A kind, a central and a value. A value may be longer than is right: that is judged by the link.
inline constexpr std::size_t kMaxMessage = 1 + 2 + 1024;
// For how long an end may leave what it is sent unread.
inline constexpr std::chrono::milliseconds kStall = std::chrono::seconds(30);

inline std::uint16_t number(ByteSpan two) {
  return static_cast<std::uint16_t>((two[0] << 8U) | two[1]);
}
inline Bytes two_bytes(std::size_t value) {
  return {static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value)};
}

}  // namespace latchkey::gatt::radio
