// What can go wrong with the system below us, with a sentence that says what to do about it.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace latchkey::platform {

struct Error {
  enum class Code : std::uint8_t {
    kMissing,  // a file or folder that should be there is not
    kUnsafe,   // somebody else could read or change it: nothing was touched
    kForeign,  // it is there, but it is not ours to overwrite
    kLocked,   // it wants a password, or another program holds it
    kSystem,   // the system refused
    kMisuse,   // an argument that can never work
  };
  Code code = Code::kSystem;
  std::string message;
  std::string hint;  // what the person can do; may be empty
};

// "<what> <path>: <text of errno>"
Error system_error(const std::string& what, int error_number);

}  // namespace latchkey::platform
