#include "store/agent_state.h"

#include <algorithm>

namespace latchkey::store {

namespace tables = agent_tables;

void AgentStore::State::write_touches() {
  for (const auto& [id, used] : touched) {
    if (vault.find(tables::kGrant, {cell(id.span())})) {
      vault.put(tables::kUse, {cell(id.span()), cell(used)});
    }
  }
}

std::optional<grant::Binding> AgentStore::State::find_binding(const DeviceId& device) {
  const auto row = vault.find(tables::kBinding, {cell(device.span())});
  return row ? std::optional(tables::binding_from(vault, *row)) : std::nullopt;
}

std::optional<grant::AgentGrant> AgentStore::State::find_grant(const GrantId& id) {
  auto found = select_grants("id = ?1", {cell(id.span())});
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

grant::AgentGrant AgentStore::State::need_grant(const GrantId& id) {
  auto found = find_grant(id);
  if (!found) {
    throw_failure(ErrorCode::kNotFound, "no such grant");
  }
  return *std::move(found);
}

std::vector<grant::AgentGrant> AgentStore::State::select_grants(const std::string& where,
                                                                const Row& arguments) {
  std::vector<grant::AgentGrant> grants;
  for (const Row& row : vault.select(tables::kGrant, where, arguments)) {
    grant::AgentGrant grant = tables::grant_from(vault, row);
    if (const auto use = vault.find(tables::kUse, {cell(grant.id.span())})) {
      grant.last_used = {std::get<std::int64_t>(use->at(1))};
    }
    if (const auto touch = touched.find(grant.id); touch != touched.end()) {
      grant.last_used = touch->second;
    }
    grants.push_back(std::move(grant));
  }
  return grants;
}

void AgentStore::State::put_held(const grant::AgentGrant& grant) {
  vault.update(tables::kGrant, tables::row_of(vault, grant));
  const std::string name = tables::paused_name(grant.id);
  if (grant.paused) {
    vault.put(tables::kSetting, RowWriter(vault, tables::kSetting).text(name).text("1").row());
  } else {
    vault.erase(tables::kSetting, {cell(name)});
  }
}

std::vector<grant::Standing> AgentStore::State::select_standings(const std::string& where,
                                                                 const Row& arguments) {
  std::vector<grant::Standing> standings;
  // Without keys and certificates, and never two rows at once.
  vault.each({tables::kGrant, where, arguments, tables::kStandingColumns},
             [&](const Row& row) { standings.push_back(tables::standing_from(vault, row)); });
  return standings;
}

void AgentStore::State::save(const grant::Binding& binding, const grant::AgentGrant& grant,
                             WallTime now) {
  LATCHKEY_CHECK(grant.state == grant::State::kPending && grant.device == binding.device);
  const auto stored = find_grant(grant.id);
  if (stored && stored->state != grant::State::kPending) {
    throw_failure(ErrorCode::kConflict, "the grant is no longer pending");
  }
  if (stored && (stored->profile != grant.profile || stored->device != grant.device ||
                 stored->origin != grant.origin || stored->host != grant.host)) {
    throw_failure(ErrorCode::kConflict, "the grant is another's");
  }
  claim_host(grant, now);
  vault.put(tables::kBinding, tables::row_of(vault, binding));
  vault.put(tables::kGrant, tables::row_of(vault, grant));
}

void AgentStore::State::claim_host(const grant::AgentGrant& grant, WallTime now) {
  tables::HostClaim claim{grant.host, grant.device, grant.origin, grant.not_after};
  if (const auto row = vault.find(tables::kHost, {cell(grant.host.text())})) {
    const tables::HostClaim old = tables::claim_from(vault, *row);
    if (old.device == claim.device && old.origin == claim.origin) {
      claim.until = std::max(claim.until, old.until);
    } else if (old.until > now ||
               vault.number("SELECT count(*) FROM agent_grant WHERE host = ?1 AND id != ?2 AND "
                            "state != 'revoked'",
                            {cell(grant.host.text()), cell(grant.id.span())}) > 0) {
      throw_failure(ErrorCode::kConflict, "the host belongs to another device or origin");
    }
  }
  vault.put(tables::kHost, tables::row_of(vault, claim));
}

void AgentStore::State::owe_deletion(const grant::Binding& binding,
                                     const std::optional<GrantId>& grant, WallTime now) {
  if (binding.reset) {
    return;  // the device has forgotten everything already
  }
  // An id is never used again: "done" may be said twice.
  const std::int64_t id =
      vault.number("SELECT seq FROM sqlite_sequence WHERE name = 'deletion'", {}) + 1;
  vault.insert(tables::kDeletion, tables::row_of(vault, Deletion{id, binding, grant, now, 0, {}}));
}

void AgentStore::State::end_grant(grant::AgentGrant grant, const Ending& ending) {
  grant.state = grant::State::kRevoked;
  grant.block_until = ending.block_until;
  grant.renew_at = {};
  grant.offer.clear();
  grant.paused = false;
  put_held(grant);
  keep_unconfirmed(grant.id, {});
}

// Among the settings: a grant has such a row only while a renewal is on its way.
namespace {
Value unconfirmed_name(const GrantId& id) {
  return cell("unconfirmed." + id.hex());
}
}  // namespace

grant::Unconfirmed AgentStore::State::unconfirmed(const GrantId& id) {
  const auto row = vault.find(tables::kSetting, {unconfirmed_name(id)});
  return row ? grant::decode_unconfirmed(std::get<std::string>(row->at(1))) : grant::Unconfirmed{};
}

void AgentStore::State::keep_unconfirmed(const GrantId& id, const grant::Unconfirmed& unconfirmed) {
  if (unconfirmed.empty()) {
    vault.erase(tables::kSetting, {unconfirmed_name(id)});
    return;
  }
  vault.put(tables::kSetting, RowWriter(vault, tables::kSetting)
                                  .text("unconfirmed." + id.hex())
                                  .text(grant::encode(unconfirmed))
                                  .row());
}

void AgentStore::State::discard(const GrantId& id) {
  const grant::AgentGrant grant = need_grant(id);
  if (grant.state != grant::State::kPending || !grant.leaf.empty()) {
    throw_failure(ErrorCode::kConflict, "a certificate was issued: revoke it");
  }
  vault.erase(tables::kUse, {cell(id.span())});
  vault.erase(tables::kGrant, {cell(id.span())});
  vault.erase_where(tables::kHost, "host = ?1 AND until = 0", {cell(grant.host.text())});
  vault.erase_where(tables::kBinding,
                    "device = ?1 AND bound_at = 0 AND NOT EXISTS (SELECT 1 FROM agent_grant WHERE "
                    "agent_grant.device = ?1)",
                    {cell(grant.device.span())});
}

void AgentStore::State::forget_device(const DeviceId& device, const Ending& ending) {
  const auto binding = find_binding(device);
  if (!binding) {
    throw_failure(ErrorCode::kNotFound, "no such device");
  }
  for (grant::AgentGrant& grant :
       select_grants("device = ?1 AND state != 'revoked'", {cell(device.span())})) {
    end_grant(std::move(grant), ending);
  }
  // What is owed for single grants goes with the whole, but not what is owed for a binding from
  // before, which had another key.
  for (const Row& row : vault.select(tables::kDeletion, "device = ?1", {cell(device.span())})) {
    const Deletion owed = tables::deletion_from(vault, row);
    if (owed.binding.management_key.public_key() == binding->management_key.public_key()) {
      vault.erase(tables::kDeletion, {Value(owed.id)});
    }
  }
  owe_deletion(*binding, std::nullopt, ending.now);
  vault.erase(tables::kBinding, {cell(device.span())});
}

void AgentStore::State::purge(WallTime now) {
  for (const Row& row :
       vault.select(tables::kGrant, "state = 'revoked' AND block_until <= ?1", {cell(now)})) {
    vault.erase(tables::kUse, {row.front()});
    vault.erase(tables::kGrant, {row.front()});
  }
  vault.erase_where(tables::kHost,
                    "until <= ?1 AND NOT EXISTS (SELECT 1 FROM agent_grant WHERE "
                    "agent_grant.host = host.host AND state != 'revoked')",
                    {cell(now)});
}

}  // namespace latchkey::store
