#include "store/provider_schema.h"

#include <string>
#include <string_view>
#include <vector>

namespace latchkey::store {
namespace {

using provider::Error;
using provider::ErrorCode;

// {key} is a text that is compared byte by byte, whatever the database's language: pages and
// published tables depend on the order.
const std::vector<std::string>& tables_v1() {
  static const std::vector<std::string> statements = {
      // One row. Sequences would leave holes and be visible out of order.
      "CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), seq BIGINT NOT NULL,"
      " vendor BIGINT NOT NULL, token BIGINT NOT NULL)",
      "INSERT INTO counter (id, seq, vendor, token) VALUES (1, 0, 0, 0)",
      "CREATE TABLE vendor (id BIGINT PRIMARY KEY, name {key} NOT NULL UNIQUE,"
      " contact TEXT NOT NULL, created BIGINT NOT NULL)",
      "CREATE TABLE vendor_root (vendor BIGINT NOT NULL REFERENCES vendor (id),"
      " place INTEGER NOT NULL, der TEXT NOT NULL, PRIMARY KEY (vendor, place))",
      "CREATE TABLE model (aaguid {key} PRIMARY KEY, vendor BIGINT NOT NULL REFERENCES vendor (id),"
      " name TEXT NOT NULL, type TEXT NOT NULL, roots TEXT NOT NULL)",
      "CREATE TABLE model_report (aaguid {key} NOT NULL REFERENCES model (aaguid),"
      " place INTEGER NOT NULL, status INTEGER NOT NULL, effective BIGINT NOT NULL,"
      " reason TEXT NOT NULL, PRIMARY KEY (aaguid, place))",
      "CREATE TABLE origin (origin {key} PRIMARY KEY, name TEXT NOT NULL, icon TEXT NOT NULL,"
      " contact TEXT NOT NULL, status INTEGER NOT NULL, reason TEXT NOT NULL,"
      " since BIGINT NOT NULL, checked BIGINT NOT NULL)",
      "CREATE TABLE device (spki {key} PRIMARY KEY, reason TEXT NOT NULL, since BIGINT NOT NULL)",
      "CREATE TABLE token (id BIGINT PRIMARY KEY, name {key} NOT NULL UNIQUE, role TEXT NOT NULL,"
      " hash {key} NOT NULL UNIQUE, created BIGINT NOT NULL, expires BIGINT NOT NULL)",
      "CREATE TABLE audit (seq BIGINT PRIMARY KEY, happened BIGINT NOT NULL, who TEXT NOT NULL,"
      " role TEXT NOT NULL, why TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,"
      " detail TEXT NOT NULL)",
      "CREATE TABLE publication (no BIGINT PRIMARY KEY, seq BIGINT NOT NULL,"
      " published BIGINT NOT NULL, jws TEXT NOT NULL)",
      "CREATE TABLE lease (id INTEGER PRIMARY KEY CHECK (id = 1), holder TEXT NOT NULL,"
      " ends BIGINT NOT NULL)",
      "INSERT INTO lease (id, holder, ends) VALUES (1, '', 0)",
  };
  return statements;
}

// Nobody who comes through this program, or through a mistake at a prompt, rewrites history. (The
// owner of a database can take the triggers away; the log then says less than backups do.)
const std::vector<std::string> kSqliteGuards = {
    "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    // INSERT OR REPLACE deletes without asking the trigger above.
    "CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit"
    " WHEN EXISTS (SELECT 1 FROM audit WHERE seq >= NEW.seq)"
    " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
};
const std::vector<std::string> kPostgresGuards = {
    "CREATE FUNCTION audit_is_fixed() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
    "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE ON audit"
    " FOR EACH ROW EXECUTE FUNCTION audit_is_fixed()",
};
// Not every database that speaks PostgreSQL's protocol has triggers on TRUNCATE.
constexpr const char* kTruncateGuard =
    "CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit"
    " FOR EACH STATEMENT EXECUTE FUNCTION audit_is_fixed()";

std::string in_dialect(std::string text, bool postgres) {
  constexpr std::string_view kMark = "{key}";
  const std::string type = postgres ? "TEXT COLLATE \"C\"" : "TEXT";
  for (std::size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at)) {
    text.replace(at, kMark.size(), type);
  }
  return text;
}

void guard_truncate(ProviderDatabase& database) {
  database.run("SAVEPOINT guard");
  try {
    database.run(kTruncateGuard);
    database.run("RELEASE SAVEPOINT guard");
  } catch (const soci::soci_error&) {
    database.run("ROLLBACK TO SAVEPOINT guard");
  }
}

void make_v1(ProviderDatabase& database) {
  for (const std::string& statement : tables_v1()) {
    database.run(in_dialect(statement, database.is_postgres()));
  }
  for (const std::string& guard : database.is_postgres() ? kPostgresGuards : kSqliteGuards) {
    database.run(guard);
  }
  if (database.is_postgres()) {
    guard_truncate(database);
  }
}

bool has_version_table(ProviderDatabase& database) {
  int found = 0;
  database.sql() << (database.is_postgres()
                         ? "SELECT COUNT(*) FROM information_schema.tables"
                           " WHERE table_name = 'latchkey_provider'"
                           " AND table_schema = current_schema()"
                         : "SELECT COUNT(*) FROM sqlite_master WHERE name = 'latchkey_provider'"),
      soci::into(found);
  return found > 0;
}

int read_version(ProviderDatabase& database) {
  int version = 0;
  if (has_version_table(database)) {
    database.sql() << "SELECT version FROM latchkey_provider WHERE id = 1", soci::into(version);
  }
  return version;
}

Error too_new(int version) {
  return {ErrorCode::kInvalid, "the database is of version " + std::to_string(version) +
                                   ", written by a newer latchkey-provider: use that one"};
}

}  // namespace

provider::Result<int> make_provider_tables(ProviderDatabase& database) {
  int before = 0;
  auto made = database.change([&] {
    before = read_version(database);
    if (before > kProviderSchema) {
      throw Refusal{too_new(before)};
    }
    if (before == 0) {
      database.run(
          "CREATE TABLE latchkey_provider (id INTEGER PRIMARY KEY CHECK (id = 1),"
          " version INTEGER NOT NULL)");
      database.run("INSERT INTO latchkey_provider (id, version) VALUES (1, 0)");
      make_v1(database);
    }
    database.run("UPDATE latchkey_provider SET version = :version WHERE id = 1", kProviderSchema);
  });
  if (!made) {
    return fail(std::move(made.error()));
  }
  return before;
}

provider::Result<void> check_provider_tables(ProviderDatabase& database) {
  auto version = database.moment([&] { return read_version(database); });
  if (!version) {
    return fail(std::move(version.error()));
  }
  if (*version > kProviderSchema) {
    return fail(too_new(*version));
  }
  if (*version < kProviderSchema) {
    return fail(Error{ErrorCode::kInvalid,
                      *version == 0 ? "the database has no tables yet: run latchkey-provider init"
                                    : "the database is of an older version: run "
                                      "latchkey-provider init to bring it up to date"});
  }
  return {};
}

}  // namespace latchkey::store
