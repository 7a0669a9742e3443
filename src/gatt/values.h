// What travels as characteristic values (docs/protocol.md section 13): one header byte and a body.
// Header 0..127: a piece of the byte stream, numbered modulo 128. Header 128 and up: control.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

#include "base/bytes.h"

namespace latchkey::gatt {

inline constexpr std::size_t kMinMtu = 23;
inline constexpr std::size_t kMaxMtu = 517;
// The longest value that a connection of this ATT MTU carries: 3 bytes are ATT's own, and no value
// of a characteristic is longer than 512 bytes (Bluetooth Core 5.4, Vol 3, Part F, 3.2.9).
inline constexpr std::size_t kMaxValue = 512;
inline constexpr std::size_t kMinValue = kMinMtu - 3;
constexpr std::size_t value_size(std::size_t mtu) {
  const std::size_t size = (mtu < kMinMtu ? kMinMtu : mtu) - 3;
  return size > kMaxValue ? kMaxValue : size;
}

inline constexpr std::uint8_t kVersion = 1;
// Pieces under way at once, at most: less than half of the numbers, so that an old number is never
// taken for a new one.
inline constexpr std::size_t kWindow = 32;

// Random, made by the central for one session; the same again to go on with it.
using SessionId = ByteArray<8>;

// The first value of a connection, from the central, and the answer to it.
struct Greeting {
  SessionId session{};
  std::uint32_t received = 0;  // bytes of the stream that this end has, of the whole session
  std::uint16_t size = 0;      // longest value this end's connection carries; 0: it does not know
  std::uint8_t credit = 0;     // pieces it takes, at most kWindow
  friend bool operator==(const Greeting&, const Greeting&) = default;
};

enum class EndReason : std::uint8_t {
  kDone = 0,            // everything was said
  kMalformed = 1,       // a value that is none, or that does not belong here
  kLimit = 2,           // more than is taken
  kUnknownSession = 3,  // there is none to go on with, or it stands elsewhere
  kTimeout = 4,         // the other end does not answer
  kUnsupported = 5,     // another version
  kRefused = 6,         // not now: the window is closed, or somebody else is served
  kCancelled = 7,
  kLost = 255,  // never sent: the connection went away and did not come back in time
};

struct Hello {
  Greeting greeting;
};
struct Welcome {
  Greeting greeting;
};
struct Piece {
  std::uint8_t number = 0;  // 0..127
  ByteSpan bytes;           // at least one
};
// "I have everything before `next`, and take `credit` pieces from there on." `again`: and something
// is missing: send from `next` on once more.
struct Ack {
  bool again = false;
  std::uint8_t next = 0;
  std::uint8_t credit = 0;
};
// "I have sent everything before `next`: what have you got?"
struct Ask {
  std::uint8_t next = 0;
};
struct End {
  EndReason reason = EndReason::kDone;
};
struct OtherVersion {};

using Value = std::variant<Hello, Welcome, Piece, Ack, Ask, End, OtherVersion>;

// Nothing for what is no value: empty, over kMaxValue, an unknown header, a body of another length,
// a field out of its range. A Piece refers to `bytes`.
std::optional<Value> read_value(ByteSpan bytes);

Bytes write_hello(const Greeting& greeting);
Bytes write_welcome(const Greeting& greeting);
Bytes write_piece(std::uint8_t number, ByteSpan bytes);
Bytes write_ack(const Ack& ack);
Bytes write_ask(std::uint8_t next);
Bytes write_end(EndReason reason);

}  // namespace latchkey::gatt
