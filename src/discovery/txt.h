// The TXT record of a Latchkey service: v=1, ty=<type>, st=open|closed, rid=<24 hex digits>
// (RFC 6763 section 6), read strictly and written in one way.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "discovery/service.h"

namespace latchkey::discovery {

struct ServiceText {
  std::string type;
  bool window_open = false;
  Rid rid;
  friend bool operator==(const ServiceText&, const ServiceText&) = default;
};

std::vector<std::string> write_text(const ServiceText& text);

// Unknown keys are ignored. Refused: a version that is not 1, a missing, mistyped or repeated key
// of ours, more than kMaxTextStrings strings or kMaxTextBytes bytes. Keys compare without case.
std::optional<ServiceText> read_text(std::span<const std::string> strings);

// HMAC-SHA256 as crypto::hmac_sha256 has it; handed in so that discovery needs no cryptography.
using Hmac = Digest256 (*)(ByteSpan key, ByteSpan data);

// The device's next rid: `nonce` || first 8 bytes of HMAC(discovery key, "rid" || nonce). Fresh
// random bytes at start and hourly.
Rid make_rid(ByteSpan discovery_key, const ByteArray<4>& nonce, Hmac hmac);
// Whether the holder of `discovery_key` made it. Finds a device; proves nothing.
bool matches_rid(ByteSpan discovery_key, const Rid& rid, Hmac hmac);

}  // namespace latchkey::discovery
