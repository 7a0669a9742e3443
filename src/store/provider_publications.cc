// Publications and the lease of who publishes.
#include "store/provider_store.h"
#include "store/provider_values.h"

namespace latchkey::store {
namespace {

using provider::ErrorCode;
using provider::Lease;
using provider::Publication;
using provider::Result;
using soci::into;
using soci::use;

constexpr std::size_t kMaxHolder = 200;
constexpr std::size_t kMaxJws = 524288;

std::optional<Lease> read_lease(ProviderDatabase& database, const char* how) {
  Lease lease;
  long long ends = 0;
  database.sql() << std::string("SELECT holder, ends FROM lease WHERE id = 1") + how,
      into(lease.holder), into(ends);
  lease.until = {ends};
  return lease.holder.empty() ? std::nullopt : std::optional<Lease>(lease);
}

}  // namespace

Result<std::vector<Publication>> ProviderStore::publications(std::size_t limit) {
  return database_->moment(
      [&] {
        const int most = page_size({.after = {}, .limit = limit});
        // Row by row: SOCI leaves a vector as long as it was where there is no row at all.
        long long no = 0;
        long long seq = 0;
        long long when = 0;
        soci::statement rows =
            (database_->sql().prepare
                 << "SELECT no, seq, published FROM publication ORDER BY no DESC LIMIT :most",
             use(most), into(no), into(seq), into(when));
        std::vector<Publication> found;
        rows.execute();
        while (rows.fetch()) {
          found.push_back(
              {static_cast<std::uint64_t>(no), static_cast<std::uint64_t>(seq), {when}, {}});
        }
        if (!found.empty()) {
          const auto newest = static_cast<long long>(found.front().no);
          database_->sql() << "SELECT jws FROM publication WHERE no = :no", use(newest),
              into(found.front().jws);
        }
        return found;
      });
}

Result<void> ProviderStore::add_publication(const Publication& publication,
                                            std::string_view holder) {
  return database_->change([&] {
    check_text(publication.jws, 1, kMaxJws, "a publication");
    // The row of the lease is held to the end: whoever takes it over waits, and sees this.
    const auto lease = read_lease(*database_, database_->is_postgres() ? " FOR UPDATE" : "");
    if (!lease || lease->holder != holder || lease->until <= publication.when) {
      refuse(ErrorCode::kConflict, "another one publishes now");
    }
    long long newest = 0;
    database_->sql() << "SELECT COALESCE(MAX(no), 0) FROM publication", into(newest);
    const auto no = static_cast<long long>(publication.no);
    const auto seq = static_cast<long long>(publication.seq);
    const long long when = publication.when.unix_seconds;
    if (no <= newest) {
      refuse(ErrorCode::kConflict, "number " + std::to_string(newest) + " is published already");
    }
    database_->run("UPDATE publication SET jws = '' WHERE no = :no", newest);
    database_->run("INSERT INTO publication (no, seq, published, jws) VALUES (:n, :s, :t, :j)", no,
                   seq, when, publication.jws);
  });
}

Result<bool> ProviderStore::take_lease(std::string_view holder, WallTime now, seconds length) {
  const std::string name(holder);
  bool taken = false;
  auto done = database_->change([&] {
    check_text(name, 1, kMaxHolder, "who publishes");
    const long long at = now.unix_seconds;
    const long long until = (now + length).unix_seconds;
    taken = database_->run(
                "UPDATE lease SET holder = :h, ends = :u WHERE id = 1 AND (holder = :same"
                " OR holder = '' OR ends <= :now)",
                name, until, name, at) == 1;
  });
  if (!done) {
    return fail(std::move(done.error()));
  }
  return taken;
}

Result<void> ProviderStore::give_up_lease(std::string_view holder) {
  const std::string name(holder);
  return database_->change([&] {
    check_text(name, 1, kMaxHolder, "who publishes");
    database_->run("UPDATE lease SET holder = '', ends = 0 WHERE id = 1 AND holder = :h", name);
  });
}

Result<std::optional<Lease>> ProviderStore::lease() {
  return database_->read([&] { return read_lease(*database_, ""); });
}

}  // namespace latchkey::store
