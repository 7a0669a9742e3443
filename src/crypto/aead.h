// AES-256-GCM with a counter nonce, for one direction of one channel.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "crypto/error.h"

namespace latchkey::crypto {

// Nonce = 4 zero bytes || 8-byte big-endian counter from 0; no associated data; 16-byte tag at the
// end. Each call uses the next counter value, so frames that are lost, repeated or reordered do not
// open. After the first failure every later call fails.
class CounterAead {
 public:
  static constexpr std::size_t kKeySize = 32;
  static constexpr std::size_t kTagSize = 16;
  // `key` is 32 bytes.
  explicit CounterAead(SecretBytes key);
  CounterAead(CounterAead&&) noexcept;
  CounterAead& operator=(CounterAead&&) noexcept;
  ~CounterAead();

  Result<Bytes> seal(ByteSpan plaintext);
  // The plaintext may be secret.
  Result<SecretBytes> open(ByteSpan sealed);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::crypto
