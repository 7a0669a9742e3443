// Byte strings, secrets that wipe themselves, and comparison in constant time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace latchkey {

using Bytes = std::vector<std::uint8_t>;
using ByteSpan = std::span<const std::uint8_t>;
template <std::size_t N>
using ByteArray = std::array<std::uint8_t, N>;
using Digest256 = ByteArray<32>;

// The bytes of a text, not copied.
inline ByteSpan as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
// The text of bytes, not copied. The caller knows that they are text.
inline std::string_view as_text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
Bytes to_bytes(ByteSpan bytes);
void append(Bytes& to, ByteSpan bytes);
void append(Bytes& to, std::string_view text);

// Equal contents; the time depends on the lengths only.
bool constant_time_equal(ByteSpan a, ByteSpan b);

// Overwrites memory in a way the compiler may not leave out.
void wipe(std::span<std::uint8_t> memory);

// Bytes that are wiped when they go out of scope, and when they are moved from. Not copyable by
// accident: clone() says so.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size) : bytes_(size) {}
  static SecretBytes copy_of(ByteSpan bytes);
  // Takes the text's bytes and wipes the text.
  static SecretBytes take(std::string&& text);
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  [[nodiscard]] SecretBytes clone() const { return copy_of(span()); }
  [[nodiscard]] ByteSpan span() const { return bytes_; }
  [[nodiscard]] std::span<std::uint8_t> writable() { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  Bytes bytes_;
};

}  // namespace latchkey
