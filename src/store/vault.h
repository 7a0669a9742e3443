// A database whose secrets are sealed and whose rows are authenticated. Internal to src/store.
//
// SQLite notices a broken page, but not a changed bit inside a value, nor a row that somebody took
// out. So each row carries `sum`: 16 bytes of HMAC-SHA256 under a key of the store, over the names
// and values of its columns (columns that are null are left out, so that a migration may add one
// without touching old rows); and the exclusive-or of all sums is kept too. That these are the sums
// of today's rows, no more and no less, is checked when the store is opened; that each row fits its
// sum whenever it is read. Whoever can read the key can forge: with FileModeSealer this finds
// accidents and clumsy edits only.
//
// With Check::kAll every row, every page and every index is looked at before open() returns. With
// Check::kLater that is the owner's duty, by look_on(): until it has said true, a row that was
// changed is noticed when it is read, and an index that lies is not (docs/adr/0017).
//
// `head` is such a sum over the store's id, its generation and the exclusive-or: no row of an older
// copy can be put in the place of today's. The generation grows with every change but those made by
// write_quietly(), and a Witness outside of the store remembers it: that is how a whole store that
// was replaced by an older copy of itself is noticed.
//
// One thread; not to be used again from inside its own write().
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "crypto/hash.h"
#include "store/database.h"
#include "store/sealer.h"
#include "store/table.h"
#include "store/witness.h"

namespace latchkey::store {

class Vault {
 public:
  struct Options {
    Location location;
    Schema schema;
    std::vector<const TableShape*> tables;
    Check check = Check::kAll;
  };
  // Makes the store where there is none. kConflict: it was made with another kind of sealer; what
  // Sealer::use says. `sealer` and `random` must outlive the vault.
  static Result<Vault> open(Options options, Sealer& sealer, Random& random);

  // With Check::kLater: looks at a part of what is left, a few hundred rows (2 ms) or, at last, the
  // structure of the file (Database::check_structure). True: all is well, and nothing is left. An
  // error, as of open(): nothing of this store is to be believed.
  Result<bool> look_on();

  // Runs `work` as one durable transaction: a value means that all of it survives a power cut, an
  // error that nothing changed (or, after kIo, that the store must be opened anew).
  // The witness is told afterwards; when that fails the change stands all the same.
  template <class F>
  auto write(F&& work) -> Result<std::invoke_result_t<F>> {
    auto done = transact(Change::kCounts, std::forward<F>(work));
    if (done) {
      tell_witness();
    }
    return done;
  }
  // For what may be lost with an older copy and nobody is harmed: when something was used last.
  template <class F>
  auto write_quietly(F&& work) -> Result<std::invoke_result_t<F>> {
    return transact(Change::kQuiet, std::forward<F>(work));
  }
  template <class F>
  auto read(F&& work) -> Result<std::invoke_result_t<F>> {
    return guarded(std::forward<F>(work));
  }

  // --- witness ---
  [[nodiscard]] const ByteArray<16>& id() const { return id_; }
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  // Where the store stands; unless it is current the witness is not touched, and not told of
  // changes. It must outlive the vault.
  Standing watch(Witness& witness);
  // The store is right as it is: its generation goes above what the witness knows.
  Result<void> accept(Witness& witness);
  // The last word to the witness did not reach it.
  [[nodiscard]] bool witness_failed() const { return witness_failed_; }

  // --- sealing ---
  [[nodiscard]] const Seal& seal_kind() const { return seal_; }
  // Seals every secret with `next`, which must outlive the vault, in one durable transaction, and
  // rewrites the file, so that nothing of the old is left in it. `next.make()` is called. An error:
  // the store is as before, or after kIo must be opened anew.
  Result<void> reseal(Sealer& next);

  // Erases every row of every table and runs `fill`, in one durable transaction, and rewrites the
  // file. The store is another one afterwards: with a new id, a new key for the sums, and a new
  // data key of the same sealer. Its generation goes on, so that no older copy can take its place.
  // An error: the store is as before, or after kIo must be opened anew.
  Result<void> begin_anew(const std::function<void()>& fill);

