// AES-256-GCM, once: what aead.cc and sealing.cc have in common. Internal to src/crypto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"

namespace latchkey::crypto {

inline constexpr std::size_t kGcmNonceSize = 12;
inline constexpr std::size_t kGcmTagSize = 16;

// `key` is 32 bytes, `out` is as long as the plaintext and its tag. Lengths fit an int.
void gcm_seal(ByteSpan key, ByteSpan nonce, ByteSpan associated, ByteSpan plaintext,
              std::span<std::uint8_t> out);
// `sealed` is ciphertext and tag. Nothing: it does not open.
std::optional<SecretBytes> gcm_open(ByteSpan key, ByteSpan nonce, ByteSpan associated,
                                    ByteSpan sealed);

}  // namespace latchkey::crypto
