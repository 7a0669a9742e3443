// Reading typed fields out of a decoded map, and the fields' names. Private to src/wire.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "wire/cbor.h"
#include "wire/messages.h"

namespace latchkey::wire {

inline constexpr const char* kType = "t";
inline constexpr int kVersion = 1;
inline constexpr std::string_view kSuite = "spake2p-p256";
inline constexpr std::string_view kPbkdf2 = "pbkdf2-sha256";

// Takes fields of one message; the first that is missing or mistyped makes the whole malformed.
class FieldReader {
 public:
  explicit FieldReader(const nlohmann::json& map) : map_(map) {}

  [[nodiscard]] bool ok() const { return ok_; }
  void require(bool condition) { ok_ = ok_ && condition; }

  const nlohmann::json* find(const char* name) {
    const auto it = map_.find(name);
    return it == map_.end() ? nullptr : &*it;
  }
  // A byte string of min..max bytes.
  Bytes bytes(const char* name, std::size_t min, std::size_t max) {
    const auto* value = find(name);
    if (value == nullptr || !value->is_binary()) {
      ok_ = false;
      return {};
    }
    const auto& binary = value->get_binary();
    require(binary.size() >= min && binary.size() <= max);
    return ok_ ? Bytes(binary.begin(), binary.end()) : Bytes{};
  }
  template <std::size_t N>
  ByteArray<N> array(const char* name) {
    return to_array<N>(bytes(name, N, N)).value_or(ByteArray<N>{});
  }
  std::string text(const char* name, std::size_t max) {
    const auto* value = find(name);
    if (value == nullptr || !value->is_string()) {
      ok_ = false;
      return {};
    }
    require(value->get_ref<const std::string&>().size() <= max);
    return ok_ ? value->get<std::string>() : std::string();
  }
  std::uint64_t number(const char* name, std::uint64_t min, std::uint64_t max) {
    const auto* value = find(name);
    if (value == nullptr || !value->is_number_unsigned()) {
      ok_ = false;
      return 0;
    }
    const auto number = value->get<std::uint64_t>();
    require(number >= min && number <= max);
    return ok_ ? number : 0;
  }
  // Seconds since 1970; up to the year 9999.
  WallTime time(const char* name) {
    return {static_cast<std::int64_t>(number(name, 0, 253'402'300'799ULL))};
  }

 private:
  const nlohmann::json& map_;
  bool ok_ = true;
};

inline nlohmann::json binary(ByteSpan bytes) {
  return nlohmann::json::binary({bytes.begin(), bytes.end()});
}
inline tl::unexpected<Error> malformed(std::string detail) {
  return fail(Error{ErrorCode::kMalformed, std::move(detail)});
}

// The map of a message of type `type`. A message of type "error" becomes an Error from the peer.
Result<nlohmann::json> open_message(ByteSpan bytes, std::string_view type);
// The map of a message that carries no type (management bodies).
Result<nlohmann::json> open_body(ByteSpan bytes);

}  // namespace latchkey::wire
