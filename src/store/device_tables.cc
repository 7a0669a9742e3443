#include "store/device_tables.h"

#include <array>

namespace latchkey::store::device_tables {
namespace {

constexpr std::int32_t kApplicationId = 0x4c4b4456;  // "LKDV"

// Written once, never edited: changes are new entries.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE profile (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  boot_key BLOB NOT NULL, discovery_key BLOB NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
  sum BLOB NOT NULL) STRICT;
CREATE TABLE label (
  id INTEGER PRIMARY KEY CHECK (id = 1), key BLOB NOT NULL, sum BLOB NOT NULL) STRICT;
CREATE TABLE pairing_window (
  id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL, open INTEGER NOT NULL,
  attempts_left INTEGER NOT NULL, exhausted INTEGER NOT NULL, sum BLOB NOT NULL) STRICT;
CREATE TABLE agent (
  key_hash BLOB PRIMARY KEY CHECK (length(key_hash) = 32), spki BLOB NOT NULL,
  bound_at INTEGER NOT NULL, last_seen INTEGER NOT NULL, confirmed INTEGER NOT NULL,
  sum BLOB NOT NULL) STRICT;
CREATE TABLE device_grant (
  agent BLOB NOT NULL REFERENCES agent (key_hash),
  id BLOB NOT NULL CHECK (length(id) = 16),
  origin TEXT, host TEXT NOT NULL UNIQUE, sub TEXT NOT NULL, ticket_spki BLOB NOT NULL,
  offer_digest BLOB NOT NULL, key BLOB NOT NULL, csr BLOB NOT NULL, leaf BLOB NOT NULL,
  grant_ca BLOB NOT NULL, not_after INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'active')),
  confirmed INTEGER NOT NULL, created INTEGER NOT NULL, next_key BLOB, next_csr BLOB NOT NULL,
  sum BLOB NOT NULL,
  PRIMARY KEY (agent, id)) STRICT;
CREATE INDEX grant_unconfirmed ON device_grant (created) WHERE confirmed = 0;
CREATE TABLE audit (
  number INTEGER PRIMARY KEY, time INTEGER NOT NULL, agent BLOB, kind TEXT NOT NULL, grant_id BLOB,
  detail TEXT NOT NULL, sum BLOB NOT NULL) STRICT;
)sql";

// Null, which no sum covers, where a grant is not suspended: rows of version 1 stay as they are.
constexpr const char* kVersion2 = R"sql(
ALTER TABLE device_grant ADD COLUMN suspended INTEGER CHECK (suspended IS NULL OR suspended = 1);
)sql";

// Where there is no head yet the vault makes one, and an id, when it opens the store (vault.h).
constexpr const char* kVersion3 = R"sql(
INSERT INTO meta (name, value) VALUES
  ('data_key', x''), ('store_id', zeroblob(16)), ('generation', zeroblob(8)),
  ('head', zeroblob(16));
ALTER TABLE device_grant ADD COLUMN sso_issuer TEXT;
ALTER TABLE device_grant ADD COLUMN sso_client TEXT;
CREATE TABLE sso_client (
  issuer TEXT NOT NULL, redirect_uri TEXT NOT NULL, id TEXT NOT NULL, auth TEXT NOT NULL,
  secret BLOB NOT NULL, sum BLOB NOT NULL,
  PRIMARY KEY (issuer, redirect_uri)) STRICT;
)sql";

constexpr std::array kMigrations = {kVersion1, kVersion2, kVersion3};

constexpr std::size_t kSealed = 256;
constexpr std::size_t kSpki = 128;
constexpr std::size_t kCertificate = 8192;
constexpr std::size_t kCsr = 4096;
constexpr std::size_t kName = 256;

void write_id(RowWriter& writer, const std::optional<ByteSpan>& id) {
  if (id) {
    writer.blob(*id);
  } else {
    writer.null();
  }
}

template <class Id>
std::optional<Id> read_id(RowReader& reader) {
  if (reader.is_null()) {
    reader.skip();
    return std::nullopt;
  }
  return reader.id<Id>();
}

bool read_mark(RowReader& reader) {
  if (reader.is_null()) {
    reader.skip();
    return false;
  }
  return reader.flag();
}

