#include "provider/roles.h"

namespace latchkey::provider {

bool may(std::string_view role, Action action) {
  if (role == "admin" || role == "local") {
    return true;
  }
  const bool known = is_token_role(role);
  switch (action) {
    case Action::kRead:
      return known;
    case Action::kVendors:
    case Action::kModels:
    case Action::kOrigins:
      return role == "registrar";
    case Action::kOriginStatus:
    case Action::kModelStatus:
    case Action::kDevices:
      return role == "reviewer";
    case Action::kPublish:
      return role == "registrar" || role == "reviewer";
    case Action::kTokens:
      return false;
  }
  return false;
}

bool is_token_role(std::string_view role) {
  return role == "admin" || role == "registrar" || role == "reviewer" || role == "auditor";
}

}  // namespace latchkey::provider
