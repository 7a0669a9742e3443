#include "store/media_index.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "store/media_tables.h"
#include "store/media_work.h"
#include "store/statement.h"

namespace latchkey::store {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxUses = 512;  // kept in memory before they are written down

std::int64_t signed_of(std::uint64_t value) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(value, std::numeric_limits<std::int64_t>::max()));
}

}  // namespace

// Everybody who holds something, for the judgement.
struct MediaIndex::Parties {
  std::vector<Key> keys;
  std::vector<cache::Standing> standings;
  std::size_t self = 0;
  std::uint64_t on_disk = 0;  // of the objects, and of what is written of the drafts
};

MediaIndex::MediaIndex(fs::path folder, const MediaFiles& files, Options options)
    : folder_(std::move(folder)), files_(files), options_(std::move(options)) {}

MediaIndex::~MediaIndex() {
  (void)flush();
}

Result<std::optional<cache::ObjectRecord>> MediaIndex::find(const Key& partition,
                                                            std::string_view name, WallTime now) {
  auto found = with_database([&](Database& db) { return media::find_object(db, partition, name); });
  if (found && *found) {
    uses_[(*found)->number] = now;
    if (uses_.size() > kMaxUses) {
      // Forgotten uses spoil nothing.
      if (!flush()) {
        uses_.clear();
      }
    }
  }
  return found;
}

Result<std::vector<Listed>> MediaIndex::list(const Key& partition, std::string_view prefix,
                                             std::string_view after, std::size_t limit) {
  return with_database(
      [&](Database& db) { return media::list_objects(db, partition, prefix, after, limit); });
}

Result<cache::Usage> MediaIndex::usage(const Key& partition) {
  return with_database([&](Database& db) { return media::usage_of(db, partition); });
}

Result<void> MediaIndex::flush() {
  if (uses_.empty()) {
    return {};
  }
  return in_transaction([&](Database& db) { write_uses(db); });
}

void MediaIndex::write_uses(Database& db) {
  for (const auto& [number, when] : uses_) {
    Query(db, "UPDATE objects SET used = ?1 WHERE number = ?2",
          {when.unix_seconds, signed_of(number)})
        .run();
  }
  uses_.clear();
}

MediaIndex::Parties MediaIndex::parties(Database& db, const Key& self) {
  Parties parties;
  std::map<Key, cache::Standing> all = media::standings(db);
  for (const auto& [key, standing] : all) {
    parties.on_disk += standing.bytes;
  }
  all.try_emplace(self);
  for (const auto& [number, reservation] : reserved_) {
    all[reservation.partition].bytes += reservation.charge;
    parties.on_disk += std::min(files_.draft_bytes(number), reservation.charge);
  }
  for (const auto& [key, standing] : all) {
    if (key == self) {
      parties.self = parties.keys.size();
    }
    parties.keys.push_back(key);
    parties.standings.push_back(standing);
  }
  return parties;
}

Result<std::uint64_t> MediaIndex::reserve(const cache::Partition& partition, std::uint64_t charge,
                                          std::optional<std::uint64_t> number, const Space& space) {
  // Numbers are given only where all that were given before are known.
  if (auto ready = make_writable(); !ready) {
    return fail(ready.error());
  }
  const auto known = number ? reserved_.find(*number) : reserved_.end();
  if (number && known == reserved_.end()) {
    // Everything of its origin was cleared in the meantime, or erased under us.
    return fail(Error{ErrorCode::kNotFound, "the draft was given up"});
  }
  const std::uint64_t has = number ? known->second.charge : 0;
  const std::uint64_t need = charge > has ? charge - has : 0;
  std::vector<std::uint64_t> victims;
  bool begun = false;
  auto made = with_database([&](Database& db) {
    if (reads_only_) {
      throw_failure(ErrorCode::kIo, "the disk takes no writes");
    }
    Parties all = parties(db, partition.key());
    const cache::Quota quota =
        cache::quota_on_disk(space.quota, {all.on_disk, space.free, space.keep_free});
    while (true) {
      const auto verdict = judge_room(quota, all.standings, all.self, need);
      if (verdict.kind == cache::Verdict::Kind::kFits) {
        break;
      }
      if (verdict.kind == cache::Verdict::Kind::kRefused) {
        throw_failure(ErrorCode::kNoRoom, "everything that could go is needed or pinned");
      }
      if (!std::exchange(begun, true)) {
        db.begin();
        write_uses(db);
      }
      const bool spares = space.for_job && verdict.origin == all.self;
      const auto victim = media::take_oldest(db, all.keys[verdict.origin], spares);
      if (!victim && spares) {
        // Nor do others pay for it: to hold the most is no less so while one is fetching.
        throw_failure(ErrorCode::kNoRoom, "only what is being brought could go");
      }
      if (!victim) {
        throw_failure(ErrorCode::kCorrupt, "the index counts wrongly");
      }
      victims.push_back(victim->number);
      cache::Standing& standing = all.standings[verdict.origin];
      standing.bytes -= std::min(standing.bytes, victim->charge);
      standing.evictable -= std::min(standing.evictable, victim->charge);
    }
    if (begun) {
      db.commit();
    }
  });
  if (!made) {
    if (begun && db_ != nullptr) {
      db_->roll_back();
    }
    return fail(made.error());
  }
  for (const std::uint64_t victim : victims) {
    files_.remove_object(victim);
  }
  const std::uint64_t granted = number.value_or(next_number_);
  if (!number) {
    ++next_number_;
  }
  reserved_.insert_or_assign(granted, Reservation{partition.key(), std::max(charge, has)});
  return granted;
}

