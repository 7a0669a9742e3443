#include "base/bytes.h"

#include <string.h>

#include <utility>

namespace latchkey {

Bytes to_bytes(ByteSpan bytes) {
  return {bytes.begin(), bytes.end()};
}

void append(Bytes& to, ByteSpan bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void append(Bytes& to, std::string_view text) {
  append(to, as_bytes(text));
}

bool constant_time_equal(ByteSpan a, ByteSpan b) {
  if (a.size() != b.size()) {
    return false;
  }
  // volatile keeps the compiler from leaving the loop early.
  volatile std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

void wipe(std::span<std::uint8_t> memory) {
  if (!memory.empty()) {
    explicit_bzero(memory.data(), memory.size());
  }
}

SecretBytes SecretBytes::copy_of(ByteSpan bytes) {
  SecretBytes secret;
  secret.bytes_.assign(bytes.begin(), bytes.end());
  return secret;
}

SecretBytes SecretBytes::take(std::string&& text) {
  SecretBytes secret = copy_of(as_bytes(text));
  if (!text.empty()) {
    explicit_bzero(text.data(), text.size());
  }
  text.clear();
  return secret;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) {
  other.bytes_.clear();
}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    wipe(bytes_);
    bytes_ = std::move(other.bytes_);
    other.bytes_.clear();
  }
  return *this;
}

SecretBytes::~SecretBytes() {
  wipe(bytes_);
}

}  // namespace latchkey
