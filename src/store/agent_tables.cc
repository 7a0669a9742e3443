#include "store/agent_tables.h"

#include <algorithm>
#include <array>

namespace latchkey::store::agent_tables {
namespace {

constexpr std::int32_t kApplicationId = 0x4c4b4147;  // "LKAG"

// Written once, never edited: changes are new entries.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE user (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  secret BLOB NOT NULL, root_key BLOB NOT NULL, root_certificate BLOB NOT NULL,
  created INTEGER NOT NULL, sum BLOB NOT NULL) STRICT;
CREATE TABLE setting (
  name TEXT PRIMARY KEY, value TEXT NOT NULL, sum BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE binding (
  device BLOB PRIMARY KEY CHECK (length(device) = 32),
  boot_spki BLOB NOT NULL, management_key BLOB NOT NULL, discovery_key BLOB NOT NULL,
  name TEXT NOT NULL, type TEXT NOT NULL, model TEXT NOT NULL, firmware TEXT NOT NULL,
  address TEXT NOT NULL, port INTEGER NOT NULL, bound_at INTEGER NOT NULL,
  reset INTEGER NOT NULL, sum BLOB NOT NULL) STRICT;
-- No reference to binding: an ended grant outlives it, to keep its host blocked.
CREATE TABLE agent_grant (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  profile BLOB NOT NULL CHECK (length(profile) = 16),
  device BLOB NOT NULL CHECK (length(device) = 32),
  origin TEXT, host TEXT NOT NULL, sub TEXT NOT NULL,
  ca_key BLOB NOT NULL, ca_certificate BLOB NOT NULL, ticket_key BLOB NOT NULL,
  offer BLOB NOT NULL, leaf BLOB NOT NULL, not_after INTEGER NOT NULL, renew_at INTEGER NOT NULL,
  port INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'revoked')),
  created INTEGER NOT NULL, block_until INTEGER NOT NULL, sum BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX grant_live_host ON agent_grant (host) WHERE state != 'revoked';
CREATE INDEX grant_host ON agent_grant (host);
CREATE INDEX grant_profile ON agent_grant (profile);
CREATE INDEX grant_device ON agent_grant (device);
CREATE INDEX grant_renewal ON agent_grant (renew_at) WHERE state = 'active';
CREATE INDEX grant_pending ON agent_grant (created) WHERE state = 'pending';
CREATE INDEX grant_ended ON agent_grant (block_until) WHERE state = 'revoked';
CREATE TABLE grant_use (
  id BLOB PRIMARY KEY REFERENCES agent_grant (id),
  last_used INTEGER NOT NULL, sum BLOB NOT NULL) STRICT;
CREATE TABLE host (
  host TEXT PRIMARY KEY, device BLOB NOT NULL CHECK (length(device) = 32), origin TEXT,
  until INTEGER NOT NULL, sum BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE deletion (
  id INTEGER PRIMARY KEY AUTOINCREMENT, grant_id BLOB, created INTEGER NOT NULL,
  tries INTEGER NOT NULL, last_try INTEGER NOT NULL,
  device BLOB NOT NULL CHECK (length(device) = 32),
  boot_spki BLOB NOT NULL, management_key BLOB NOT NULL, discovery_key BLOB NOT NULL,
  name TEXT NOT NULL, type TEXT NOT NULL, model TEXT NOT NULL, firmware TEXT NOT NULL,
  address TEXT NOT NULL, port INTEGER NOT NULL, bound_at INTEGER NOT NULL,
  reset INTEGER NOT NULL, sum BLOB NOT NULL) STRICT;
)sql";

// New columns are null in old rows, so their sums stay right.
constexpr const char* kVersion2 = R"sql(
ALTER TABLE binding ADD COLUMN evidence BLOB;
ALTER TABLE agent_grant ADD COLUMN hold TEXT
  CHECK (hold IN ('origin_suspended', 'origin_revoked', 'device_revoked', 'device_reset'));
ALTER TABLE agent_grant ADD COLUMN hold_told INTEGER CHECK (hold_told = 1);
)sql";

