// A WindowLedger in memory that outlives the window, as a disk would.
#pragma once

#include "pairing/window.h"

namespace latchkey::testing {

class MemoryWindowLedger final : public pairing::WindowLedger {
 public:
  pairing::WindowRecord load() override { return record; }
  bool save(const pairing::WindowRecord& next) override {
    if (broken) {
      return false;
    }
    record = next;
    return true;
  }
  pairing::WindowRecord record;
  bool broken = false;
};

inline pairing::PairingWindow::Secret window_secret(const pairing::PairingCode& code,
                                                    std::uint32_t iterations = 10000) {
  Bytes salt(16, 5);
  return {code.kind(), salt, iterations,
          pairing::verifier_for(pairing::derive_password_key(code, salt, iterations))};
}

}  // namespace latchkey::testing
