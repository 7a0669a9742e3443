// One SQLite file, opened so that what it says is stored, is stored.
//
// journal_mode=TRUNCATE with synchronous=EXTRA: a commit returns after the file and the end of its
// rollback journal are both synced. At rest one file holds everything, so that a copy of it is
// whole, and no log that was cut short can undo a revocation silently, as with WAL; writes here are
// too rare for WAL's speed to matter. (DELETE with synchronous=FULL does not sync the folder after
// the journal is unlinked: after a power cut the journal may be back and undo the last commit.)
//
// Internal to src/store. One thread. Exceptions (SQLite::Exception, Failure) stay inside the
// library: see guarded().
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

#include "store/error.h"

namespace SQLite {
class Database;
class Statement;
}  // namespace SQLite

namespace latchkey::store {

struct Location {
  std::filesystem::path folder;
  std::string file;  // "agent.db"; beside it: ".lock", "-journal", and ".new" while being made
  std::string vfs;   // SQLite's name of the file layer; empty: the system's
  // Who else may change the folder, though not the file; nothing: nobody.
  std::optional<gid_t> group = std::nullopt;
};

// What a file of one kind looks like. `migrations[i]` is the SQL that leads from version i to
// i + 1, each run in a transaction of its own; they are never edited, only added to.
struct Schema {
  std::int32_t application_id = 0;
  std::span<const char* const> migrations;
};

// What open() looks at before it returns.
enum class Check {
  kAll,
  kLater,  // the file's structure is left to check_structure(), but where a migration comes first
};

// An Error on its way to guarded().
struct Failure {
  Error error;
};
[[noreturn]] void throw_failure(ErrorCode code, std::string detail);
// Inside a catch: what is being handled, as an Error; anything unknown is thrown on.
Error current_error();

// Runs work that may throw; what comes out is a value or an Error.
template <class F>
auto guarded(F&& work) -> Result<std::invoke_result_t<F>> {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      std::forward<F>(work)();
      return {};
    } else {
      return std::forward<F>(work)();
    }
  } catch (...) {
    return fail(current_error());
  }
}

class Database {
 public:
  // Takes the lock, makes the file where there is none (under another name, so that a power cut
  // leaves either nothing or a whole store; `fill` adds the first rows), checks its integrity and
  // brings its schema up to date. `fill` runs inside a transaction and may throw.
  static Result<Database> open(const Location& location, const Schema& schema,
                               const std::function<void(Database&)>& fill,
                               Check check = Check::kAll);
  // The same of a file that is there and up to date, on a disk that takes no writes: nothing is
  // made or mended. A commit that was under way when it came to that is no reason to guess: kIo.
  static Result<Database> open_for_reading(const Location& location, const Schema& schema);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  // All of these throw.
  void execute(const char* sql);
  void begin();
  // Durable when it returns. When the disk fails here nobody knows what it holds now: every later
  // call fails with kIo, until the store is opened anew.
  void commit();
  void roll_back() noexcept;
  // A prepared statement, kept for the next time; the caller resets it after use.
  SQLite::Statement& prepared(const std::string& sql);
  // Rewrites the file without the space that erased rows took.
  void vacuum();
  // Every page and every index, and that no row refers to one that is not there; kCorrupt. Reads
  // the whole file: 60 ms for 20 MB.
  void check_structure();

 private:
  struct State;
  explicit Database(std::unique_ptr<State> state);
  static Database connect(const Location& location, const std::filesystem::path& path,
                          bool writes = true);
  static void create(const Location& location, const Schema& schema,
                     const std::function<void(Database&)>& fill);
  void check(const Schema& schema, Check check);
  void check_pages();
  void check_references();
  void migrate(const Schema& schema, std::size_t from, const std::function<void(Database&)>& fill);
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::store
