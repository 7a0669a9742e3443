// Whom a device lets in, by what their provider says of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oidc/id_token.h"

namespace latchkey::oidc {

// All that is named must hold; a rule names at least one thing besides the issuer, or is for
// everybody whom the issuer knows.
struct Rule {
  std::string issuer;  // never empty: a subject or a group means nothing without who says it
  std::string subject, email, group;  // empty: anybody's
};

struct Policy {
  std::vector<Rule> use;     // empty: whoever signed in may use the device
  std::vector<Rule> manage;  // empty: managing asks for no sign-in
  bool required = false;     // nobody may use the device without having signed in

  [[nodiscard]] bool may_use(const Identity& who) const;
  [[nodiscard]] bool may_manage(const Identity& who) const;
};

}  // namespace latchkey::oidc
