// Text encodings of bytes: hex, base64 and base64url (RFC 4648; base64url without padding, as JOSE
// uses it), and the lower-case base 32 of host tags. Decoders are strict: no white space, no
// padding where none belongs, no stray bits, nothing longer than the caller's limit.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace latchkey {

std::string hex_encode(ByteSpan bytes);
// Lower-case digits only.
std::optional<Bytes> hex_decode(std::string_view text, std::size_t max_bytes);

std::string base64_encode(ByteSpan bytes);
// Padded, as base64_encode writes it.
std::optional<Bytes> base64_decode(std::string_view text, std::size_t max_bytes);
std::string base64url_encode(ByteSpan bytes);
std::optional<Bytes> base64url_decode(std::string_view text, std::size_t max_bytes);

// The first `characters` characters of base 32 with the alphabet a-z2-7. Needs 5 bits each.
std::string base32_prefix(ByteSpan bytes, std::size_t characters);

// Undoes percent-encoding (RFC 3986 section 2.1); nothing where a '%' is not followed by two hex
// digits. '+' stays '+'. The result may hold any byte.
std::optional<std::string> percent_decode(std::string_view text);

template <std::size_t N>
std::optional<ByteArray<N>> to_array(ByteSpan bytes) {
  if (bytes.size() != N) {
    return std::nullopt;
  }
  ByteArray<N> array{};
  for (std::size_t i = 0; i < N; ++i) {
    array[i] = bytes[i];
  }
  return array;
}

}  // namespace latchkey
