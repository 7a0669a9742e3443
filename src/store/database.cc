#include "store/database.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <system_error>
#include <unordered_map>
#include <utility>

#include "store/files.h"

namespace latchkey::store {
namespace {

namespace fs = std::filesystem;

// No value in any store comes near it; more is not ours.
constexpr int kMaxValueBytes = 1 << 20;
constexpr int kBusyTimeoutMs = 2000;

ErrorCode code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_SCHEMA:
      return ErrorCode::kCorrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorCode::kBusy;
    case SQLITE_CONSTRAINT:
      return ErrorCode::kConflict;
    default:
      return ErrorCode::kIo;
  }
}

template <class T>
T take(Result<T> result) {
  if (!result) {
    throw Failure{std::move(result).error()};
  }
  if constexpr (!std::is_void_v<T>) {
    return *std::move(result);
  }
}

std::int64_t pragma_int(SQLite::Database& db, const char* sql) {
  return db.execAndGet(sql).getInt64();
}

}  // namespace

void throw_failure(ErrorCode code, std::string detail) {
  throw Failure{Error{code, std::move(detail)}};
}

Error current_error() {
  try {
    throw;
  } catch (Failure& failure) {
    return std::move(failure.error);
  } catch (const SQLite::Exception& e) {
    return {code_of(e.getErrorCode()), e.what()};
  } catch (const fs::filesystem_error& e) {
    return {ErrorCode::kIo, e.what()};
  }
}

struct Database::State {
  FileHandle lock;
  std::unique_ptr<SQLite::Database> db;
  std::unordered_map<std::string, std::unique_ptr<SQLite::Statement>> statements;
  bool failed = false;

  void check_usable() const {
    if (failed) {
      throw_failure(ErrorCode::kIo, "a commit failed earlier: the store must be opened anew");
    }
  }
};

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() {
  if (state_ != nullptr) {
    state_->statements.clear();  // before the connection that they belong to
  }
}

Result<Database> Database::open(const Location& location, const Schema& schema,
                                const std::function<void(Database&)>& fill, Check check) {
  return guarded([&] {
    take(make_folder(location.folder, location.group));
    const fs::path path = location.folder / location.file;
    FileHandle lock = take(lock_file(fs::path(path) += ".lock"));
    if (!fs::exists(fs::symlink_status(path))) {
      create(location, schema, fill);
    }
    // A new file comes into this name whole, so an empty one was emptied by something else.
    if (take(check_private_file(path)) == 0) {
      throw_failure(ErrorCode::kCorrupt, path.string() + " is empty");
    }
    Database database = connect(location, path);
    database.state_->lock = std::move(lock);
    database.check(schema, check);
    return database;
  });
}

Result<Database> Database::open_for_reading(const Location& location, const Schema& schema) {
  return guarded([&] {
    const fs::path path = location.folder / location.file;
    FileHandle lock = take(lock_file_for_reading(fs::path(path) += ".lock"));
    take(check_file_for_reading(path));
    Database database = connect(location, path, false);
    database.state_->lock = std::move(lock);
    if (pragma_int(*database.state_->db, "PRAGMA user_version") !=
        static_cast<std::int64_t>(schema.migrations.size())) {
      throw_failure(ErrorCode::kIo, "the store would have to be brought up to date first");
    }
    database.check(schema, Check::kAll);
    return database;
  });
}

Database Database::connect(const Location& location, const fs::path& path, bool writes) {
  auto state = std::make_unique<State>();
  state->db = std::make_unique<SQLite::Database>(
      path.string(), writes ? SQLite::OPEN_READWRITE : SQLite::OPEN_READONLY, kBusyTimeoutMs,
      location.vfs);
  sqlite3* handle = state->db->getHandle();
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, kMaxValueBytes);
  sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 1);  // VACUUM needs the one
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  state->db->exec(
      "PRAGMA locking_mode = EXCLUSIVE;"
      "PRAGMA synchronous = EXTRA;"
      "PRAGMA secure_delete = ON;"
      "PRAGMA temp_store = MEMORY;"
      "PRAGMA mmap_size = 0;"
      "PRAGMA cache_size = -1024;"  // KiB: of a large store, more would be held for ever
      "PRAGMA cell_size_check = ON;");
  if (writes && state->db->execAndGet("PRAGMA journal_mode = TRUNCATE").getString() != "truncate") {
    throw_failure(ErrorCode::kIo, "cannot set the journal mode");
  }
  return Database(std::move(state));
}

