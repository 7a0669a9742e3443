// The protocol's errors (docs/protocol.md section 11): what one end tells the other.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace latchkey::wire {

enum class ErrorCode {
  kMalformed,
  kUnsupported,
  kWindowClosed,
  kWrongCode,
  kLocked,
  kAttestationFailed,
  kOriginRevoked,
  kDeviceRevoked,
  kMetadataStale,
  kNameConflict,
  kNotGranted,
  kNotAllowed,  // this computer's administrator does not allow it
  kExpired,
  kUnreachable,
  kCancelled,
  kInternal,
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string detail;      // for logs and the Details fold
  bool from_peer = false;  // the other end said so, rather than we of it
};

template <class T>
using Result = latchkey::Result<T, Error>;

std::string_view name_of(ErrorCode code);  // "wrong_code"
std::optional<ErrorCode> error_code_from(std::string_view name);

}  // namespace latchkey::wire
