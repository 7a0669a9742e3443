// Secrets at rest: AES-256-GCM under a random nonce, and keys out of passphrases (scrypt, RFC
// 7914).
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/error.h"

namespace latchkey::crypto {

inline constexpr std::size_t kSealKeySize = 32;
inline constexpr std::size_t kSealOverhead = 12 + 16;  // the nonce before, the tag behind

// nonce || ciphertext || tag; `context` is bound to it and not stored. `key` is 32 bytes. One key
// seals at most 2^32 values: the nonces are random.
Bytes seal_secret(ByteSpan key, ByteSpan context, ByteSpan plaintext, Random& random);
// kMalformed: another key, another context, or changed bytes; which of them nobody can say.
Result<SecretBytes> open_secret(ByteSpan key, ByteSpan context, ByteSpan sealed);

// What one guess costs: about 128 * block * 2^log2_rounds bytes and as much time as it takes to
// fill them.
struct ScryptCost {
  std::uint8_t log2_rounds = 17;  // 128 MiB, a third of a second
  std::uint8_t block = 8;
  std::uint8_t parallel = 1;
};
// Numbers out of a file are checked before memory is taken: 2^10 to 2^20 rounds (1 GiB at most),
// blocks of 8, up to 4 in parallel.
[[nodiscard]] bool is_sane(const ScryptCost& cost);
// 32 bytes. Slow: call it off the event loop. kMalformed: the cost is out of bounds; kInternal: not
// enough memory.
Result<SecretBytes> scrypt(ByteSpan passphrase, ByteSpan salt, const ScryptCost& cost);

}  // namespace latchkey::crypto
