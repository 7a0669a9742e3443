#include "pairing/code.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/encoding.h"
#include "base/text.h"
#include "crypto/hash.h"

namespace latchkey::pairing {
namespace {

using wire::CodeKind;

constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kDigits = 8;
constexpr std::size_t kKeyCharacters = 26;
constexpr std::size_t kMaxTyped = 256;
constexpr std::size_t kMaxLink = 512;
constexpr std::string_view kScheme = "latchkey:?";
constexpr std::string_view kHexUpper = "0123456789ABCDEF";

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

// Blanks and hyphens of every kind that a phone's keyboard or a copied page may put in.
bool skip_separator(std::string_view& text) {
  static constexpr std::array<std::string_view, 12> kSeparators{" ",
                                                                "-",
                                                                "\t",
                                                                "\n",
                                                                "\r",
                                                                "\xC2\xA0",
                                                                "\xE2\x80\x90",
                                                                "\xE2\x80\x91",
                                                                "\xE2\x80\x92",
                                                                "\xE2\x80\x93",
                                                                "\xE2\x80\x94",
                                                                "\xE3\x80\x80"};
  for (const auto separator : kSeparators) {
    if (text.starts_with(separator)) {
      text.remove_prefix(separator.size());
      return true;
    }
  }
  return false;
}

char canonical_character(char typed, CodeKind kind) {
  const char c = upper(typed);
  if (kind == CodeKind::kDigits8) {
    return c >= '0' && c <= '9' ? c : '\0';
  }
  if (c == 'O') {
    return '0';
  }
  if (c == 'I' || c == 'L') {
    return '1';
  }
  return kCrockford.find(c) != std::string_view::npos ? c : '\0';
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    const auto byte = static_cast<std::uint8_t>(c);
    if (plain) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHexUpper[byte >> 4U]);
      out.push_back(kHexUpper[byte & 15U]);
    }
  }
  return out;
}

}  // namespace

std::optional<PairingCode> PairingCode::parse(std::string_view typed, CodeKind kind) {
  const std::size_t length = kind == CodeKind::kDigits8 ? kDigits : kKeyCharacters;
  if (typed.size() > kMaxTyped) {
    return std::nullopt;
  }
  SecretBytes text(length);
  std::size_t count = 0;
  while (!typed.empty()) {
    if (skip_separator(typed)) {
      continue;
    }
    const char c = canonical_character(typed.front(), kind);
    typed.remove_prefix(1);
    if (c == '\0' || count == length) {
      return std::nullopt;
    }
    text.writable()[count++] = static_cast<std::uint8_t>(c);
  }
  return count == length ? std::optional(PairingCode(kind, std::move(text))) : std::nullopt;
}

PairingCode PairingCode::make(CodeKind kind, Random& random) {
  const bool digits = kind == CodeKind::kDigits8;
  SecretBytes text(digits ? kDigits : kKeyCharacters);
  for (auto& character : text.writable()) {
    std::uint8_t byte = 0;
    // 250 is the largest multiple of 10 in a byte: no digit is likelier than another.
    do {
      random.fill({&byte, 1});
    } while (digits && byte >= 250);
    character = static_cast<std::uint8_t>(digits ? '0' + byte % 10 : kCrockford[byte & 31U]);
  }
  return {kind, std::move(text)};
}

std::string PairingCode::for_display() const {
  const std::size_t group = kind_ == CodeKind::kDigits8 ? 4 : 5;
  const char separator = kind_ == CodeKind::kDigits8 ? ' ' : '-';
  std::string out;
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (i > 0 && i % group == 0) {
      out.push_back(separator);
    }
    out.push_back(static_cast<char>(text_.span()[i]));
  }
  return out;
}

std::optional<PairingLink> parse_link(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  if (text.size() > kMaxLink || !text.starts_with(kScheme)) {
    return std::nullopt;
  }
  text.remove_prefix(kScheme.size());
  std::optional<std::string> key;
  std::optional<std::string> name;
  std::optional<std::string> hash;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const std::size_t equals = part.find('=');
    if (equals != 1) {
      return std::nullopt;
    }
    auto value = percent_decode(part.substr(2));
    auto* target = part[0] == 'k'   ? &key
                   : part[0] == 'n' ? &name
                   : part[0] == 'h' ? &hash
                                    : nullptr;
    if (!value || target == nullptr || target->has_value()) {
      return std::nullopt;
    }
    *target = std::move(value);
  }
  if (!key || !name || !hash) {
    return std::nullopt;
  }
  auto code = PairingCode::parse(*key, CodeKind::kKey128);
  const auto device = DeviceId::from_bytes(base64url_decode(*hash, 32).value_or(Bytes{}));
  if (!code || !device) {
    return std::nullopt;
  }
  return PairingLink{std::move(*code), clean_display_name(*name), *device};
}

std::string make_link(const PairingCode& code, std::string_view name, const DeviceId& device) {
  LATCHKEY_CHECK(code.kind() == CodeKind::kKey128);
  return std::string(kScheme) + "k=" + std::string(as_text(code.canonical())) +
         "&n=" + percent_encode(clean_display_name(name)) + "&h=" + base64url_encode(device.span());
}

PasswordKey derive_password_key(const PairingCode& code, ByteSpan salt, std::uint32_t iterations) {
  return password_key_from(crypto::pbkdf2_sha256(code.canonical(), salt, iterations, 80).span());
}

}  // namespace latchkey::pairing