std::optional<crypto::PrivateKey> read_next_key(RowReader& reader) {
  if (reader.is_null()) {
    reader.skip();
    return std::nullopt;
  }
  return reader.key();
}

}  // namespace

const TableShape kProfile = {"profile",
                             1,
                             {{"id", Kind::kInteger},
                              {"boot_key", Kind::kSealed, kSealed},
                              {"discovery_key", Kind::kSealed, kSealed},
                              {"name", Kind::kText, kName},
                              {"type", Kind::kText, kName}}};
const TableShape kLabel = {"label", 1, {{"id", Kind::kInteger}, {"key", Kind::kSealed, kSealed}}};
const TableShape kWindow = {"pairing_window",
                            1,
                            {{"id", Kind::kInteger},
                             {"generation", Kind::kInteger},
                             {"open", Kind::kInteger},
                             {"attempts_left", Kind::kInteger},
                             {"exhausted", Kind::kInteger}}};
const TableShape kAgent = {"agent",
                           1,
                           {{"key_hash", Kind::kBlob, 32},
                            {"spki", Kind::kBlob, kSpki},
                            {"bound_at", Kind::kInteger},
                            {"last_seen", Kind::kInteger},
                            {"confirmed", Kind::kInteger}}};
const TableShape kGrant = {"device_grant",
                           2,
                           {{"agent", Kind::kBlob, 32},
                            {"id", Kind::kBlob, 16},
                            {"origin", Kind::kText, 300, true},
                            {"host", Kind::kText, 80},
                            {"sub", Kind::kText, 64},
                            {"ticket_spki", Kind::kBlob, kSpki},
                            {"offer_digest", Kind::kBlob, 32},
                            {"key", Kind::kSealed, kSealed},
                            {"csr", Kind::kBlob, kCsr},
                            {"leaf", Kind::kBlob, kCertificate},
                            {"grant_ca", Kind::kBlob, kCertificate},
                            {"not_after", Kind::kInteger},
                            {"state", Kind::kText, 16},
                            {"confirmed", Kind::kInteger},
                            {"created", Kind::kInteger},
                            {"next_key", Kind::kSealed, kSealed, true},
                            {"next_csr", Kind::kBlob, kCsr},
                            {"suspended", Kind::kInteger, 0, true},
                            {"sso_issuer", Kind::kText, Issuer::kMaxSize, true},
                            {"sso_client", Kind::kText, SignInOffer::kMaxClient, true}}};
const TableShape kAudit = {"audit",
                           1,
                           {{"number", Kind::kInteger},
                            {"time", Kind::kInteger},
                            {"agent", Kind::kBlob, 32, true},
                            {"kind", Kind::kText, 32},
                            {"grant_id", Kind::kBlob, 16, true},
                            {"detail", Kind::kText, 200}}};

const TableShape kSsoClient = {"sso_client",
                               2,
                               {{"issuer", Kind::kText, 2048},
                                {"redirect_uri", Kind::kText, 2048},
                                {"id", Kind::kText, 255},
                                {"auth", Kind::kText, 16},
                                {"secret", Kind::kSealed, 1024}}};

// Those that refer to others come last.
Vault::Options options(const std::filesystem::path& folder, std::string vfs) {
  return {{folder, std::string(DeviceStore::kFile), std::move(vfs)},
          {kApplicationId, kMigrations},
          {&kProfile, &kLabel, &kWindow, &kAgent, &kGrant, &kAudit, &kSsoClient}};
}

Row row_of(Vault& vault, const DeviceProfile& profile) {
  return RowWriter(vault, kProfile)
      .number(1)
      .key(profile.boot_key)
      .secret(profile.discovery_key)
      .text(profile.name)
      .text(profile.type)
      .row();
}

DeviceProfile profile_from(Vault& vault, const Row& row) {
  RowReader reader(vault, kProfile, row);
  reader.skip();
  return {.boot_key = reader.key(),
          .discovery_key = reader.secret_array<32>(),
          .name = reader.text(),
          .type = reader.text()};
}

Row row_of(Vault& vault, const pairing::WindowRecord& record) {
  return RowWriter(vault, kWindow)
      .number(1)
      .number(static_cast<std::int64_t>(record.generation))
      .flag(record.open)
      .number(record.attempts_left)
      .number(record.exhausted)
      .row();
}

