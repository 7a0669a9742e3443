#include <algorithm>

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

Result<std::vector<grant::AgentGrant>> AgentStore::renewals_due(WallTime now) {
  return state_->vault.read([&] {
    return state_->select_grants("state = 'active' AND renew_at <= ?1 ORDER BY renew_at",
                                 {cell(now)});
  });
}

Result<std::optional<WallTime>> AgentStore::next_renewal() {
  return state_->vault.read([&]() -> std::optional<WallTime> {
    const std::int64_t next = state_->vault.number(
        "SELECT renew_at FROM agent_grant WHERE state = 'active' ORDER BY renew_at LIMIT 1", {});
    return next == 0 ? std::nullopt : std::optional(WallTime{next});
  });
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
