// The device's tables and how its values become rows. Internal to src/store.
#pragma once

#include "store/codec.h"
#include "store/device_store.h"

namespace latchkey::store::device_tables {

extern const TableShape kProfile;
extern const TableShape kLabel;
extern const TableShape kWindow;
extern const TableShape kAgent;
extern const TableShape kGrant;
extern const TableShape kAudit;
extern const TableShape kSsoClient;

Vault::Options options(const std::filesystem::path& folder, std::string vfs);

// The tables of one row.
inline Row only_row() {
  return {Value(std::int64_t{1})};
}

Row row_of(Vault& vault, const DeviceProfile& profile);
DeviceProfile profile_from(Vault& vault, const Row& row);
Row row_of(Vault& vault, const pairing::WindowRecord& record);
pairing::WindowRecord window_from(Vault& vault, const Row& row);

struct StoredAgent {
  grant::BoundAgent agent;
  bool confirmed = false;  // one of its grants was, ever
};
Row row_of(Vault& vault, const StoredAgent& agent);
StoredAgent agent_from(Vault& vault, const Row& row);
Row row_of(Vault& vault, const grant::DeviceGrant& grant);
grant::DeviceGrant grant_from(Vault& vault, const Row& row);
Row row_of(Vault& vault, const SsoClient& client);
SsoClient sso_client_from(Vault& vault, const Row& row);
Row row_of(Vault& vault, const AuditEvent& event);
AuditEvent event_from(Vault& vault, const Row& row);

}  // namespace latchkey::store::device_tables
