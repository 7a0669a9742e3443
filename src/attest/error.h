// Why trust metadata, or a device's proof of its make, is not accepted.
#pragma once

#include <string>

#include "base/result.h"

namespace latchkey::attest {

enum class ErrorCode {
  kMalformed,  // not what it claims to be
  kTooLarge,
  kUntrusted,  // the chain leads to no anchor, or a certificate is not fit for it
  kBadSignature,
  kRolledBack,  // older than what is held: `no`, or the signing certificate
  kWrongHash,   // a file is not the one that was named
  kInternal,
};
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string detail;
};
template <class T>
using Result = latchkey::Result<T, Error>;

}  // namespace latchkey::attest
