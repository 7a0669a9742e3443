// What the vault looks at to know that its rows are its own, and all of them.
#include <algorithm>
#include <functional>

#include "base/encoding.h"
#include "store/statement.h"
#include "store/vault.h"
#include "store/vault_meta.h"

namespace latchkey::store {
namespace {

constexpr std::int64_t kRowsAtOnce = 256;
constexpr std::uint64_t kNoColumns = 0;
const std::string kEvery = "TRUE";
const Row kNothing;

// "a, b" of the columns of the key, or "?1, ?2".
std::string key_list(const TableShape& table, bool places) {
  std::string list;
  for (std::size_t i = 0; i < table.key_columns; ++i) {
    list += (i == 0 ? "" : ", ") +
            (places ? "?" + std::to_string(i + 1) : std::string(table.columns[i].name));
  }
  return list;
}

}  // namespace

// Reading a row checks its own sum; one row is held at a time.
Vault::Sum Vault::total_of_rows() {
  Sum all{};
  for (const TableShape* table : options_.tables) {
    read({*table, kEvery, kNothing, kNoColumns},
         [&](Row&&, const Sum& sum) { fold(all, *row_mac_, sum); });
  }
  return all;
}

// The sums as they stand in the rows: which rows there should be is known before any of them is
// believed. That a row is the one of its sum shows when it is read.
Vault::Sum Vault::total_of_sums() {
  static const Column kSum{"sum", Kind::kBlob, sizeof(Sum)};
  Sum all{};
  for (const TableShape* table : options_.tables) {
    Query query(database_, "SELECT sum FROM " + std::string(table->name), {});
    while (query.step()) {
      const View stored = query.view(0, kSum);
      const auto sum = to_array<16>(std::get<ByteSpan>(stored));
      if (!sum) {
        throw_failure(ErrorCode::kCorrupt, std::string(table->name) + ": sum of the wrong size");
      }
      fold(all, *row_mac_, *sum);
    }
  }
  return all;
}

// Version 2 kept the exclusive-or of the sums as they are, and nothing over it.
Vault::Sum Vault::total_of_version_2() {
  Sum plain{};
  Sum all{};
  for (const TableShape* table : options_.tables) {
    read({*table, kEvery, kNothing, kNoColumns}, [&](Row&&, const Sum& sum) {
      std::ranges::transform(plain, sum, plain.begin(), std::bit_xor<>());
      fold(all, *row_mac_, sum);
    });
  }
  if (to_array<16>(get_meta(database_, "total")) != plain) {
    throw_failure(ErrorCode::kCorrupt, "rows were added or taken away by something else");
  }
  return all;
}

Result<bool> Vault::look_on() {
  return guarded([&] {
    if (left_ && left_->table < options_.tables.size()) {
      look_at_rows();
    } else if (left_) {
      database_.check_structure();
      left_.reset();
    }
    return !left_;
  });
}

void Vault::look_at_rows() {
  const TableShape& table = *options_.tables[left_->table];
  Row arguments = left_->after;
  const std::string behind =
      arguments.empty() ? "TRUE"
                        : "(" + key_list(table, false) + ") > (" + key_list(table, true) + ")";
  arguments.emplace_back(kRowsAtOnce);
  const std::string where = behind + " ORDER BY " + key_list(table, false) + " LIMIT ?" +
                            std::to_string(arguments.size());
  const std::uint64_t keys = (std::uint64_t{1} << table.key_columns) - 1;
  std::int64_t seen = 0;
  read({table, where, arguments, keys}, [&](Row&& row, const Sum&) {
    ++seen;
    row.resize(table.key_columns);
    left_->after = std::move(row);
  });
  if (seen < kRowsAtOnce) {
    left_ = Left{left_->table + 1, {}};
  }
}

}  // namespace latchkey::store
