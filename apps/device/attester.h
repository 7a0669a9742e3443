// The key that proves what make the device is: from files, or in a PKCS#11 token.
#pragma once

#include <memory>
#include <string>

#include "attest/statement.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "device/options.h"

namespace latchkey::device {

struct AttesterError {
  std::string message;
  std::string hint;
  bool misused = false;  // the options, not what they name
};
// Null where no attestation is asked for. Checks that the chain names a model and that the key is
// its first certificate's: a device that would be refused by every agent does not start.
Result<std::unique_ptr<attest::Attester>, AttesterError> open_attester(
    const AttestationOptions& options, Random& random, WallTime now);

}  // namespace latchkey::device