// Where there is no head yet the vault makes one, and an id, when it opens the store (vault.h).
constexpr const char* kVersion3 = R"sql(
INSERT INTO meta (name, value) VALUES
  ('data_key', x''), ('store_id', zeroblob(16)), ('generation', zeroblob(8)),
  ('head', zeroblob(16));
)sql";

constexpr std::array kMigrations = {kVersion1, kVersion2, kVersion3};

constexpr std::size_t kSealed = 256;
constexpr std::size_t kSpki = 128;
constexpr std::size_t kCertificate = 8192;
constexpr std::size_t kLabel = 256;
constexpr std::size_t kEvidence = 40960;  // four certificates and what is read from them
constexpr std::size_t kHostText = 80;
constexpr std::size_t kOriginText = 300;

const std::vector<Column> kBindingColumns = {{"device", Kind::kBlob, 32},
                                             {"boot_spki", Kind::kBlob, kSpki},
                                             {"management_key", Kind::kSealed, kSealed},
                                             {"discovery_key", Kind::kSealed, kSealed},
                                             {"name", Kind::kText, kLabel},
                                             {"type", Kind::kText, kLabel},
                                             {"model", Kind::kText, kLabel},
                                             {"firmware", Kind::kText, kLabel},
                                             {"address", Kind::kText, kLabel},
                                             {"port", Kind::kInteger},
                                             {"bound_at", Kind::kInteger},
                                             {"reset", Kind::kInteger}};

std::vector<Column> binding_columns() {
  std::vector<Column> columns = kBindingColumns;
  columns.push_back({"evidence", Kind::kBlob, kEvidence, true});
  return columns;
}

std::vector<Column> deletion_columns() {
  std::vector<Column> columns = {{"id", Kind::kInteger},
                                 {"grant_id", Kind::kBlob, 16, true},
                                 {"created", Kind::kInteger},
                                 {"tries", Kind::kInteger},
                                 {"last_try", Kind::kInteger}};
  columns.insert(columns.end(), kBindingColumns.begin(), kBindingColumns.end());
  return columns;
}

void write_binding(RowWriter& writer, const grant::Binding& binding) {
  writer.blob(binding.device.span())
      .blob(binding.boot_spki)
      .key(binding.management_key)
      .secret(binding.discovery_key)
      .text(binding.name)
      .text(binding.type)
      .text(binding.model)
      .text(binding.firmware)
      .text(binding.address)
      .number(binding.port)
      .time(binding.bound_at)
      .flag(binding.reset);
}

grant::Binding read_binding(RowReader& reader) {
  return {.device = reader.id<DeviceId>(),
          .boot_spki = reader.blob(),
          .management_key = reader.key(),
          .discovery_key = reader.secret_array<32>(),
          .name = reader.text(),
          .type = reader.text(),
          .model = reader.text(),
          .firmware = reader.text(),
          .address = reader.text(),
          .port = reader.port(),
          .bound_at = reader.time(),
          .reset = reader.flag()};
}

}  // namespace

const TableShape kUser = {"user",
                          1,
                          {{"id", Kind::kInteger},
                           {"secret", Kind::kSealed, kSealed},
                           {"root_key", Kind::kSealed, kSealed},
                           {"root_certificate", Kind::kBlob, kCertificate},
                           {"created", Kind::kInteger}}};
const TableShape kSetting = {
    "setting",
    1,
    {{"name", Kind::kText, 64}, {"value", Kind::kText, AgentStore::kMaxSettingBytes}}};
