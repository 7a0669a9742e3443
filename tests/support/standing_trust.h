// For tests: what the providers say, as a value that the test changes.
#pragma once

#include "agent/ports.h"

namespace latchkey::testing {

class StandingTrust final : public agent::TrustSource {
 public:
  [[nodiscard]] const attest::Trust& trust() const override { return value; }
  attest::Trust value;
};

}  // namespace latchkey::testing
