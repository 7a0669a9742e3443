#include "gatt/values.h"

#include <algorithm>

namespace latchkey::gatt {
namespace {

constexpr std::uint8_t kHello = 0x80;
constexpr std::uint8_t kWelcome = 0x81;
constexpr std::uint8_t kAck = 0x82;
constexpr std::uint8_t kAgain = 0x83;
constexpr std::uint8_t kAsk = 0x84;
constexpr std::uint8_t kEnd = 0x85;
constexpr std::uint8_t kNumbers = 0x80;

constexpr std::size_t kGreetingSize = 1 + 1 + 8 + 4 + 2 + 1;
static_assert(kGreetingSize <= kMinValue);

std::uint32_t read_number(ByteSpan bytes) {
  std::uint32_t number = 0;
  for (const std::uint8_t byte : bytes) {
    number = (number << 8U) | byte;
  }
  return number;
}

std::optional<Greeting> read_greeting(ByteSpan bytes) {
  Greeting greeting;
  std::ranges::copy(bytes.subspan(2, greeting.session.size()), greeting.session.begin());
  greeting.received = read_number(bytes.subspan(10, 4));
  greeting.size = static_cast<std::uint16_t>(read_number(bytes.subspan(14, 2)));
  greeting.credit = bytes[16];
  const bool size_is_right =
      greeting.size == 0 || (greeting.size >= kMinValue && greeting.size <= kMaxValue);
  if (!size_is_right || greeting.credit > kWindow) {
    return std::nullopt;
  }
  return greeting;
}

Bytes write_greeting(std::uint8_t header, const Greeting& greeting) {
  Bytes out{header, kVersion};
  append(out, greeting.session);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    out.push_back(static_cast<std::uint8_t>(greeting.received >> shift));
  }
  out.push_back(static_cast<std::uint8_t>(greeting.size >> 8U));
  out.push_back(static_cast<std::uint8_t>(greeting.size));
  out.push_back(greeting.credit);
  return out;
}

std::optional<Value> read_control(ByteSpan bytes) {
  const std::uint8_t header = bytes[0];
  switch (header) {
    case kHello:
    case kWelcome: {
      // What another version puts behind its number is its own business.
      if (bytes.size() >= 2 && bytes[1] != kVersion) {
        return OtherVersion{};
      }
      const auto greeting =
          bytes.size() == kGreetingSize ? read_greeting(bytes) : std::optional<Greeting>();
      if (!greeting) {
        return std::nullopt;
      }
      return header == kHello ? Value(Hello{*greeting}) : Value(Welcome{*greeting});
    }
    case kAck:
    case kAgain:
      if (bytes.size() != 3 || bytes[1] >= kNumbers || bytes[2] > kWindow) {
        return std::nullopt;
      }
      return Ack{header == kAgain, bytes[1], bytes[2]};
    case kAsk:
      if (bytes.size() != 2 || bytes[1] >= kNumbers) {
        return std::nullopt;
      }
      return Ask{bytes[1]};
    case kEnd:
      if (bytes.size() != 2 || bytes[1] > static_cast<std::uint8_t>(EndReason::kCancelled)) {
        return std::nullopt;
      }
      return End{static_cast<EndReason>(bytes[1])};
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<Value> read_value(ByteSpan bytes) {
  if (bytes.empty() || bytes.size() > kMaxValue) {
    return std::nullopt;
  }
  if (bytes[0] >= kNumbers) {
    return read_control(bytes);
  }
  if (bytes.size() == 1) {
    return std::nullopt;
  }
  return Piece{bytes[0], bytes.subspan(1)};
}

Bytes write_hello(const Greeting& greeting) {
  return write_greeting(kHello, greeting);
}

Bytes write_welcome(const Greeting& greeting) {
  return write_greeting(kWelcome, greeting);
}

Bytes write_piece(std::uint8_t number, ByteSpan bytes) {
  Bytes out;
  out.reserve(1 + bytes.size());
  out.push_back(number);
  append(out, bytes);
  return out;
}

Bytes write_ack(const Ack& ack) {
  return {ack.again ? kAgain : kAck, ack.next, ack.credit};
}

Bytes write_ask(std::uint8_t next) {
  return {kAsk, next};
}

Bytes write_end(EndReason reason) {
  return {kEnd, static_cast<std::uint8_t>(reason)};
}

}  // namespace latchkey::gatt
