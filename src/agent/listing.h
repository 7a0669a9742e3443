// Lists of grants, a page at a time: ten thousand do not fit into one message.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "agent/ports.h"

namespace latchkey::agent {

// So many grants are looked at for one answer of at most 1 MiB; each takes 5 KiB of it at most.
inline constexpr std::size_t kPageGrants = 200;

struct ListQuery {
  std::optional<GrantId> after;  // `more` of the answer before
  bool all = false;              // also ended ones whose host must stay blocked
  std::function<bool(const grant::AgentGrant&)> sees;  // what the reader may know of
};
struct Listing {
  std::vector<grant::AgentGrant> grants;  // oldest first; fewer than fit where some are not shown
  std::optional<GrantId> more;            // where the next page begins; nothing: that was all
};
// Nothing: the grant that `after` names is gone, and the reader begins again.
std::optional<Listing> list_page(Records& records, const ListQuery& query, WallTime now);

}  // namespace latchkey::agent
