// Randomness for ids, codes, nonces and SPAKE2+ scalars, injected so that tests can repeat a run.
// Keys and signature nonces are made by OpenSSL itself.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace latchkey {

class Random {
 public:
  virtual ~Random() = default;
  // Fills all of it with bytes nobody can predict, or ends the process.
  virtual void fill(std::span<std::uint8_t> out) = 0;

  template <std::size_t N>
  ByteArray<N> bytes() {
    ByteArray<N> out{};
    fill(out);
    return out;
  }
};

}  // namespace latchkey