Result<cache::Quota> MediaIndex::quota(const Space& space) {
  return with_database([&](Database& db) {
    std::uint64_t held = 0;
    for (const auto& [key, standing] : media::standings(db)) {
      held += standing.bytes;
    }
    for (const auto& [number, reservation] : reserved_) {
      held += std::min(files_.draft_bytes(number), reservation.charge);
    }
    return cache::quota_on_disk(space.quota, {held, space.free, space.keep_free});
  });
}

void MediaIndex::release(std::uint64_t number) {
  reserved_.erase(number);
  if (noted_.erase(number) > 0) {
    // Where it cannot be written down, the row of a draft that is not there is found out later.
    (void)in_transaction([&](Database& db) { media::delete_part(db, number); });
  }
}

void MediaIndex::discard(const std::vector<std::uint64_t>& drafts) {
  for (const std::uint64_t number : drafts) {
    reserved_.erase(number);
    noted_.erase(number);
    files_.remove_draft(number);
  }
}

// What had its name before.
std::optional<std::uint64_t> MediaIndex::insert(Database& db, const cache::Partition& partition,
                                                cache::ObjectRecord& object) {
  std::optional<std::uint64_t> old;
  // What a person pinned stays pinned when its content changes.
  if (const auto before = media::find_object(db, partition.key(), object.name)) {
    old = before->number;
    object.pinned = object.pinned || before->pinned;
    media::delete_object(db, before->number);
  }
  media::insert_object(db, partition, object, MediaFiles::charge(object.size));
  return old;
}

Result<MediaIndex::Published> MediaIndex::publish(const cache::Partition& partition,
                                                  std::string_view name, std::uint64_t number,
                                                  const SealedObject& sealed,
                                                  const cache::ObjectFacts& facts, WallTime now,
                                                  std::optional<std::uint64_t> seen) {
  cache::ObjectRecord object;
  object.number = number;
  object.name = std::string(name);
  object.size = sealed.size;
  object.digest = sealed.digest;
  object.blocks = sealed.blocks;
  object.facts = facts;
  object.stored = now;
  std::optional<std::uint64_t> old;
  auto done = in_transaction([&](Database& db) {
    old = insert(db, partition, object);
    if (seen && *seen != old.value_or(0)) {
      throw_failure(ErrorCode::kConflict, "the object is another one by now");
    }
    media::delete_upload_of(db, number);
  });
  if (!done) {
    return fail(done.error());
  }
  reserved_.erase(number);
  if (old) {
    uses_.erase(*old);
    files_.remove_object(*old);
  }
  return Published{std::move(object), old.has_value()};
}

Result<bool> MediaIndex::remove(const Key& partition, std::string_view name) {
  std::optional<std::uint64_t> number;
  auto done = in_transaction([&](Database& db) {
    if (const auto found = media::find_object(db, partition, name)) {
      number = found->number;
      media::delete_object(db, *number);
    }
  });
  if (!done) {
    return fail(done.error());
  }
  if (number) {
    uses_.erase(*number);
    files_.remove_object(*number);
  }
  return number.has_value();
}

Result<std::optional<Dropped>> MediaIndex::drop(std::uint64_t number) {
  auto done = in_transaction([&](Database& db) {
    auto dropped = media::find_source(db, number);
    media::delete_object(db, number);
    return dropped;
  });
  if (done) {
    uses_.erase(number);
    files_.remove_object(number);
  }
  return done;
}

Result<bool> MediaIndex::pin(const Key& partition, std::string_view name, bool pinned) {
  return in_transaction(
      [&](Database& db) { return media::set_pinned(db, partition, name, pinned); });
}

Result<void> MediaIndex::clear(const Key& partition) {
  std::vector<std::uint64_t> objects;
  std::vector<std::uint64_t> drafts;
  auto done = in_transaction([&](Database& db) {
    objects = media::delete_objects_of(db, partition);
    drafts = media::delete_uploads_of(db, partition);
    const auto parts = media::delete_parts_of(db, partition);
    drafts.insert(drafts.end(), parts.begin(), parts.end());
    media::delete_jobs_of(db, partition);
  });
  if (done) {
    for (const std::uint64_t number : objects) {
      files_.remove_object(number);
    }
    discard(drafts);
  }
  return done;
}

Result<void> MediaIndex::add_upload(const Key& partition, const UploadRecord& record) {
  return in_transaction([&](Database& db) { media::insert_upload(db, partition, record); });
}

Result<std::optional<UploadRecord>> MediaIndex::find_upload(const Key& partition,
                                                            const UploadId& id) {
  return with_database([&](Database& db) { return media::find_upload(db, partition, id); });
}

Result<void> MediaIndex::move_upload(const UploadId& id, std::uint64_t offset,
                                     std::optional<std::uint64_t> length, WallTime now) {
  return in_transaction([&](Database& db) {
    Query(db, "UPDATE uploads SET offset = ?1, length = ?2, touched = ?3 WHERE id = ?4",
          {signed_of(offset), length ? signed_of(*length) : std::int64_t{-1}, now.unix_seconds,
           to_bytes(id.span())})
        .run();
  });
}

Result<void> MediaIndex::end_upload(const UploadId& id) {
  std::optional<std::uint64_t> number;
  auto done = in_transaction([&](Database& db) { number = media::delete_upload(db, id); });
  if (done && number) {
    discard({*number});
  }
  return done;
}

Result<std::size_t> MediaIndex::expire_uploads(WallTime now) {
  std::vector<std::uint64_t> drafts;
  auto done = in_transaction([&](Database& db) {
    drafts = media::delete_uploads_before(db, now - options_.keep_uploads);
  });
  if (!done) {
    return fail(done.error());
  }
  discard(drafts);
  return drafts.size();
}

}  // namespace latchkey::store
