// The vault's witness, and sealing it in another way.
#include <algorithm>
#include <functional>

#include "store/statement.h"
#include "store/vault.h"
#include "store/vault_meta.h"

namespace latchkey::store {
namespace {

// While it is there, the file may hold traces of what was sealed before.
constexpr const char* kScrub = "scrub";

}  // namespace

Standing Vault::watch(Witness& witness) {
  const auto highest = witness.highest();
  // A store that was just made, or that an older version wrote, has none yet.
  if (!highest || (!*highest && generation_ > 1)) {
    return Standing::kUnknown;
  }
  if (highest->value_or(0) > generation_) {
    return Standing::kRolledBack;
  }
  witness_ = &witness;
  if (!*highest || **highest < generation_) {
    tell_witness();
  }
  return Standing::kCurrent;
}

Result<void> Vault::accept(Witness& witness) {
  const auto highest = witness.highest();
  const std::uint64_t known = highest ? highest->value_or(0) : 0;
  auto done = guarded([&] {
    Transaction transaction(*this, Change::kCounts);
    generation_ = std::max(generation_, known) + 1;
    put_head();
    transaction.commit();
  });
  if (!done) {
    return done;
  }
  if (auto raised = witness.raise(generation_); !raised) {
    return raised;
  }
  witness_ = &witness;
  witness_failed_ = false;
  return {};
}

void Vault::tell_witness() {
  if (witness_ != nullptr) {
    witness_failed_ = !witness_->raise(generation_).has_value();
  }
}

Result<void> Vault::reseal(Sealer& next) {
  Seal seal;
  auto done = transact(Change::kCounts, [&] {
    seal = take(next.make());
    SecretBytes key = make_row_key(next);
    crypto::HmacSha256 mac(key.span());
    Sum total{};
    for (const TableShape* table : options_.tables) {
      reseal_table(*table, next, mac, total);
    }
    set_row_key(std::move(key));
    total_ = total;
    put_meta(database_, "sealer", as_bytes(seal.kind));
    put_meta(database_, "data_key", seal.key);
    put_meta(database_, kScrub, as_bytes("1"));
  });
  if (!done) {
    return done;
  }
  sealer_ = &next;
  seal_ = std::move(seal);
  tell_witness();
  // The new seal stands when this fails, and the next start tries again.
  return guarded([&] { scrub(); });
}

// Values keep their places, so only what is sealed and the sums change. It reads with the old key
// of the sums, and writes with the new one's `mac`.
void Vault::reseal_table(const TableShape& table, Sealer& next, crypto::HmacSha256& mac,
                         Sum& total) {
  std::string condition;
  for (std::size_t i = 0; i < table.key_columns; ++i) {
    condition += (i == 0 ? "" : " AND ") + std::string(table.columns[i].name) + " = ?" +
                 std::to_string(i + 1);
  }
  std::string changes;
  for (std::size_t i = table.key_columns; i < table.columns.size(); ++i) {
    changes += std::string(table.columns[i].name) + " = ?" + std::to_string(i + 1) + ", ";
  }
  const std::string sql = "UPDATE " + std::string(table.name) + " SET " + changes + "sum = ?" +
                          std::to_string(table.columns.size() + 1) + " WHERE " + condition;
  for (Row& row : select(table, "TRUE", {})) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const Column& column = table.columns[i];
      auto* blob = std::get_if<Bytes>(&row[i]);
      if (column.kind != Kind::kSealed || blob == nullptr) {
        continue;
      }
      const std::string place = purpose(table, column, row);
      const SecretBytes plain = take(sealer_->open(place, *blob));
      Bytes sealed = take(next.seal(place, plain.span()));
      wipe(*blob);
      *blob = std::move(sealed);
    }
    const Sum sum = sum_under(mac, table, row);
    fold(total, mac, sum);
    row.emplace_back(to_bytes(sum));
    Query(database_, sql, row).run();
  }
}

Result<void> Vault::begin_anew(const std::function<void()>& fill) {
  const auto id_before = id_;
  Seal seal;
  auto done = transact(Change::kCounts, [&] {
    seal = take(sealer_->make());
    put_meta(database_, "sealer", as_bytes(seal.kind));
    put_meta(database_, "data_key", seal.key);
    erase_everything();
    random_->fill(id_);
    put_meta(database_, "store_id", id_);
    put_meta(database_, kScrub, as_bytes("1"));
    fill();
  });
  if (!done) {
    id_ = id_before;
    // What was sealed before is still there, and needs its own data key.
    auto back = sealer_->use(seal_);
    return back ? done : back;
  }
  seal_ = std::move(seal);
  tell_witness();
  // It stands when this fails, and the next start tries again.
  return guarded([&] { scrub(); });
}

// Pages that are free, and the rest of those in use, are written anew.
void Vault::scrub() {
  if (!has_meta(database_, kScrub)) {
    return;
  }
  database_.vacuum();
  Transaction transaction(*this, Change::kQuiet);
  erase_meta(database_, kScrub);
  transaction.commit();
}

}  // namespace latchkey::store
