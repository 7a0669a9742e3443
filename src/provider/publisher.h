// Publishing: from the records to static files that any web server can serve (docs/protocol.md
// section 12).
//
// Tables are named by their contents and never change; metadata.jws comes last and is replaced
// whole: a reader sees the old version or the new one, and every file that a page names is there
// for `retention` longer. The order is: tables and deltas on the shelf, durably; the publication in
// the records, where the lease is checked once more (a publisher that slept through its lease is
// fenced off here); the page on the shelf. What a crash leaves undone the next run completes.
//
// A table is made from the one before and what changed since: publishing one change costs copying
// the table, not reading the database.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "attest/metadata.h"
#include "crypto/keys.h"
#include "provider/records.h"
#include "provider/shelf_port.h"

namespace latchkey::provider {

struct PublishSettings {
  std::string name = "Latchkey provider";  // for display
  seconds validity{7LL * 86400};           // until nextUpdate
  seconds retention{2LL * 86400};          // of files that the newest page does not name
  seconds lease{120};
  std::size_t bases = 32;  // versions back that deltas lead from, at most attest::kMaxDeltas
};

struct SigningKey {
  crypto::PrivateKey key;
  std::vector<Bytes> chain;  // leaf first, without the root
};

struct Published {
  bool done = false;
  std::string why_not;      // where not done: "nothing has changed", "another instance ..."
  std::uint64_t no = 0;     // the newest there is now
  std::size_t changes = 0;  // subjects that changed
  std::uint64_t bytes = 0;  // of tables and deltas that were written
  bool repaired = false;    // put a page in its place that a crash had left in the records only
};

class Publisher {
 public:
  // All three outlive it.
  Publisher(Records& records, Shelf& shelf, PublishSettings settings)
      : records_(records), shelf_(shelf), settings_(std::move(settings)) {}

  // `holder` names this instance. `force`: also where nothing changed. Republishes by itself when
  // half of the validity has passed.
  Result<Published> publish(const SigningKey& key, std::string_view holder, WallTime now,
                            bool force = false);

 private:
  struct Step;  // one publication in the making
  Result<bool> has_changed(const std::optional<Publication>& newest);
  Result<void> repair(const std::optional<Publication>& newest, Published& outcome);
  Result<void> collect(Step& step);
  Result<void> collect_changes(Step& step, std::uint64_t since);
  Result<void> collect_models(Step& step);
  Result<void> collect_all(Step& step);
  Result<void> write_tables(Step& step, Published& outcome);
  Result<void> write_one(Step& step, attest::TableKind kind, Published& outcome);
  Result<void> write_deltas(Step& step, attest::TableKind kind, Published& outcome);
  Result<std::string> sign(Step& step, const SigningKey& key);
  Result<void> put_page(const std::string& jws, std::uint64_t no);
  Result<void> clean(const attest::Metadata& current, WallTime now);
  Result<std::optional<attest::Metadata>> page_on_shelf();
  Records& records_;
  Shelf& shelf_;
  PublishSettings settings_;
};

}  // namespace latchkey::provider
