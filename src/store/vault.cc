#include "store/vault.h"

#include <algorithm>
#include <functional>
#include <ranges>

#include "base/encoding.h"
#include "crypto/hash.h"
#include "store/statement.h"

namespace latchkey::store {
namespace {

constexpr std::size_t kRowKeyBytes = 32;
constexpr std::size_t kMaxMetaBytes = 1024;
constexpr const char* kPutMeta =
    "INSERT INTO meta (name, value) VALUES (?1, ?2) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value";

template <class T>
T take(Result<T> result) {
  if (!result) {
    throw Failure{std::move(result).error()};
  }
  return *std::move(result);
}

std::string row_key_purpose(const Location& location) {
  return location.file + "/meta/row_key";
}

void put_meta(Database& database, const std::string& name, ByteSpan value) {
  Query(database, kPutMeta, {name, to_bytes(value)}).run();
}

Bytes get_meta(Database& database, const std::string& name) {
  Query query(database, "SELECT value FROM meta WHERE name = ?1", {name});
  static const Column kValue{"value", Kind::kBlob, kMaxMetaBytes};
  if (!query.step()) {
    throw_failure(ErrorCode::kCorrupt, "meta row missing: " + name);
  }
  return std::get<Bytes>(query.value(0, kValue));
}

std::string key_condition(const TableShape& table) {
  std::string sql;
  for (std::size_t i = 0; i < table.key_columns; ++i) {
    sql += (i == 0 ? "" : " AND ") + std::string(table.columns[i].name) + " = ?" +
           std::to_string(i + 1);
  }
  return sql;
}

std::string column_list(const TableShape& table) {
  std::string sql;
  for (const Column& column : table.columns) {
    sql += std::string(column.name) + ", ";
  }
  return sql + "sum";
}

Row key_of(const TableShape& table, const Row& row) {
  return {row.begin(), row.begin() + static_cast<std::ptrdiff_t>(table.key_columns)};
}

// Length first, so that no two lists of values give the same bytes.
void append_value(Bytes& out, const Value& value) {
  const auto append_number = [&out](std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) {
      out.push_back(static_cast<std::uint8_t>(number >> static_cast<unsigned>(shift)));
    }
  };
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    out.push_back('i');
    append_number(static_cast<std::uint64_t>(*number));
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    out.push_back('t');
    append_number(text->size());
    append(out, *text);
  } else if (const auto* blob = std::get_if<Bytes>(&value)) {
    out.push_back('b');
    append_number(blob->size());
    append(out, ByteSpan(*blob));
  }
}

}  // namespace

Result<Vault> Vault::open(Options options, Sealer& sealer, Random& random) {
  auto database = Database::open(options.location, options.schema,
                                 [&](Database& fresh) { fill(options, sealer, random, fresh); });
  if (!database) {
    return fail(std::move(database).error());
  }
  return guarded([&] {
    Vault vault(std::move(options), sealer, random, *std::move(database));
    vault.load();
    vault.verify();
    return vault;
  });
}

Vault::Vault(Options options, Sealer& sealer, Random& random, Database database)
    : options_(std::move(options)),
      sealer_(&sealer),
      random_(&random),
      database_(std::move(database)) {}

void Vault::fill(const Options& options, Sealer& sealer, Random& random, Database& database) {
  SecretBytes key(kRowKeyBytes);
  random.fill(key.writable());
  put_meta(database, "sealer", as_bytes(sealer.kind()));
  put_meta(database, "row_key", take(sealer.seal(row_key_purpose(options.location), key.span())));
  put_meta(database, "total", Sum{});
}

void Vault::load() {
  const Bytes kind = get_meta(database_, "sealer");
  if (as_text(kind) != sealer_->kind()) {
    throw_failure(ErrorCode::kConflict, "the store was sealed by another kind of sealer");
  }
  row_key_ = unseal(row_key_purpose(options_.location), get_meta(database_, "row_key"));
  const auto total = to_array<16>(get_meta(database_, "total"));
  if (row_key_.size() != kRowKeyBytes || !total) {
    throw_failure(ErrorCode::kCorrupt, "meta rows have the wrong size");
  }
  total_ = *total;
}

// Reading a row checks its own sum.
void Vault::verify() {
  Sum all{};
  for (const TableShape* table : options_.tables) {
    for (const Row& row : select(*table, "TRUE", {})) {
      const Sum sum = sum_of(*table, row);
      std::ranges::transform(all, sum, all.begin(), std::bit_xor<>());
    }
  }
  if (all != total_) {
    throw_failure(ErrorCode::kCorrupt, "rows were added or taken away by something else");
  }
}

Vault::Sum Vault::sum_of(const TableShape& table, const Row& row) const {
  LATCHKEY_CHECK(row.size() == table.columns.size());
  Bytes data;
  append_value(data, std::string(table.name));
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!std::holds_alternative<std::monostate>(row[i])) {
      append_value(data, std::string(table.columns[i].name));
      append_value(data, row[i]);
    }
  }
  const Digest256 digest = crypto::hmac_sha256(row_key_.span(), data);
  wipe(data);
  Sum sum{};
  std::copy_n(digest.begin(), sum.size(), sum.begin());
  return sum;
}

void Vault::fold(const Sum& sum) {
  std::ranges::transform(total_, sum, total_.begin(), std::bit_xor<>());
}

