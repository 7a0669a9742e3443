// The codes people type (docs/protocol.md section 3).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/random.h"
#include "pairing/spake2plus.h"
#include "wire/messages.h"

namespace latchkey::pairing {

// A code in its canonical spelling: 8 digits, or 26 Crockford base-32 characters. Wiped when it
// goes.
class PairingCode {
 public:
  // As a person types it: blanks and hyphens anywhere, either case, O for 0 and I or L for 1 in
  // key128. Nothing where it cannot be a code of that kind.
  static std::optional<PairingCode> parse(std::string_view typed, wire::CodeKind kind);
  static PairingCode make(wire::CodeKind kind, Random& random);

  [[nodiscard]] wire::CodeKind kind() const { return kind_; }
  [[nodiscard]] ByteSpan canonical() const { return text_.span(); }
  [[nodiscard]] std::string for_display() const;  // "1234 5678", "ABCDE-FGHJK-..." in fives
  [[nodiscard]] PairingCode clone() const { return {kind_, text_.clone()}; }

 private:
  PairingCode(wire::CodeKind kind, SecretBytes text) : kind_(kind), text_(std::move(text)) {}
  wire::CodeKind kind_;
  SecretBytes text_;
};

// `latchkey:?k=<key>&n=<name>&h=<base64url SHA-256 of the bootstrap SPKI>`, at most 512 bytes.
struct PairingLink {
  PairingCode code;
  std::string name;  // cleaned
  DeviceId device;
};
std::optional<PairingLink> parse_link(std::string_view text);
std::string make_link(const PairingCode& code, std::string_view name, const DeviceId& device);

// PBKDF2 of the code; tens of milliseconds, call it off the event loop.
PasswordKey derive_password_key(const PairingCode& code, ByteSpan salt, std::uint32_t iterations);

}  // namespace latchkey::pairing
