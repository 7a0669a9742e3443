// What can go wrong in cryptography.
#pragma once

#include <string>

#include "base/result.h"

namespace latchkey::crypto {

enum class ErrorCode {
  kMalformed,     // the input is not what it claims to be (peer's fault)
  kUnsupported,   // well formed, but not an algorithm or curve we accept (peer's fault)
  kBadSignature,  // verification said no (peer's fault)
  kInternal,      // OpenSSL failed (our fault)
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string detail;  // for logs; never holds key material
};

template <class T>
using Result = latchkey::Result<T, Error>;

}  // namespace latchkey::crypto