std::optional<Vault::Sum> Vault::stored_sum(const TableShape& table, const Row& key) {
  static const Column kSum{"sum", Kind::kBlob, sizeof(Sum)};
  Query query(database_,
              "SELECT sum FROM " + std::string(table.name) + " WHERE " + key_condition(table), key);
  if (!query.step()) {
    return std::nullopt;
  }
  const auto sum = to_array<16>(std::get<Bytes>(query.value(0, kSum)));
  if (!sum) {
    throw_failure(ErrorCode::kCorrupt, std::string(table.name) + ": sum of the wrong size");
  }
  return sum;
}

void Vault::insert(const TableShape& table, Row row) {
  const Sum sum = sum_of(table, row);
  std::string places;
  for (std::size_t i = 1; i <= row.size() + 1; ++i) {
    places += (i == 1 ? "?" : ", ?") + std::to_string(i);
  }
  row.emplace_back(to_bytes(sum));
  Query(database_,
        "INSERT INTO " + std::string(table.name) + " (" + column_list(table) + ") VALUES (" +
            places + ")",
        row)
      .run();
  fold(sum);
}

void Vault::update(const TableShape& table, Row row) {
  const auto old = stored_sum(table, key_of(table, row));
  if (!old) {
    throw_failure(ErrorCode::kNotFound, std::string(table.name) + ": no such row");
  }
  const Sum sum = sum_of(table, row);
  std::string changes;
  for (std::size_t i = table.key_columns; i < row.size(); ++i) {
    changes += std::string(table.columns[i].name) + " = ?" + std::to_string(i + 1) + ", ";
  }
  changes += "sum = ?" + std::to_string(row.size() + 1);
  row.emplace_back(to_bytes(sum));
  Query(database_,
        "UPDATE " + std::string(table.name) + " SET " + changes + " WHERE " + key_condition(table),
        row)
      .run();
  fold(*old);
  fold(sum);
}

void Vault::put(const TableShape& table, Row row) {
  if (stored_sum(table, key_of(table, row))) {
    update(table, std::move(row));
  } else {
    insert(table, std::move(row));
  }
}

bool Vault::erase(const TableShape& table, const Row& key) {
  const auto old = stored_sum(table, key);
  if (!old) {
    return false;
  }
  Query(database_, "DELETE FROM " + std::string(table.name) + " WHERE " + key_condition(table), key)
      .run();
  fold(*old);
  return true;
}

std::size_t Vault::erase_where(const TableShape& table, const std::string& where,
                               const Row& arguments) {
  const std::vector<Row> rows = select(table, where, arguments);
  for (const Row& row : rows) {
    erase(table, key_of(table, row));
  }
  return rows.size();
}

void Vault::erase_everything() {
  // Those that refer to others come last in the list.
  for (const TableShape* table : options_.tables | std::views::reverse) {
    Query(database_, "DELETE FROM " + std::string(table->name), {}).run();
  }
  total_ = {};
  SecretBytes key(kRowKeyBytes);
  random_->fill(key.writable());
  put_meta(database_, "row_key", seal(row_key_purpose(options_.location), key.span()));
  row_key_ = std::move(key);
}

std::optional<Row> Vault::find(const TableShape& table, const Row& key) {
  std::vector<Row> rows = select(table, key_condition(table), key);
  if (rows.empty()) {
    return std::nullopt;
  }
  return std::move(rows.front());
}

std::vector<Row> Vault::select(const TableShape& table, const std::string& where,
                               const Row& arguments) {
  static const Column kSum{"sum", Kind::kBlob, sizeof(Sum)};
  Query query(database_, "SELECT " + column_list(table) + " FROM " + table.name + " WHERE " + where,
              arguments);
  std::vector<Row> rows;
  while (query.step()) {
    Row row;
    row.reserve(table.columns.size());
    for (const Column& column : table.columns) {
      row.push_back(query.value(row.size(), column));
    }
    const Value sum = query.value(row.size(), kSum);
    if (!constant_time_equal(std::get<Bytes>(sum), sum_of(table, row))) {
      throw_failure(ErrorCode::kCorrupt, std::string(table.name) + ": a row was changed");
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::int64_t Vault::number(const std::string& sql, const Row& arguments) {
  static const Column kNumber{"number", Kind::kInteger, 0, true};
  Query query(database_, sql, arguments);
  if (!query.step()) {
    return 0;
  }
  const Value value = query.value(0, kNumber);
  const auto* number = std::get_if<std::int64_t>(&value);
  return number == nullptr ? 0 : *number;
}

Bytes Vault::seal(const std::string& purpose, ByteSpan plaintext) {
  return take(sealer_->seal(purpose, plaintext));
}

SecretBytes Vault::unseal(const std::string& purpose, ByteSpan sealed) {
  return take(sealer_->open(purpose, sealed));
}

std::string Vault::purpose(const TableShape& table, const Column& column, const Row& row) const {
  std::string text = options_.location.file + "/" + table.name + "/" + column.name;
  for (std::size_t i = 0; i < table.key_columns; ++i) {
    Bytes key;
    append_value(key, row[i]);
    text += "/" + hex_encode(key);
  }
  return text;
}

Result<void> Vault::vacuum() {
  return guarded([&] { database_.vacuum(); });
}

Vault::Transaction::Transaction(Vault& vault)
    : vault_(vault), before_(vault.total_), key_before_(vault.row_key_.clone()) {
  vault_.database_.begin();
}

Vault::Transaction::~Transaction() {
  if (!done_) {
    vault_.database_.roll_back();
    vault_.total_ = before_;
    vault_.row_key_ = std::move(key_before_);
  }
}

void Vault::Transaction::commit() {
  if (vault_.total_ != before_) {
    put_meta(vault_.database_, "total", vault_.total_);
  }
  vault_.database_.commit();
  done_ = true;
}

}  // namespace latchkey::store
