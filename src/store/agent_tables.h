// The agent's tables and how its values become rows. Internal to src/store.
#pragma once

#include "store/agent_store.h"
#include "store/codec.h"

namespace latchkey::store::agent_tables {

extern const TableShape kUser;
extern const TableShape kSetting;
extern const TableShape kBinding;
extern const TableShape kGrant;
extern const TableShape kUse;   // when a grant was last used
extern const TableShape kHost;  // to which (device, origin) a host belongs, until when
extern const TableShape kDeletion;

// What standing_from() needs of kGrant.
extern const std::uint64_t kStandingColumns;

std::uint32_t schema_version();
Vault::Options options(const std::filesystem::path& folder, std::string vfs);

Row row_of(Vault& vault, const User& user);
User user_from(Vault& vault, const Row& row);
Row row_of(Vault& vault, const grant::Binding& binding);
grant::Binding binding_from(Vault& vault, const Row& row);
Row row_of(Vault& vault, const grant::AgentGrant& grant);
// last_used is in another table and comes back as 0.
grant::AgentGrant grant_from(Vault& vault, const Row& row);
// The setting that is there while a person has paused this grant. Beside the grant's row, since
// what providers say has the column `hold` to itself.
std::string paused_name(const GrantId& grant);
grant::Standing standing_from(Vault& vault, const Row& row);
Row row_of(Vault& vault, const Deletion& deletion);
Deletion deletion_from(Vault& vault, const Row& row);

struct HostClaim {
  HostName host;
  DeviceId device;
  std::optional<Origin> origin;
  WallTime until;  // the last leaf's notAfter; 0: none was issued
};
Row row_of(Vault& vault, const HostClaim& claim);
HostClaim claim_from(Vault& vault, const Row& row);

}  // namespace latchkey::store::agent_tables
