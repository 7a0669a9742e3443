#include "base/encoding.h"

#include <array>

#include "base/result.h"

namespace latchkey {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";

std::string encode64(ByteSpan bytes, std::string_view alphabet, bool pad) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    std::uint32_t group = static_cast<std::uint32_t>(bytes[i]) << 16U;
    if (left > 1) {
      group |= static_cast<std::uint32_t>(bytes[i + 1]) << 8U;
    }
    if (left > 2) {
      group |= bytes[i + 2];
    }
    const std::size_t characters = left > 2 ? 4 : left + 1;
    for (std::size_t c = 0; c < characters; ++c) {
      out.push_back(alphabet[(group >> (18U - 6U * c)) & 63U]);
    }
    if (pad) {
      out.append(4 - characters, '=');
    }
  }
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Without padding.
std::optional<Bytes> decode64(std::string_view text, std::string_view alphabet,
                              std::size_t max_bytes) {
  if (text.size() % 4 == 1 || text.size() / 4 > max_bytes || text.size() * 3 / 4 > max_bytes) {
    return std::nullopt;
  }
  Bytes out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char character : text) {
    const std::size_t value = alphabet.find(character);
    if (value == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<std::uint8_t>(bits >> count));
      bits &= (1U << count) - 1U;
    }
  }
  // Two texts for one value would let a signature's text change without its meaning.
  return bits == 0 ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace

std::string hex_encode(ByteSpan bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out.push_back(kHex[byte >> 4U]);
    out.push_back(kHex[byte & 15U]);
  }
  return out;
}

std::optional<Bytes> hex_decode(std::string_view text, std::size_t max_bytes) {
  if (text.size() % 2 != 0 || text.size() / 2 > max_bytes) {
    return std::nullopt;
  }
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const std::size_t high = kHex.find(text[i]);
    const std::size_t low = kHex.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) {
      return std::nullopt;
    }
    out.push_back(static_cast<std::uint8_t>(high << 4U | low));
  }
  return out;
}

std::string base64_encode(ByteSpan bytes) {
  return encode64(bytes, kBase64, true);
}

std::string base64url_encode(ByteSpan bytes) {
  return encode64(bytes, kBase64Url, false);
}

std::optional<Bytes> base64url_decode(std::string_view text, std::size_t max_bytes) {
  return decode64(text, kBase64Url, max_bytes);
}

std::optional<Bytes> base64_decode(std::string_view text, std::size_t max_bytes) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  for (int i = 0; i < 2 && text.ends_with('='); ++i) {
    text.remove_suffix(1);
  }
  return decode64(text, kBase64, max_bytes);
}

std::string base32_prefix(ByteSpan bytes, std::size_t characters) {
  LATCHKEY_CHECK(bytes.size() * 8 >= characters * 5);
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const std::uint8_t byte : bytes) {
    if (out.size() == characters) {
      break;  // the rest is not asked for
    }
    bits = (bits << 8U) | byte;
    count += 8;
    while (count >= 5 && out.size() < characters) {
      count -= 5;
      out.push_back(kBase32[(bits >> count) & 31U]);
    }
    bits &= (1U << count) - 1U;
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) {
      return std::nullopt;
    }
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    out.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  return out;
}

}  // namespace latchkey
