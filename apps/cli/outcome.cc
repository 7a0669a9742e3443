#include "outcome.h"

#include <array>
#include <utility>

namespace latchkey::cli {
namespace {

struct Hint {
  const char* code;
  Exit exit;
  const char* hint;
};
constexpr std::array kHints = {
    Hint{"unreachable", Exit::kUnreachable,
         "Check that the device is on and in this network, then run `latchkey devices`."},
    Hint{"window_closed", Exit::kFailed,
         "Open pairing on the device (there: `latchkey-device open-window`), then try again."},
    Hint{"wrong_code", Exit::kFailed, "Read the code from the device again and try once more."},
    Hint{"locked", Exit::kFailed, "Wait a minute, then try again."},
    Hint{"not_granted", Exit::kFailed, "See what there is with `latchkey grants`."},
    Hint{"name_conflict", Exit::kFailed,
         "Take another name, or see what there is with `latchkey grants --all`."},
    Hint{"expired", Exit::kFailed,
         "Turn the device on and run `latchkey doctor`, or allow it again with `latchkey grant`."},
    Hint{"cancelled", Exit::kFailed, "Run the command again when you are ready."},
};

}  // namespace

Failure failure_from(const std::string& code, const std::string& message) {
  for (const Hint& hint : kHints) {
    if (code == hint.code) {
      return {hint.exit, code, message, hint.hint};
    }
  }
  return {Exit::kFailed, code, message, "Run `latchkey doctor` to find out more."};
}

Failure usage(std::string message, std::string hint) {
  return {Exit::kUsage, "usage", std::move(message), std::move(hint)};
}

}  // namespace latchkey::cli
