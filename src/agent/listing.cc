#include "agent/listing.h"

#include <algorithm>

namespace latchkey::agent {

std::optional<Listing> list_page(Records& records, const ListQuery& query, WallTime now) {
  auto page = records.grants_page({query.after, kPageGrants});
  if (!page) {
    return std::nullopt;
  }
  Listing listing;
  if (page->size() == kPageGrants) {
    listing.more = page->back().id;
  }
  // Granted anew, the host is shown once.
  const auto is_alive = [&](const HostName& host) {
    const auto grants = records.grants_of_host(host);
    return std::any_of(grants.begin(), grants.end(), [&](const grant::AgentGrant& one) {
      return one.state != grant::State::kRevoked && query.sees(one);
    });
  };
  for (grant::AgentGrant& grant : *page) {
    if (!query.sees(grant)) {
      continue;
    }
    if (grant.state != grant::State::kRevoked ||
        (query.all && grant.block_until > now && !is_alive(grant.host))) {
      listing.grants.push_back(std::move(grant));
    }
  }
  return listing;
}

}  // namespace latchkey::agent