const TableShape kBinding = {"binding", 1, binding_columns()};
const TableShape kGrant = {"agent_grant",
                           1,
                           {{"id", Kind::kBlob, 16},
                            {"profile", Kind::kBlob, 16},
                            {"device", Kind::kBlob, 32},
                            {"origin", Kind::kText, kOriginText, true},
                            {"host", Kind::kText, kHostText},
                            {"sub", Kind::kText, 64},
                            {"ca_key", Kind::kSealed, kSealed},
                            {"ca_certificate", Kind::kBlob, kCertificate},
                            {"ticket_key", Kind::kSealed, kSealed},
                            {"offer", Kind::kBlob, 65536},
                            {"leaf", Kind::kBlob, kCertificate},
                            {"not_after", Kind::kInteger},
                            {"renew_at", Kind::kInteger},
                            {"port", Kind::kInteger},
                            {"state", Kind::kText, 16},
                            {"created", Kind::kInteger},
                            {"block_until", Kind::kInteger},
                            {"hold", Kind::kText, 32, true},
                            {"hold_told", Kind::kInteger, 0, true}}};
namespace {
std::uint64_t columns_named(const TableShape& table,
                            std::initializer_list<std::string_view> names) {
  std::uint64_t columns = 0;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (std::find(names.begin(), names.end(), table.columns[i].name) != names.end()) {
      columns |= std::uint64_t{1} << i;
    }
  }
  return columns;
}
}  // namespace
const std::uint64_t kStandingColumns = columns_named(
    kGrant,
    {"id", "profile", "device", "origin", "renew_at", "state", "created", "hold", "hold_told"});
const TableShape kUse = {"grant_use", 1, {{"id", Kind::kBlob, 16}, {"last_used", Kind::kInteger}}};
const TableShape kHost = {"host",
                          1,
                          {{"host", Kind::kText, kHostText},
                           {"device", Kind::kBlob, 32},
                           {"origin", Kind::kText, kOriginText, true},
                           {"until", Kind::kInteger}}};
const TableShape kDeletion = {"deletion", 1, deletion_columns()};

std::uint32_t schema_version() {
  return static_cast<std::uint32_t>(kMigrations.size());
}

Vault::Options options(const std::filesystem::path& folder, std::string vfs) {
  return {{folder, "agent.db", std::move(vfs)},
          {kApplicationId, kMigrations},
          {&kUser, &kSetting, &kBinding, &kGrant, &kUse, &kHost, &kDeletion}};
}

Row row_of(Vault& vault, const User& user) {
  return RowWriter(vault, kUser)
      .number(1)
      .secret(user.secret.span())
      .key(user.root_key)
      .blob(user.root_certificate)
      .time(user.created)
      .row();
}

User user_from(Vault& vault, const Row& row) {
  RowReader reader(vault, kUser, row);
  reader.skip();
  return {.secret = reader.secret(),
          .root_key = reader.key(),
          .root_certificate = reader.blob(),
          .created = reader.time()};
}

Row row_of(Vault& vault, const grant::Binding& binding) {
  RowWriter writer(vault, kBinding);
  write_binding(writer, binding);
  if (binding.evidence.empty()) {
    writer.null();
  } else {
    writer.blob(binding.evidence);
  }
  return writer.row();
}

grant::Binding binding_from(Vault& vault, const Row& row) {
  RowReader reader(vault, kBinding, row);
  grant::Binding binding = read_binding(reader);
  if (!reader.is_null()) {
    binding.evidence = reader.blob();
  }
  return binding;
}

Row row_of(Vault& vault, const grant::AgentGrant& grant) {
  RowWriter writer(vault, kGrant);
  writer.blob(grant.id.span())
      .blob(grant.profile.span())
      .blob(grant.device.span())
      .origin(grant.origin)
      .text(grant.host.text())
      .text(grant.sub)
      .key(grant.ca_key)
      .blob(grant.ca_certificate)
      .key(grant.ticket_key)
      .blob(grant.offer)
      .blob(grant.leaf)
      .time(grant.not_after)
      .time(grant.renew_at)
      .number(grant.port)
      .text(grant::name_of(grant.state))
      .time(grant.created)
      .time(grant.block_until);
  if (grant.hold && grant.hold != grant::Hold::kPaused) {
    writer.text(name_of(*grant.hold));
  } else {
    writer.null();
  }
  if (grant.told_held) {
    writer.flag(true);
  } else {
    writer.null();
  }
  return writer.row();
}

