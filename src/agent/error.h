// What the agent answers when it cannot do what was asked: one of the protocol's codes, and a
// sentence for a person at home.
#pragma once

#include <string>

#include "base/result.h"
#include "wire/error.h"

namespace latchkey::agent {

struct Error {
  wire::ErrorCode code = wire::ErrorCode::kInternal;
  std::string message;
};

template <class T>
using Result = latchkey::Result<T, Error>;

// The sentence for a code: plain, ends with the next thing to try where there is one.
std::string words_for(wire::ErrorCode code);
inline Error error(wire::ErrorCode code) {
  return {code, words_for(code)};
}

}  // namespace latchkey::agent