pairing::WindowRecord window_from(Vault& vault, const Row& row) {
  RowReader reader(vault, kWindow, row);
  reader.skip();
  return {.generation = reader.count(),
          .open = reader.flag(),
          .attempts_left = static_cast<std::uint32_t>(reader.count()),
          .exhausted = static_cast<std::uint32_t>(reader.count())};
}

Row row_of(Vault& vault, const StoredAgent& stored) {
  return RowWriter(vault, kAgent)
      .blob(stored.agent.key_hash.span())
      .blob(stored.agent.spki)
      .time(stored.agent.bound_at)
      .time(stored.agent.last_seen)
      .flag(stored.confirmed)
      .row();
}

StoredAgent agent_from(Vault& vault, const Row& row) {
  RowReader reader(vault, kAgent, row);
  return {.agent = {.key_hash = reader.id<SpkiHash>(),
                    .spki = reader.blob(),
                    .bound_at = reader.time(),
                    .last_seen = reader.time()},
          .confirmed = reader.flag()};
}

Row row_of(Vault& vault, const grant::DeviceGrant& grant) {
  RowWriter writer(vault, kGrant);
  writer.blob(grant.agent.span())
      .blob(grant.id.span())
      .origin(grant.origin)
      .text(grant.host.text())
      .text(grant.sub)
      .blob(grant.ticket_spki)
      .blob(grant.offer_digest)
      .key(grant.key)
      .blob(grant.csr)
      .blob(grant.leaf)
      .blob(grant.grant_ca)
      .time(grant.not_after)
      .text(grant::name_of(grant.state))
      .flag(grant.confirmed)
      .time(grant.created);
  if (grant.next_key) {
    writer.key(*grant.next_key);
  } else {
    writer.null();
  }
  writer.blob(grant.next_csr);
  if (grant.suspended) {
    writer.flag(true);
  } else {
    writer.null();
  }
  if (grant.sso) {
    writer.text(grant.sso->issuer.text()).text(grant.sso->client);
  } else {
    writer.null().null();
  }
  return writer.row();
}

grant::DeviceGrant grant_from(Vault& vault, const Row& row) {
  RowReader reader(vault, kGrant, row);
  return {.agent = reader.id<SpkiHash>(),
          .id = reader.id<GrantId>(),
          .origin = reader.origin(),
          .host = reader.host(),
          .sub = reader.text(),
          .ticket_spki = reader.blob(),
          .offer_digest = reader.array<32>(),
          .key = reader.key(),
          .csr = reader.blob(),
          .leaf = reader.blob(),
          .grant_ca = reader.blob(),
          .not_after = reader.time(),
          .state = reader.state(),
          .confirmed = reader.flag(),
          .created = reader.time(),
          .next_key = read_next_key(reader),
          .next_csr = reader.blob(),
          .suspended = read_mark(reader),
          .sso = reader.sign_in()};
}

Row row_of(Vault& vault, const SsoClient& client) {
  return RowWriter(vault, kSsoClient)
      .text(client.issuer)
      .text(client.redirect_uri)
      .text(client.id)
      .text(client.auth)
      .secret(client.secret.span())
      .row();
}

SsoClient sso_client_from(Vault& vault, const Row& row) {
  RowReader reader(vault, kSsoClient, row);
  return {.issuer = reader.text(),
          .redirect_uri = reader.text(),
          .id = reader.text(),
          .auth = reader.text(),
          .secret = reader.secret()};
}

Row row_of(Vault& vault, const AuditEvent& event) {
  RowWriter writer(vault, kAudit);
  writer.number(static_cast<std::int64_t>(event.number)).time(event.time);
  write_id(writer, event.agent ? std::optional<ByteSpan>(event.agent->span()) : std::nullopt);
  writer.text(event.kind);
  write_id(writer, event.grant ? std::optional<ByteSpan>(event.grant->span()) : std::nullopt);
  return writer.text(event.detail).row();
}

AuditEvent event_from(Vault& vault, const Row& row) {
  RowReader reader(vault, kAudit, row);
  return {.number = reader.count(),
          .time = reader.time(),
          .agent = read_id<SpkiHash>(reader),
          .kind = reader.text(),
          .grant = read_id<GrantId>(reader),
          .detail = reader.text()};
}

}  // namespace latchkey::store::device_tables