void Database::create(const Location& location, const Schema& schema,
                      const std::function<void(Database&)>& fill) {
  const fs::path path = location.folder / location.file;
  const fs::path fresh = fs::path(path) += ".new";
  const fs::path journal = fs::path(fresh) += "-journal";
  fs::remove(fresh);
  fs::remove(journal);
  take(make_private_file(fresh));
  {
    Database database = connect(location, fresh);
    database.execute(("PRAGMA application_id = " + std::to_string(schema.application_id)).c_str());
    database.migrate(schema, 0, fill);
  }
  fs::remove(journal);
  take(rename_durably({fresh, path}));
}

void Database::check(const Schema& schema, Check check) {
  SQLite::Database& db = *state_->db;
  if (pragma_int(db, "PRAGMA application_id") != schema.application_id) {
    throw_failure(ErrorCode::kCorrupt, "not a store of this kind");
  }
  const std::int64_t version = pragma_int(db, "PRAGMA user_version");
  if (version > static_cast<std::int64_t>(schema.migrations.size())) {
    throw_failure(ErrorCode::kTooNew, "the store has version " + std::to_string(version) +
                                          ", this program knows " +
                                          std::to_string(schema.migrations.size()));
  }
  if (version < 1) {
    throw_failure(ErrorCode::kCorrupt, "the store has no version");
  }
  if (check == Check::kAll || version < static_cast<std::int64_t>(schema.migrations.size())) {
    check_pages();
    migrate(schema, static_cast<std::size_t>(version), nullptr);
    check_references();
  }
  db.exec("PRAGMA foreign_keys = ON");
}

void Database::check_structure() {
  state_->check_usable();
  check_pages();
  check_references();
}

void Database::check_pages() {
  if (const std::string verdict = state_->db->execAndGet("PRAGMA integrity_check(1)").getString();
      verdict != "ok") {
    throw_failure(ErrorCode::kCorrupt, verdict);
  }
}

void Database::check_references() {
  SQLite::Statement foreign(*state_->db, "PRAGMA foreign_key_check");
  if (foreign.executeStep()) {
    throw_failure(ErrorCode::kCorrupt, "a row refers to one that is not there");
  }
}

// Foreign keys are off here: SQLite can only rebuild a table that others refer to without them.
// They are checked afterwards.
void Database::migrate(const Schema& schema, std::size_t from,
                       const std::function<void(Database&)>& fill) {
  for (std::size_t version = from; version < schema.migrations.size(); ++version) {
    begin();
    try {
      execute(schema.migrations[version]);
      if (version + 1 == schema.migrations.size() && fill) {
        fill(*this);
      }
      execute(("PRAGMA user_version = " + std::to_string(version + 1)).c_str());
      commit();
    } catch (...) {
      roll_back();
      throw;
    }
  }
}

void Database::execute(const char* sql) {
  state_->check_usable();
  state_->db->exec(sql);
}

void Database::begin() {
  execute("BEGIN EXCLUSIVE");
}

void Database::commit() {
  state_->check_usable();
  try {
    state_->db->exec("COMMIT");
  } catch (const SQLite::Exception& e) {
    state_->failed = (e.getErrorCode() & 0xff) == SQLITE_IOERR;
    throw;
  }
}

void Database::roll_back() noexcept {
  for (auto& [sql, statement] : state_->statements) {
    statement->tryReset();
  }
  sqlite3* handle = state_->db->getHandle();
  if (sqlite3_get_autocommit(handle) == 0 && state_->db->tryExec("ROLLBACK") != SQLITE_OK &&
      sqlite3_get_autocommit(handle) == 0) {
    state_->failed = true;
  }
}

SQLite::Statement& Database::prepared(const std::string& sql) {
  state_->check_usable();
  auto& slot = state_->statements[sql];
  if (slot == nullptr) {
    slot = std::make_unique<SQLite::Statement>(*state_->db, sql);
  }
  return *slot;
}

void Database::vacuum() {
  state_->statements.clear();
  execute("VACUUM");
}

}  // namespace latchkey::store
