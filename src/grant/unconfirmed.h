// What a device may still show for a grant besides the newest certificate: a renewal is stored here
// before it is sent, and until the device has said that it has it, the one before may be in use.
// A browser that checks keys (Firefox, docs/protocol.md section 10) lets these through as well.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "grant/grant.h"

namespace latchkey::grant {

// Renewals that were never confirmed, one after the other: older ones are dropped.
inline constexpr std::size_t kMaxUnconfirmed = 4;

struct Unconfirmed {
  std::vector<SpkiHash> keys;          // of earlier leaves, oldest first
  std::vector<Digest256> authorities;  // SHA-256 of earlier grant CAs (DER), oldest first
  [[nodiscard]] bool empty() const { return keys.empty() && authorities.empty(); }
};

// What is to be remembered once `after` has taken the place of `before`. Nothing when `after` says
// that the device has the same certificate now: only its date of renewal has moved on.
Unconfirmed carry_over(Unconfirmed so_far, const AgentGrant& before, const AgentGrant& after);

// As text for the store; nothing that is wrong in it comes back out.
std::string encode(const Unconfirmed& unconfirmed);
Unconfirmed decode_unconfirmed(std::string_view text);

}  // namespace latchkey::grant