namespace {

bool is_paused(Vault& vault, const GrantId& grant) {
  return vault.find(kSetting, {cell(paused_name(grant))}).has_value();
}

// What holds a suspended grant whose row does not say. Where nobody paused it: before version 2 a
// reset was the only reason.
grant::Hold unnamed_hold(bool paused) {
  return paused ? grant::Hold::kPaused : grant::Hold::kDeviceReset;
}

}  // namespace

grant::AgentGrant grant_from(Vault& vault, const Row& row) {
  RowReader reader(vault, kGrant, row);
  grant::AgentGrant grant{.id = reader.id<GrantId>(),
                          .profile = reader.id<ProfileId>(),
                          .device = reader.id<DeviceId>(),
                          .origin = reader.origin(),
                          .host = reader.host(),
                          .sub = reader.text(),
                          .ca_key = reader.key(),
                          .ca_certificate = reader.blob(),
                          .ticket_key = reader.key(),
                          .offer = reader.blob(),
                          .leaf = reader.blob(),
                          .not_after = reader.time(),
                          .renew_at = reader.time(),
                          .port = reader.port(),
                          .state = reader.state(),
                          .created = reader.time(),
                          .last_used = {},
                          .block_until = reader.time(),
                          .hold = reader.hold()};
  grant.told_held = !reader.is_null();
  if (grant.state == grant::State::kSuspended) {
    grant.paused = is_paused(vault, grant.id);
    grant.hold = grant.hold ? grant.hold : unnamed_hold(grant.paused);
  }
  return grant;
}

std::string paused_name(const GrantId& grant) {
  return "paused." + grant.hex();
}

grant::Standing standing_from(Vault& vault, const Row& row) {
  RowReader reader(vault, kGrant, row);
  const auto skip = [&reader](int columns) {
    for (int i = 0; i < columns; ++i) {
      reader.skip();
    }
  };
  const auto id = reader.id<GrantId>();
  const auto profile = reader.id<ProfileId>();
  grant::Standing standing{.id = id,
                           .profile = profile,
                           .device = reader.id<DeviceId>(),
                           .origin = reader.origin(),
                           .hold = std::nullopt,
                           .created = {},
                           .renew_at = {}};
  skip(8);  // host to not_after
  standing.renew_at = reader.time();
  skip(1);  // port
  standing.state = reader.state();
  standing.created = reader.time();
  skip(1);  // block_until
  standing.hold = reader.hold();
  standing.told_held = !reader.is_null();
  if (standing.state == grant::State::kSuspended && !standing.hold) {
    standing.hold = unnamed_hold(is_paused(vault, standing.id));
  }
  return standing;
}

Row row_of(Vault& vault, const Deletion& deletion) {
  RowWriter writer(vault, kDeletion);
  writer.number(deletion.id);
  if (deletion.grant) {
    writer.blob(deletion.grant->span());
  } else {
    writer.null();
  }
  writer.time(deletion.created).number(deletion.tries).time(deletion.last_try);
  write_binding(writer, deletion.binding);
  return writer.row();
}

Deletion deletion_from(Vault& vault, const Row& row) {
  RowReader reader(vault, kDeletion, row);
  const std::int64_t id = reader.number();
  std::optional<GrantId> grant;
  if (reader.is_null()) {
    reader.skip();
  } else {
    grant = reader.id<GrantId>();
  }
  const WallTime created = reader.time();
  const auto tries = static_cast<std::uint32_t>(reader.count());
  const WallTime last_try = reader.time();
  return {id, read_binding(reader), grant, created, tries, last_try};
}

Row row_of(Vault& vault, const HostClaim& claim) {
  return RowWriter(vault, kHost)
      .text(claim.host.text())
      .blob(claim.device.span())
      .origin(claim.origin)
      .time(claim.until)
      .row();
}

HostClaim claim_from(Vault& vault, const Row& row) {
  RowReader reader(vault, kHost, row);
  return {.host = reader.host(),
          .device = reader.id<DeviceId>(),
          .origin = reader.origin(),
          .until = reader.time()};
}

}  // namespace latchkey::store::agent_tables
