// Checks that the registry's files share. Internal to src/provider.
#pragma once

#include <string>

#include "provider/records.h"
#include "provider/roles.h"

namespace latchkey::provider {

inline tl::unexpected<Error> invalid(std::string detail) {
  return fail(Error{ErrorCode::kInvalid, std::move(detail)});
}
// kForbidden, or kInvalid where a reason is needed and missing.
Result<void> allow(const Act& act, Action action, bool needs_reason = false);

}  // namespace latchkey::provider
