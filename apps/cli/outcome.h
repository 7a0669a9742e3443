// How a command of the command line ends, and how that is said.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace latchkey::cli {

enum class Exit { kDone = 0, kFailed = 1, kUsage = 2, kUnreachable = 3 };

// Every one of them ends with the next thing to try.
struct Failure {
  Exit exit = Exit::kFailed;
  std::string code;  // one of the protocol's, or "usage", "setup"
  std::string message;
  std::string hint;
};

template <class T>
using Result = latchkey::Result<T, Failure>;

// A failure that the agent's error code means, with its own hint.
Failure failure_from(const std::string& code, const std::string& message);
Failure usage(std::string message, std::string hint);

}  // namespace latchkey::cli
