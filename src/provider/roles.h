// Who may do what.
#pragma once

#include <string_view>

namespace latchkey::provider {

enum class Action {
  kRead,          // records, and the audit log
  kVendors,       // add and change makers
  kModels,        // add models
  kOrigins,       // register and check web services
  kOriginStatus,  // suspend, revoke, reinstate
  kModelStatus,
  kDevices,  // revoke and restore attestation keys
  kPublish,
  kTokens,  // give and take away access
};

// "admin" may do everything; "registrar" adds makers, models and web services; "reviewer" changes
// what is trusted; "auditor" reads. "local" is whoever can open the database: everything. A role
// that is none may nothing.
bool may(std::string_view role, Action action);
// One that a token may have: not "local".
bool is_token_role(std::string_view role);

}  // namespace latchkey::provider
