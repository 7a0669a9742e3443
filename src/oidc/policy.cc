#include "oidc/policy.h"

#include <algorithm>

namespace latchkey::oidc {

namespace {

bool holds(const Rule& rule, const Identity& who) {
  return rule.issuer == who.issuer && (rule.subject.empty() || rule.subject == who.subject) &&
         (rule.email.empty() || rule.email == who.email) &&
         (rule.group.empty() ||
          std::find(who.groups.begin(), who.groups.end(), rule.group) != who.groups.end());
}

bool any_holds(const std::vector<Rule>& rules, const Identity& who) {
  return std::any_of(rules.begin(), rules.end(),
                     [&who](const Rule& rule) { return holds(rule, who); });
}

}  // namespace

bool Policy::may_use(const Identity& who) const {
  return use.empty() || any_holds(use, who) || (!manage.empty() && any_holds(manage, who));
}

bool Policy::may_manage(const Identity& who) const {
  return manage.empty() || any_holds(manage, who);
}

}  // namespace latchkey::oidc
