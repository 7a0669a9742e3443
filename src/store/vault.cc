#include "store/vault.h"

#include <algorithm>
#include <functional>
#include <ranges>

#include "base/encoding.h"
#include "crypto/hash.h"
#include "store/statement.h"
#include "store/vault_meta.h"

namespace latchkey::store {
namespace {

constexpr std::size_t kRowKeyBytes = 32;

void take_done(Result<void> result) {
  if (!result) {
    throw Failure{std::move(result).error()};
  }
}

ByteArray<8> number_bytes(std::uint64_t number) {
  ByteArray<8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(number >> (56U - 8U * i));
  }
  return bytes;
}

ByteArray<16> head_of(const SecretBytes& key, const ByteArray<16>& id, std::uint64_t generation,
                      const ByteArray<16>& total) {
  const auto number = number_bytes(generation);
  const Digest256 digest = crypto::hmac_sha256(
      key.span(), {as_bytes("head"), ByteSpan(id), ByteSpan(number), ByteSpan(total)});
  ByteArray<16> head{};
  std::copy_n(digest.begin(), head.size(), head.begin());
  return head;
}

std::string row_key_purpose(const Location& location) {
  return location.file + "/meta/row_key";
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
void append_number(Bytes& out, std::uint64_t number) {
  append(out, ByteSpan(number_bytes(number)));
}

void append_text(Bytes& out, std::string_view text) {
  out.push_back('t');
  append_number(out, text.size());
  append(out, text);
}

void append_view(Bytes& out, const View& view) {
  if (const auto* number = std::get_if<std::int64_t>(&view)) {
    out.push_back('i');
    append_number(out, static_cast<std::uint64_t>(*number));
  } else if (const auto* text = std::get_if<std::string_view>(&view)) {
    append_text(out, *text);
  } else if (const auto* blob = std::get_if<ByteSpan>(&view)) {
    out.push_back('b');
    append_number(out, blob->size());
    append(out, *blob);
  }
}

}  // namespace

Result<Vault> Vault::open(Options options, Sealer& sealer, Random& random) {
  auto database = Database::open(
      options.location, options.schema,
      [&](Database& fresh) { fill(options, sealer, random, fresh); }, options.check);
  if (!database) {
    return fail(std::move(database).error());
  }
  return guarded([&] {
    Vault vault(std::move(options), sealer, random, *std::move(database));
    vault.load();
    if (vault.options_.check != Check::kAll) {
      vault.left_ = Left{0, {}};
    }
    vault.scrub();
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
  const Seal seal = take(sealer.make());
  put_meta(database, "sealer", as_bytes(seal.kind));
  put_meta(database, "data_key", seal.key);
  put_meta(database, "row_key", take(sealer.seal(row_key_purpose(options.location), key.span())));
  const auto id = random.bytes<16>();
  put_meta(database, "store_id", id);
  put_meta(database, "generation", number_bytes(0));
  put_meta(database, "head", head_of(key, id, 0, Sum{}));
}

void Vault::load() {
  seal_.kind = as_text(get_meta(database_, "sealer"));
  seal_.key = get_meta(database_, "data_key");
  take_done(sealer_->use(seal_));
  set_row_key(unseal(row_key_purpose(options_.location), get_meta(database_, "row_key")));
  const auto id = to_array<16>(get_meta(database_, "store_id"));
  const auto generation = to_array<8>(get_meta(database_, "generation"));
  const auto head = to_array<16>(get_meta(database_, "head"));
  if (row_key_.size() != kRowKeyBytes || !id || !generation || !head) {
    throw_failure(ErrorCode::kCorrupt, "meta rows have the wrong size");
  }
  id_ = *id;
  for (const std::uint8_t byte : *generation) {
    generation_ = (generation_ << 8U) | byte;
  }
  if (*head == Sum{} && generation_ == 0 && seal_.kind == kFileMode) {
    adopt();
    return;
  }
  total_ = options_.check == Check::kAll ? total_of_rows() : total_of_sums();
  if (!constant_time_equal(*head, head_of(row_key_, id_, generation_, total_))) {
    throw_failure(ErrorCode::kCorrupt, "rows were added or taken away by something else");
  }
}

// A store that version 2 wrote has no head yet; it is never one that is sealed.
void Vault::adopt() {
  total_ = total_of_version_2();
  take_done(transact(Change::kQuiet, [&] {
    erase_meta(database_, "total");
    random_->fill(id_);
    put_meta(database_, "store_id", id_);
    ++generation_;
    put_head();
  }));
}

void Vault::put_head() {
  put_meta(database_, "generation", number_bytes(generation_));
  put_meta(database_, "head", head_of(row_key_, id_, generation_, total_));
}

Vault::Sum Vault::sum_under(crypto::HmacSha256& mac, const TableShape& table, const Row& row) {
  LATCHKEY_CHECK(row.size() == table.columns.size());
  begin_sum(table);
  for (std::size_t i = 0; i < row.size(); ++i) {
    add_to_sum(table.columns[i], view_of(row[i]));
  }
  return end_sum(mac);
}

void Vault::begin_sum(const TableShape& table) {
  sum_input_.clear();
  append_text(sum_input_, table.name);
}

void Vault::add_to_sum(const Column& column, const View& view) {
  if (!std::holds_alternative<std::monostate>(view)) {
    append_text(sum_input_, column.name);
    append_view(sum_input_, view);
  }
}

Vault::Sum Vault::end_sum(crypto::HmacSha256& mac) {
  const Digest256 digest = mac.of(sum_input_);
  wipe(sum_input_);
  Sum sum{};
  std::copy_n(digest.begin(), sum.size(), sum.begin());
  return sum;
}

// Whoever has old copies of the store knows the sums of many old rows. Were they added up as they
// are, some hundred of them could be chosen so that the old ones give today's total; what each adds
// is therefore known only to who has the key, and the total stands nowhere.
void Vault::fold(Sum& total, crypto::HmacSha256& mac, const Sum& sum) {
  ByteArray<5 + sizeof(Sum)> input{'s', 'h', 'a', 'r', 'e'};
  std::ranges::copy(sum, input.begin() + 5);
  const Digest256 share = mac.of(input);
  std::transform(total.begin(), total.end(), share.begin(), total.begin(), std::bit_xor<>());
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
  fold(total_, *row_mac_, sum);
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
  fold(total_, *row_mac_, *old);
  fold(total_, *row_mac_, sum);
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
  fold(total_, *row_mac_, *old);
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
  set_row_key(make_row_key(*sealer_));
}

SecretBytes Vault::make_row_key(Sealer& sealer) {
  SecretBytes key(kRowKeyBytes);
  random_->fill(key.writable());
  put_meta(database_, "row_key", take(sealer.seal(row_key_purpose(options_.location), key.span())));
  return key;
}

void Vault::set_row_key(SecretBytes key) {
  row_key_ = std::move(key);
  row_mac_ = std::make_unique<crypto::HmacSha256>(row_key_.span());
}

std::optional<Row> Vault::find(const TableShape& table, const Row& key) {
  std::vector<Row> rows = select(table, key_condition(table), key);
  if (rows.empty()) {
    return std::nullopt;
  }
  return std::move(rows.front());
}

void Vault::read(const Reading& reading, const std::function<void(Row&&, const Sum&)>& take_row) {
  static const Column kSum{"sum", Kind::kBlob, sizeof(Sum)};
  const TableShape& table = reading.table;
  Query query(database_,
              "SELECT " + column_list(table) + " FROM " + table.name + " WHERE " + reading.where,
              reading.arguments);
  while (query.step()) {
    Row row;
    row.reserve(table.columns.size());
    begin_sum(table);
    for (const Column& column : table.columns) {
      const View view = query.view(row.size(), column);
      add_to_sum(column, view);
      row.push_back(reading.takes(row.size()) ? value_of(view) : Value());
    }
    const Sum sum = end_sum(*row_mac_);
    const View stored = query.view(row.size(), kSum);
    if (!constant_time_equal(std::get<ByteSpan>(stored), sum)) {
      throw_failure(ErrorCode::kCorrupt, std::string(table.name) + ": a row was changed");
    }
    take_row(std::move(row), sum);
  }
}

void Vault::each(const Reading& reading, const std::function<void(const Row&)>& look) {
  read(reading, [&look](const Row& row, const Sum&) { look(row); });
}

std::vector<Row> Vault::select(const TableShape& table, const std::string& where,
                               const Row& arguments) {
  std::vector<Row> rows;
  read({table, where, arguments},
       [&rows](Row&& row, const Sum&) { rows.push_back(std::move(row)); });
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
    append_view(key, view_of(row[i]));
    text += "/" + hex_encode(key);
  }
  return text;
}

Vault::Transaction::Transaction(Vault& vault, Change change)
    : vault_(vault),
      change_(change),
      before_(vault.total_),
      generation_before_(vault.generation_),
      key_before_(vault.row_key_.clone()) {
  vault_.database_.begin();
}

Vault::Transaction::~Transaction() {
  if (!done_) {
    vault_.database_.roll_back();
    vault_.total_ = before_;
    vault_.generation_ = generation_before_;
    vault_.set_row_key(std::move(key_before_));
  }
}

void Vault::Transaction::commit() {
  const bool new_key = !constant_time_equal(vault_.row_key_.span(), key_before_.span());
  if (vault_.total_ != before_ || new_key) {
    if (change_ == Change::kCounts) {
      ++vault_.generation_;
    }
    vault_.put_head();
  }
  vault_.database_.commit();
  done_ = true;
}

}  // namespace latchkey::store
