// The connection below ProviderStore: transactions, retries, and errors as values. Internal to
// src/store. Everything that takes `work` lets it throw, and gives back what went wrong.
#pragma once

#include <soci/soci.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "provider/records.h"

namespace latchkey::store {

// Thrown by work that finds its request impossible; the transaction is rolled back.
struct Refusal {
  provider::Error error;
};
[[noreturn]] void refuse(provider::ErrorCode code, std::string detail);

// Refuses texts that are longer than `max` bytes, empty where `min` is 1, hold a zero byte or are
// not UTF-8 (PostgreSQL takes neither).
void check_text(std::string_view text, std::size_t min, std::size_t max, const char* what);
void check_act(const provider::Act& act);

using Row = std::vector<std::string>;

class ProviderDatabase {
 public:
  // `create`: make the file of an SQLite database where there is none.
  static provider::Result<std::unique_ptr<ProviderDatabase>> connect(const std::string& text,
                                                                     bool create);
  ~ProviderDatabase();
  ProviderDatabase(const ProviderDatabase&) = delete;
  ProviderDatabase& operator=(const ProviderDatabase&) = delete;

  [[nodiscard]] bool is_postgres() const { return postgres_; }
  soci::session& sql() { return session_; }

  // Runs one statement with its values in order; gives the number of rows it changed.
  template <class... Values>
  long long run(const std::string& text, const Values&... values) {
    soci::statement statement(session_);
    (statement.exchange(soci::use(values)), ...);
    statement.alloc();
    statement.prepare(text, soci::details::st_one_time_query);
    statement.define_and_bind();
    statement.execute(true);
    return statement.get_affected_rows();
  }
  // Inserts many rows with as few statements as the databases' limits on parameters allow.
  void insert(const std::string& into, std::size_t columns, const std::vector<Row>& rows);

  // A read of one statement.
  template <class F>
  auto read(F&& work) -> provider::Result<decltype(work())> {
    provider::Result<decltype(work())> result;
    const auto step = [&] { result = work(); };
    if (auto done = attempt(step); !done) {
      return fail(std::move(done.error()));
    }
    return result;
  }
  // Several reads that see one moment. Inside of another one: part of that.
  template <class F>
  auto moment(F&& work) -> provider::Result<decltype(work())> {
    provider::Result<decltype(work())> result;
    const auto step = [&] { result = work(); };
    if (auto done = in_moment(step); !done) {
      return fail(std::move(done.error()));
    }
    return result;
  }
  // One transaction that writes; done again where the database asks for it.
  provider::Result<void> change(const std::function<void()>& work);
  provider::Result<void> in_moment(const std::function<void()>& work);

  // --- inside change() ---
  // Takes `count` numbers of the audit log, and with them the turn to write: first thing in every
  // change. Gives the first one.
  std::uint64_t take_numbers(std::size_t count);
  std::int64_t take_id(const char* kind);  // "vendor", "token"
  void log(std::uint64_t seq, const provider::Act& act, const char* action,
           const std::string& subject, const std::string& detail);
  // The same with one entry for each subject.
  struct Line {
    std::string subject;
    std::string detail;
  };
  void log_all(std::uint64_t first, const provider::Act& act, const char* action,
               const std::vector<Line>& lines);

 private:
  ProviderDatabase() = default;
  void set_up();
  provider::Result<void> attempt(const std::function<void()>& work);
  provider::Result<void> transaction(const char* begin, const std::function<void()>& work);
  provider::Error trouble(const std::exception& error);
  [[nodiscard]] bool is_alive();
  void reconnect_if_lost();
  void roll_back();

  soci::session session_;
  bool postgres_ = false;
  bool lost_ = false;
  bool in_moment_ = false;
  bool again_ = false;  // the last failure was a collision: the same may work now
};

}  // namespace latchkey::store
