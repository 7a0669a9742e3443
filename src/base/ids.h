// Identifiers that are byte strings of a fixed length, each a type of its own.
#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/random.h"

namespace latchkey {

template <class Tag, std::size_t N>
class FixedId {
 public:
  static constexpr std::size_t kSize = N;
  explicit FixedId(const ByteArray<N>& bytes) : bytes_(bytes) {}
  static std::optional<FixedId> from_bytes(ByteSpan bytes) {
    const auto array = to_array<N>(bytes);
    return array ? std::optional<FixedId>(FixedId(*array)) : std::nullopt;
  }
  // Lower-case hex, 2 * N digits.
  static std::optional<FixedId> parse(std::string_view hex) {
    const auto bytes = hex_decode(hex, N);
    return bytes ? from_bytes(*bytes) : std::nullopt;
  }
  static FixedId make(Random& random) { return FixedId(random.bytes<N>()); }

  [[nodiscard]] const ByteArray<N>& bytes() const { return bytes_; }
  [[nodiscard]] ByteSpan span() const { return bytes_; }
  [[nodiscard]] std::string hex() const { return hex_encode(bytes_); }
  friend auto operator<=>(const FixedId&, const FixedId&) = default;

 private:
  ByteArray<N> bytes_;
};

// A grant, chosen at random by the agent.
using GrantId = FixedId<struct GrantIdTag, 16>;
// SHA-256 of a SubjectPublicKeyInfo in DER.
using SpkiHash = FixedId<struct SpkiHashTag, 32>;
// A device: the hash of its bootstrap key.
using DeviceId = FixedId<struct DeviceIdTag, 32>;
// A browser profile: random, made and kept by the extension. All zero is the command line's.
using ProfileId = FixedId<struct ProfileIdTag, 16>;

}  // namespace latchkey
