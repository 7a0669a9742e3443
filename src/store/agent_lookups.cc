#include <algorithm>
#include <iterator>

#include "grant/renewal_time.h"
#include "store/agent_state.h"

namespace latchkey::store {

namespace tables = agent_tables;

namespace {

// Adds the scope to a condition: a foreign profile's grant is not there at all.
std::string within(const Scope& scope, std::string where, Row& arguments) {
  if (const auto& profile = scope.profile()) {
    arguments.push_back(cell(profile->span()));
    where += " AND profile = ?" + std::to_string(arguments.size());
  }
  return where;
}

std::optional<WallTime> first_time(Vault& vault, const std::string& sql,
                                   const Row& arguments = {}) {
  const std::int64_t time = vault.number(sql, arguments);
  return time == 0 ? std::nullopt : std::optional(WallTime{time});
}

std::optional<grant::AgentGrant> first_of(std::vector<grant::AgentGrant> grants) {
  return grants.empty() ? std::nullopt : std::optional(std::move(grants.front()));
}

}  // namespace

Result<std::optional<grant::AgentGrant>> AgentStore::grant(const Scope& scope, const GrantId& id) {
  return state_->vault.read([&] {
    Row arguments = {cell(id.span())};
    const std::string where = within(scope, "id = ?1", arguments);
    return first_of(state_->select_grants(where, arguments));
  });
}

Result<std::optional<grant::AgentGrant>> AgentStore::grant_of_host(const Scope& scope,
                                                                   const HostName& host) {
  return state_->vault.read([&] {
    Row arguments = {cell(host.text())};
    const std::string where = within(scope, "host = ?1", arguments) +
                              " ORDER BY state = 'revoked', block_until DESC LIMIT 1";
    return first_of(state_->select_grants(where, arguments));
  });
}

Result<std::vector<grant::AgentGrant>> AgentStore::grants(const Scope& scope) {
  return state_->vault.read([&] {
    Row arguments;
    const std::string where = within(scope, "TRUE", arguments) + " ORDER BY created, id";
    return state_->select_grants(where, arguments);
  });
}

Result<std::vector<grant::AgentGrant>> AgentStore::grants_of_device(const DeviceId& device) {
  return state_->vault.read([&] {
    return state_->select_grants("device = ?1 ORDER BY created, id", {cell(device.span())});
  });
}

Result<std::vector<grant::AgentGrant>> AgentStore::pending_grants() {
  return state_->vault.read(
      [&] { return state_->select_grants("state = 'pending' ORDER BY created", {}); });
}

Result<std::vector<grant::AgentGrant>> AgentStore::grants_of_host(const HostName& host) {
  return state_->vault.read([&] {
    return state_->select_grants("host = ?1 ORDER BY state = 'revoked', block_until DESC",
                                 {cell(host.text())});
  });
}

Result<std::vector<grant::AgentGrant>> AgentStore::grants_page(const Scope& scope,
                                                               const Page& page) {
  return state_->vault.read([&] {
    Row arguments;
    std::string where = within(scope, "TRUE", arguments);
    if (page.after) {
      const auto last = state_->vault.find(tables::kGrant, {cell(page.after->span())});
      if (!last) {
        throw_failure(ErrorCode::kNotFound, "the page begins after a grant that is gone");
      }
      arguments.emplace_back(cell(tables::standing_from(state_->vault, *last).created));
      arguments.emplace_back(cell(page.after->span()));
      const std::size_t last_argument = arguments.size();
      where += " AND (created, id) > (?" + std::to_string(last_argument - 1) + ", ?" +
               std::to_string(last_argument) + ")";
    }
    arguments.emplace_back(static_cast<std::int64_t>(page.at_most));
    where += " ORDER BY created, id LIMIT ?" + std::to_string(arguments.size());
    return state_->select_grants(where, arguments);
  });
}

Result<std::size_t> AgentStore::grant_count() {
  return state_->vault.read([&] {
    return static_cast<std::size_t>(state_->vault.number("SELECT count(*) FROM agent_grant", {}));
  });
}

// --- what is to be done ---

Result<std::vector<grant::Standing>> AgentStore::renewals_due(WallTime now) {
  return state_->vault.read([&] {
    // Two ranges of the index: of one condition with "or" SQLite makes a walk over all of it.
    auto due = state_->select_standings("state = 'active' AND renew_at <= ?1 ORDER BY renew_at",
                                        {cell(now)});
    auto far = state_->select_standings("state = 'active' AND renew_at > ?1 ORDER BY renew_at",
                                        {cell(now + grant::kLongestWait)});
    due.insert(due.end(), std::make_move_iterator(far.begin()), std::make_move_iterator(far.end()));
    return due;
  });
}

Result<std::optional<WallTime>> AgentStore::next_renewal(WallTime after) {
  return state_->vault.read([&] {
    return first_time(state_->vault,
                      "SELECT renew_at FROM agent_grant WHERE state = 'active' AND renew_at > ?1 "
                      "ORDER BY renew_at LIMIT 1",
                      {cell(after)});
  });
}

Result<std::optional<WallTime>> AgentStore::oldest_pending() {
  return state_->vault.read([&] {
    return first_time(state_->vault,
                      "SELECT created FROM agent_grant WHERE state = 'pending' "
                      "ORDER BY created LIMIT 1");
  });
}

Result<std::optional<WallTime>> AgentStore::next_purge() {
  return state_->vault.read([&] {
    return first_time(state_->vault,
                      "SELECT block_until FROM agent_grant WHERE state = 'revoked' "
                      "ORDER BY block_until LIMIT 1");
  });
}

Result<std::vector<grant::Standing>> AgentStore::news(WallTime since) {
  return state_->vault.read([&] {
    if (!state_->heard || state_->heard->since > since) {
      // There is no index for this: it is asked once, and after a change.
      state_->heard = State::News{
          since, state_->select_standings(
                     "state IN ('active', 'suspended') AND ((state = 'active' AND created > ?1) OR "
                     "(state = 'suspended' AND (hold != 'device_reset' OR (hold IS NULL AND EXISTS "
                     "(SELECT 1 FROM setting WHERE name = 'paused.' || lower(hex(id)))))) "
                     "IS NOT (hold_told IS NOT NULL)) ORDER BY created, id",
                     {cell(since)})};
    }
    return state_->heard->found;
  });
}

Result<std::vector<grant::Standing>> AgentStore::standings() {
  return state_->vault.read(
      [&] { return state_->select_standings("state != 'revoked' ORDER BY created, id", {}); });
}

Result<std::vector<Deletion>> AgentStore::deletions() {
  return state_->vault.read([&] {
    std::vector<Deletion> deletions;
    for (const Row& row : state_->vault.select(tables::kDeletion, "TRUE ORDER BY id", {})) {
      Deletion owed = tables::deletion_from(state_->vault, row);
      // The device may have been seen elsewhere since.
      const auto binding = state_->find_binding(owed.binding.device);
      if (binding &&
          binding->management_key.public_key() == owed.binding.management_key.public_key()) {
        owed.binding = *binding;
      }
      deletions.push_back(std::move(owed));
    }
    return deletions;
  });
}

Result<void> AgentStore::deletion_tried(std::int64_t id, WallTime now) {
  return state_->change([&] {
    const auto row = state_->vault.find(tables::kDeletion, {Value(id)});
    if (!row) {
      throw_failure(ErrorCode::kNotFound, "no such deletion");
    }
    Deletion owed = tables::deletion_from(state_->vault, *row);
    ++owed.tries;
    owed.last_try = now;
    state_->vault.update(tables::kDeletion, tables::row_of(state_->vault, owed));
  });
}

Result<void> AgentStore::deletion_done(std::int64_t id) {
  return state_->change([&] { state_->vault.erase(tables::kDeletion, {Value(id)}); });
}

}  // namespace latchkey::store
