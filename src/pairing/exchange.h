// What both roles of the pairing exchange compute alike. Private to src/pairing.
#pragma once

#include "pairing/session.h"

namespace latchkey::pairing {

struct Hellos {
  ByteSpan agent;
  ByteSpan device;
};

// "latchkey-pair-v1" || SHA-256(both hellos) || channel binding.
Bytes pairing_context(const Hellos& hellos, const Digest256& channel_binding);
Context named_context(ByteSpan context);

// th = SHA-256(both hellos || share p || share v).
Digest256 transcript_hash(const Hellos& hellos, ByteSpan share_p, ByteSpan share_v);

enum class Role { kAgent, kDevice };
Established establish(const SecretBytes& shared, const Digest256& transcript, Role role);

}  // namespace latchkey::pairing
