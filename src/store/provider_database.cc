#include "store/provider_database.h"

#include <libpq-fe.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/text.h"
#include "store/files.h"
#include "store/provider_connection.h"

namespace latchkey::store {
namespace {

constexpr int kMaxAttempts = 20;
// In one statement. PostgreSQL takes 65535, and each statement is a trip over the network; SQLite
// looks each one up by its name among all of them.
constexpr std::size_t kMaxParametersPostgres = 10000;
constexpr std::size_t kMaxParametersSqlite = 320;

// Collisions with another writer: the same may well work a moment later. A duplicate key is one
// too, since every change looks first whether its row is there.
constexpr std::array<std::string_view, 4> kCollisions = {"40001", "40P01", "23505", "42P07"};

std::string state_of(const std::exception& error) {
  const auto* postgres = dynamic_cast<const soci::postgresql_soci_error*>(&error);
  return postgres != nullptr ? postgres->sqlstate() : std::string();
}

int sqlite_code(const std::exception& error) {
  const auto* sqlite = dynamic_cast<const soci::sqlite3_soci_error*>(&error);
  return sqlite != nullptr ? sqlite->result() & 0xff : 0;
}

// Without the statement and its values, which SOCI's what() adds.
std::string message_of(const std::exception& error) {
  const auto* known = dynamic_cast<const soci::soci_error*>(&error);
  std::string text = known != nullptr ? known->get_error_message() : error.what();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string placeholders(std::size_t rows, std::size_t columns) {
  std::string text;
  std::size_t number = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    text += row == 0 ? "(" : ", (";
    for (std::size_t column = 0; column < columns; ++column) {
      text += (column == 0 ? ":v" : ", :v") + std::to_string(number++);
    }
    text += ')';
  }
  return text;
}

}  // namespace

void refuse(provider::ErrorCode code, std::string detail) {
  throw Refusal{{code, std::move(detail)}};
}

void check_text(std::string_view text, std::size_t min, std::size_t max, const char* what) {
  if (text.size() < min || text.size() > max) {
    refuse(provider::ErrorCode::kInvalid, std::string(what) + " must have " + std::to_string(min) +
                                              " to " + std::to_string(max) + " bytes");
  }
  if (text.find('\0') != std::string_view::npos || !is_utf8(text)) {
    refuse(provider::ErrorCode::kInvalid, std::string(what) + " is not a text in UTF-8");
  }
}

void check_act(const provider::Act& act) {
  check_text(act.who, 1, 64, "the name of who does this");
  check_text(act.role, 1, 32, "the role");
  check_text(act.why, 0, 300, "the reason");
}

ProviderDatabase::~ProviderDatabase() = default;

provider::Result<std::unique_ptr<ProviderDatabase>> ProviderDatabase::connect(
    const std::string& text, bool create) {
  auto target = read_connection(text);
  if (!target) {
    return fail(std::move(target.error()));
  }
  if (!target->postgres) {
    if (auto ready = prepare_sqlite_file(target->text, create); !ready) {
      return fail(std::move(ready.error()));
    }
  }
  auto database = std::unique_ptr<ProviderDatabase>(new ProviderDatabase());
  database->postgres_ = target->postgres;
  try {
    if (target->postgres) {
      database->session_.open(soci::postgresql, target->text);
    } else {
      // SOCI takes what is quoted as it is; read_connection has refused quotes.
      database->session_.open(soci::sqlite3,
                              "db=\"" + target->text + "\" timeout=60 nocreate=true");
    }
    database->set_up();
  } catch (const std::exception& error) {
    return fail(provider::Error{provider::ErrorCode::kUnreachable,
                                "the database cannot be opened: " + message_of(error)});
  }
  return database;
}

void ProviderDatabase::set_up() {
  if (!postgres_) {
    // A journal that is truncated leaves one file to back up and to protect; EXTRA also makes its
    // end durable. Readers see one moment under SQLite's own locks.
    for (const char* setting : {"PRAGMA foreign_keys = ON", "PRAGMA synchronous = EXTRA",
                                "PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON"}) {
      session_ << setting;
    }
    std::string mode;
    session_ << "PRAGMA journal_mode = TRUNCATE", soci::into(mode);
    return;
  }
  // A program that hangs must not hold everybody else's turn.
  for (const char* setting :
       {"SET lock_timeout = '60s'", "SET idle_in_transaction_session_timeout = '120s'"}) {
    try {
      session_ << setting;
    } catch (const soci::soci_error&) {
      // Databases that only speak the protocol may not know one of them.
      if (!is_alive()) {
        throw;
      }
    }
  }
}

bool ProviderDatabase::is_alive() {
  if (!postgres_) {
    return true;
  }
  const auto* backend = static_cast<soci::postgresql_session_backend*>(session_.get_backend());
  return backend != nullptr && backend->conn_ != nullptr &&
         ::PQstatus(backend->conn_) == CONNECTION_OK;
}

void ProviderDatabase::reconnect_if_lost() {
  if (lost_) {
    session_.reconnect();
    set_up();
    lost_ = false;
  }
}

provider::Error ProviderDatabase::trouble(const std::exception& error) {
  const std::string state = state_of(error);
  again_ = std::find(kCollisions.begin(), kCollisions.end(), state) != kCollisions.end();
  if (!is_alive() || state.starts_with("08") || state.starts_with("57P")) {
    lost_ = true;
    again_ = false;
    return {provider::ErrorCode::kUnreachable,
            "the database does not answer: " + message_of(error)};
  }
  constexpr int kSqliteBusy = 5;
  constexpr int kSqliteConstraint = 19;
  if (again_ || state == "55P03" || sqlite_code(error) == kSqliteBusy) {
    return {provider::ErrorCode::kUnreachable, "the database is busy: " + message_of(error)};
  }
  if (state.starts_with("23") || sqlite_code(error) == kSqliteConstraint) {
    return {provider::ErrorCode::kConflict, "the database refuses this: " + message_of(error)};
  }
  return {provider::ErrorCode::kInternal, "the database failed: " + message_of(error)};
}

provider::Result<void> ProviderDatabase::attempt(const std::function<void()>& work) {
  again_ = false;
  try {
    reconnect_if_lost();
    work();
    return {};
  } catch (const Refusal& refusal) {
    return fail(refusal.error);
  } catch (const std::exception& error) {
    return fail(trouble(error));
  }
}

void ProviderDatabase::roll_back() {
  try {
    session_ << "ROLLBACK";
  } catch (const std::exception& error) {
    // SQLite has rolled back by itself after some errors. PostgreSQL that cannot is gone.
    lost_ = lost_ || postgres_;
  }
}

provider::Result<void> ProviderDatabase::transaction(const char* begin,
                                                     const std::function<void()>& work) {
  const auto whole = [&] {
    session_ << begin;
    try {
      work();
      session_ << "COMMIT";
    } catch (...) {
      roll_back();
      throw;
    }
  };
  return attempt(whole);
}

provider::Result<void> ProviderDatabase::change(const std::function<void()>& work) {
  LATCHKEY_CHECK(!in_moment_);
  const char* begin = postgres_ ? "BEGIN ISOLATION LEVEL READ COMMITTED" : "BEGIN IMMEDIATE";
  for (int tries = 1;; ++tries) {
    auto done = transaction(begin, work);
    if (done || !again_ || tries == kMaxAttempts) {
      return done;
    }
    // Two that collided should not come back at the same time.
    const auto pause = std::chrono::milliseconds(tries * (3 + ::getpid() % 7));
    std::this_thread::sleep_for(pause);
  }
}

provider::Result<void> ProviderDatabase::in_moment(const std::function<void()>& work) {
  if (in_moment_) {
    return attempt(work);
  }
  in_moment_ = true;
  auto done =
      transaction(postgres_ ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN", work);
  in_moment_ = false;
  return done;
}

void ProviderDatabase::insert(const std::string& into, std::size_t columns,
                              const std::vector<Row>& rows) {
  const std::size_t most = (postgres_ ? kMaxParametersPostgres : kMaxParametersSqlite) / columns;
  for (std::size_t at = 0; at < rows.size();) {
    const std::size_t count = std::min(most, rows.size() - at);
    soci::statement statement(session_);
    for (std::size_t row = at; row < at + count; ++row) {
      LATCHKEY_CHECK(rows[row].size() == columns);
      for (const std::string& value : rows[row]) {
        statement.exchange(soci::use(value));
      }
    }
    statement.alloc();
    statement.prepare("INSERT INTO " + into + " VALUES " + placeholders(count, columns),
                      soci::details::st_one_time_query);
    statement.define_and_bind();
    statement.execute(true);
    at += count;
  }
}

std::uint64_t ProviderDatabase::take_numbers(std::size_t count) {
  long long last = 0;
  const auto more = static_cast<long long>(count);
  session_ << "UPDATE counter SET seq = seq + :more WHERE id = 1 RETURNING seq", soci::use(more),
      soci::into(last);
  return static_cast<std::uint64_t>(last - more + 1);
}

std::int64_t ProviderDatabase::take_id(const char* kind) {
  long long id = 0;
  session_ << "UPDATE counter SET " + std::string(kind) + " = " + kind +
                  " + 1 WHERE id = 1 RETURNING " + kind,
      soci::into(id);
  return id;
}

void ProviderDatabase::log(std::uint64_t seq, const provider::Act& act, const char* action,
                           const std::string& subject, const std::string& detail) {
  log_all(seq, act, action, {{subject, detail}});
}

void ProviderDatabase::log_all(std::uint64_t first, const provider::Act& act, const char* action,
                               const std::vector<Line>& lines) {
  std::vector<Row> rows;
  rows.reserve(lines.size());
  for (const Line& line : lines) {
    rows.push_back({std::to_string(first++), std::to_string(act.when.unix_seconds), act.who,
                    act.role, act.why, action, line.subject, line.detail});
  }
  insert("audit (seq, happened, who, role, why, action, subject, detail)", 8, rows);
}

}  // namespace latchkey::store