  // Inside write(). They throw.
  void insert(const TableShape& table, Row row);
  void update(const TableShape& table, Row row);  // kNotFound
  void put(const TableShape& table, Row row);     // insert or update
  bool erase(const TableShape& table, const Row& key);
  std::size_t erase_where(const TableShape& table, const std::string& where, const Row& arguments);
  // Erases every row of every table, and makes a new key for the sums.
  void erase_everything();

  // Inside read() or write(). They throw. `where` is what follows WHERE, with ?1, ?2...
  std::optional<Row> find(const TableShape& table, const Row& key);
  std::vector<Row> select(const TableShape& table, const std::string& where, const Row& arguments);
  struct Reading {
    const TableShape& table;
    const std::string& where;
    const Row& arguments;
    // A bit for each column that is wanted; the others come out as null. All are checked.
    std::uint64_t columns = ~std::uint64_t{0};
    [[nodiscard]] bool takes(std::size_t column) const { return ((columns >> column) & 1U) != 0; }
  };
  // One row at a time. `look` may read, but not with the same condition.
  void each(const Reading& reading, const std::function<void(const Row&)>& look);
  std::int64_t number(const std::string& sql, const Row& arguments);  // 0 for null

  Bytes seal(const std::string& purpose, ByteSpan plaintext);
  SecretBytes unseal(const std::string& purpose, ByteSpan sealed);
  // What binds a sealed value to its place: "<file>/<table>/<column>/<hex of the key columns>".
  [[nodiscard]] std::string purpose(const TableShape& table, const Column& column,
                                    const Row& row) const;

 private:
  using Sum = ByteArray<16>;
  enum class Change { kCounts, kQuiet };
  template <class F>
  auto transact(Change change, F&& work) -> Result<std::invoke_result_t<F>> {
    return guarded([&] {
      Transaction transaction(*this, change);
      if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
        std::forward<F>(work)();
        transaction.commit();
      } else {
        auto value = std::forward<F>(work)();
        transaction.commit();
        return value;
      }
    });
  }
  class Transaction {
   public:
    Transaction(Vault& vault, Change change);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    void commit();

   private:
    Vault& vault_;
    Change change_;
    Sum before_;
    std::uint64_t generation_before_;
    SecretBytes key_before_;
    bool done_ = false;
  };

  Vault(Options options, Sealer& sealer, Random& random, Database database);
  static void fill(const Options& options, Sealer& sealer, Random& random, Database& database);
  void load();
  void set_row_key(SecretBytes key);
  // Each row whose own sum is right; one that is not is kCorrupt.
  void read(const Reading& reading, const std::function<void(Row&&, const Sum&)>& take_row);
  // The total as the rows give it; kCorrupt where a row is not the one of its sum (total_of_rows),
  // or the rows are not those of version 2's total.
  Sum total_of_rows();
  Sum total_of_sums();
  Sum total_of_version_2();
  void look_at_rows();
  void adopt();
  void scrub();
  void put_head();
  void tell_witness();
  SecretBytes make_row_key(Sealer& sealer);  // kept in the store, and not used yet
  void reseal_table(const TableShape& table, Sealer& next, crypto::HmacSha256& mac, Sum& total);
  [[nodiscard]] Sum sum_of(const TableShape& table, const Row& row) {
    return sum_under(*row_mac_, table, row);
  }
  Sum sum_under(crypto::HmacSha256& mac, const TableShape& table, const Row& row);
  void begin_sum(const TableShape& table);
  void add_to_sum(const Column& column, const View& view);
  Sum end_sum(crypto::HmacSha256& mac);
  // Adds a row of this sum to `total`, or takes it out.
  static void fold(Sum& total, crypto::HmacSha256& mac, const Sum& sum);
  std::optional<Sum> stored_sum(const TableShape& table, const Row& key);

  Options options_;
  Sealer* sealer_;
  Random* random_;
  Database database_;
  SecretBytes row_key_;
  std::unique_ptr<crypto::HmacSha256> row_mac_;  // under row_key_
  Bytes sum_input_;                              // wiped after each use
  // What look_on() has not seen: from this table, behind the row of this key.
  struct Left {
    std::size_t table = 0;
    Row after;
  };
  std::optional<Left> left_;
  Sum total_{};
  ByteArray<16> id_{};
  std::uint64_t generation_ = 0;
  Seal seal_;
  Witness* witness_ = nullptr;
  bool witness_failed_ = false;
};

}  // namespace latchkey::store
