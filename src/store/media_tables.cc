#include "store/media_tables.h"

#include <array>
#include <limits>

#include "store/media_columns.h"
#include "store/statement.h"

namespace latchkey::store::media {
namespace {

constexpr std::int32_t kApplicationId = 0x4c4b4d43;  // "LKMC"

// What each origin holds is counted by the database itself, so that no way to change an object can
// forget it.
constexpr std::array<const char*, 4> kMigrations = {R"sql(
CREATE TABLE origins (
  partition    BLOB PRIMARY KEY,
  origin       TEXT NOT NULL,
  objects      INTEGER NOT NULL DEFAULT 0,
  bytes        INTEGER NOT NULL DEFAULT 0,
  pinned_bytes INTEGER NOT NULL DEFAULT 0,
  charge       INTEGER NOT NULL DEFAULT 0,
  evictable    INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE objects (
  number        INTEGER PRIMARY KEY,
  partition     BLOB NOT NULL REFERENCES origins (partition),
  name          TEXT NOT NULL,
  size          INTEGER NOT NULL,
  charge        INTEGER NOT NULL,
  digest        BLOB NOT NULL,
  blocks        BLOB NOT NULL,
  type          TEXT NOT NULL,
  cache_control TEXT NOT NULL,
  source        TEXT NOT NULL,
  modified      INTEGER NOT NULL,
  stored        INTEGER NOT NULL,
  used          INTEGER NOT NULL,
  pinned        INTEGER NOT NULL,
  UNIQUE (partition, name)
);
CREATE INDEX objects_by_use ON objects (partition, pinned, used, number);
CREATE TABLE uploads (
  id            BLOB PRIMARY KEY,
  number        INTEGER NOT NULL UNIQUE,
  partition     BLOB NOT NULL,
  name          TEXT NOT NULL,
  length        INTEGER NOT NULL,
  digest        BLOB,
  type          TEXT NOT NULL,
  cache_control TEXT NOT NULL,
  offset        INTEGER NOT NULL,
  touched       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER object_comes AFTER INSERT ON objects BEGIN
  UPDATE origins SET objects = objects + 1, bytes = bytes + new.size,
    pinned_bytes = pinned_bytes + new.pinned * new.size, charge = charge + new.charge,
    evictable = evictable + (1 - new.pinned) * new.charge
  WHERE partition = new.partition;
END;
CREATE TRIGGER object_goes AFTER DELETE ON objects BEGIN
  UPDATE origins SET objects = objects - 1, bytes = bytes - old.size,
    pinned_bytes = pinned_bytes - old.pinned * old.size, charge = charge - old.charge,
    evictable = evictable - (1 - old.pinned) * old.charge
  WHERE partition = old.partition;
END;
CREATE TRIGGER object_pinned AFTER UPDATE OF pinned ON objects BEGIN
  UPDATE origins SET
    pinned_bytes = pinned_bytes + (new.pinned - old.pinned) * new.size,
    evictable = evictable - (new.pinned - old.pinned) * new.charge
  WHERE partition = new.partition;
END;
)sql",
                                                    R"sql(
ALTER TABLE objects ADD COLUMN source_tag TEXT NOT NULL DEFAULT '';
CREATE TABLE jobs (
  id            BLOB PRIMARY KEY,
  partition     BLOB NOT NULL REFERENCES origins (partition),
  created       INTEGER NOT NULL,
  since         INTEGER NOT NULL,
  follow        INTEGER NOT NULL,
  pin           INTEGER NOT NULL,
  mend          INTEGER NOT NULL,
  max_bandwidth INTEGER NOT NULL,
  state         INTEGER NOT NULL,
  items         INTEGER NOT NULL,
  done          INTEGER NOT NULL,
  failed        INTEGER NOT NULL,
  bytes         INTEGER NOT NULL,
  ended         INTEGER NOT NULL,
  why           TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX jobs_by_partition ON jobs (partition, created, id);
CREATE TABLE fetches (
  number INTEGER PRIMARY KEY,
  job    BLOB NOT NULL REFERENCES jobs (id),
  url    TEXT NOT NULL,
  depth  INTEGER NOT NULL,
  digest BLOB,
  event  INTEGER,
  stored INTEGER NOT NULL,
  name   TEXT NOT NULL,
  size   INTEGER NOT NULL,
  why    TEXT NOT NULL,
  UNIQUE (job, url)
);
CREATE INDEX fetches_by_event ON fetches (job, event);
)sql",
                                                    R"sql(
ALTER TABLE jobs ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN live INTEGER NOT NULL DEFAULT 0;
-- 0: media; 1: a beginning, a key, or said to be a playlist; 2: a playlist that was followed
ALTER TABLE fetches ADD COLUMN aside INTEGER NOT NULL DEFAULT 0;
)sql",
                                                    R"sql(
CREATE TABLE parts (
  number INTEGER PRIMARY KEY,
  job    BLOB NOT NULL,
  url    TEXT NOT NULL,
  tag    TEXT NOT NULL,
  whole  INTEGER NOT NULL,
  digest BLOB,
  offset INTEGER NOT NULL,
  UNIQUE (job, url)
);
)sql"};

}  // namespace

Schema schema() {
  return {kApplicationId, kMigrations};
}

std::optional<cache::ObjectRecord> find_object(Database& db, const Key& partition,
                                               std::string_view name) {
  Query query(db,
              "SELECT number, name, size, digest, blocks, type, cache_control, source, modified, "
              "stored, pinned, source_tag FROM objects WHERE partition = ?1 AND name = ?2",
              {key_bytes(partition), std::string(name)});
  if (!query.step()) {
    return std::nullopt;
  }
  Columns row(query);
  cache::ObjectRecord object;
  object.number = row.count("number");
  object.name = row.words("name", cache::kMaxObjectName);
  object.size = row.count("size");
  object.digest = row.array<kHashBytes>("digest");
  object.blocks = row.array<kHashBytes>("blocks");
  object.facts.type = row.words("type", cache::kMaxFieldText);
  object.facts.cache_control = row.words("cache_control", cache::kMaxFieldText);
  object.facts.source = row.words("source", cache::kMaxSourceUrl);
  object.facts.modified = row.number("modified");
  object.stored = {row.number("stored")};
  object.pinned = row.number("pinned") != 0;
  object.facts.source_tag = row.words("source_tag", cache::kMaxFieldText);
  if (object.size > cache::kMaxObjectBytes) {
    throw_failure(ErrorCode::kCorrupt, "an object of an impossible size");
  }
  return object;
}

std::vector<Listed> list_objects(Database& db, const Key& partition, std::string_view prefix,
                                 std::string_view after, std::size_t limit) {
  // One lower bound: of two SQLite seeks the first and reads all that lies before the other, which
  // made the last of a thousand pages a thousand times as dear as the first.
  const bool goes_on = after >= prefix;
  // Names are UTF-8, so no byte of one is 0xff.
  Query query(db,
              goes_on ? "SELECT name, size, type, digest, stored, pinned FROM objects WHERE "
                        "partition = ?1 AND name > ?2 AND name < ?3 ORDER BY name LIMIT ?4"
                      : "SELECT name, size, type, digest, stored, pinned FROM objects WHERE "
                        "partition = ?1 AND name >= ?2 AND name < ?3 ORDER BY name LIMIT ?4",
              {key_bytes(partition), std::string(goes_on ? after : prefix),
               std::string(prefix) + "\xff", signed_of(limit)});
  std::vector<Listed> out;
  while (query.step()) {
    Columns row(query);
    Listed one;
    one.name = row.words("name", cache::kMaxObjectName);
    one.size = row.count("size");
    one.type = row.words("type", cache::kMaxFieldText);
    one.digest = row.array<kHashBytes>("digest");
    one.stored = {row.number("stored")};
    one.pinned = row.number("pinned") != 0;
    out.push_back(std::move(one));
  }
  return out;
}

bool has_number(Database& db, std::uint64_t number) {
  Query query(db, "SELECT number FROM objects WHERE number = ?1", {signed_of(number)});
  return query.step();
}

std::uint64_t highest_number(Database& db) {
  Query query(db,
              "SELECT max(coalesce((SELECT max(number) FROM objects), 0), "
              "coalesce((SELECT max(number) FROM uploads), 0), "
              "coalesce((SELECT max(number) FROM parts), 0))",
              {});
  return query.step() ? Columns(query).count("number") : 0;
}

void name_partition(Database& db, const cache::Partition& partition) {
  Query(db, "INSERT INTO origins (partition, origin) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        {key_bytes(partition.key()), partition.text()})
      .run();
}

void insert_object(Database& db, const cache::Partition& partition,
                   const cache::ObjectRecord& object, std::uint64_t charge) {
  name_partition(db, partition);
  Query(db, "INSERT INTO objects VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)",
        {signed_of(object.number), key_bytes(partition.key()), object.name, signed_of(object.size),
         signed_of(charge), to_bytes(object.digest), to_bytes(object.blocks), object.facts.type,
         object.facts.cache_control, object.facts.source, object.facts.modified,
         object.stored.unix_seconds, object.stored.unix_seconds,
         std::int64_t{object.pinned ? 1 : 0}, object.facts.source_tag})
      .run();
}

std::optional<Dropped> find_source(Database& db, std::uint64_t number) {
  Query query(db,
              "SELECT origins.origin, name, source, pinned FROM objects JOIN origins "
              "USING (partition) WHERE number = ?1",
              {signed_of(number)});
  if (!query.step()) {
    return std::nullopt;
  }
  Columns row(query);
  const auto partition = partition_named(row.words("origin", kMaxOrigin));
  std::string name = row.words("name", cache::kMaxObjectName);
  std::string source = row.words("source", cache::kMaxSourceUrl);
  return Dropped{partition, std::move(name), std::move(source), row.number("pinned") != 0};
}

void delete_object(Database& db, std::uint64_t number) {
  Query(db, "DELETE FROM objects WHERE number = ?1", {signed_of(number)}).run();
}

bool set_pinned(Database& db, const Key& partition, std::string_view name, bool pinned) {
  Query query(db,
              "UPDATE objects SET pinned = ?1 WHERE partition = ?2 AND name = ?3 RETURNING number",
              {std::int64_t{pinned ? 1 : 0}, key_bytes(partition), std::string(name)});
  return query.step();
}

std::vector<std::uint64_t> delete_objects_of(Database& db, const Key& partition) {
  std::vector<std::uint64_t> gone;
  {
    Query query(db, "SELECT number FROM objects WHERE partition = ?1", {key_bytes(partition)});
    gone = numbers(query);
  }
  Query(db, "DELETE FROM objects WHERE partition = ?1", {key_bytes(partition)}).run();
  return gone;
}

cache::Usage usage_of(Database& db, const Key& partition) {
  Query query(db, "SELECT objects, bytes, pinned_bytes FROM origins WHERE partition = ?1",
              {key_bytes(partition)});
  cache::Usage usage;
  if (query.step()) {
    Columns row(query);
    usage.objects = row.count("objects");
    usage.bytes = row.count("bytes");
    usage.pinned_bytes = row.count("pinned_bytes");
  }
  return usage;
}

std::map<Key, cache::Standing> standings(Database& db) {
  Query query(db, "SELECT partition, charge, evictable FROM origins WHERE objects > 0", {});
  std::map<Key, cache::Standing> out;
  while (query.step()) {
    Columns row(query);
    const Key key(row.array<Key::kSize>("partition"));
    const std::uint64_t charge = row.count("charge");
    out.emplace(key, cache::Standing{charge, row.count("evictable")});
  }
  return out;
}

std::optional<Victim> take_oldest(Database& db, const Key& partition, bool spare_jobs) {
  // What a job has brought, or found to be right, has the job's URL as its source.
  constexpr const char* kNotOfJobs =
      "AND NOT EXISTS (SELECT 1 FROM jobs CROSS JOIN fetches ON fetches.job = jobs.id "
      "WHERE jobs.partition = ?1 AND jobs.state = 0 AND fetches.url = objects.source "
      "AND fetches.stored = 1) ";
  Victim victim;
  {
    Query query(db,
                std::string("SELECT number, charge FROM objects "
                            "WHERE partition = ?1 AND pinned = 0 ") +
                    (spare_jobs ? kNotOfJobs : "") + "ORDER BY used, number LIMIT 1",
                {key_bytes(partition)});
    if (!query.step()) {
      return std::nullopt;
    }
    Columns row(query);
    victim.number = row.count("number");
    victim.charge = row.count("charge");
  }
  delete_object(db, victim.number);
  return victim;
}

std::vector<UploadDraft> upload_drafts(Database& db) {
  Query query(db, "SELECT number, partition, length, offset FROM uploads", {});
  std::vector<UploadDraft> out;
  while (query.step()) {
    Columns row(query);
    const std::uint64_t number = row.count("number");
    const Key key(row.array<Key::kSize>("partition"));
    const std::int64_t length = row.number("length");
    out.push_back({number, key,
                   length < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(length)),
                   row.count("offset")});
  }
  return out;
}

void insert_upload(Database& db, const Key& partition, const UploadRecord& record) {
  Query(db, "INSERT INTO uploads VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
        {to_bytes(record.id.span()), signed_of(record.number), key_bytes(partition), record.name,
         record.length ? signed_of(*record.length) : std::int64_t{-1},
         record.digest ? Value(to_bytes(*record.digest)) : Value(), record.facts.type,
         record.facts.cache_control, signed_of(record.offset), record.touched.unix_seconds})
      .run();
}

std::optional<UploadRecord> find_upload(Database& db, const Key& partition, const UploadId& id) {
  Query query(db,
              "SELECT number, name, length, digest, type, cache_control, offset, touched "
              "FROM uploads WHERE id = ?1 AND partition = ?2",
              {to_bytes(id.span()), key_bytes(partition)});
  if (!query.step()) {
    return std::nullopt;
  }
  Columns row(query);
  UploadRecord record{id, 0, {}, {}, {}, {}, 0, {}};
  record.number = row.count("number");
  record.name = row.words("name", cache::kMaxObjectName);
  if (const std::int64_t length = row.number("length"); length >= 0) {
    record.length = static_cast<std::uint64_t>(length);
  }
  record.digest = row.maybe_array<kHashBytes>("digest");
  record.facts.type = row.words("type", cache::kMaxFieldText);
  record.facts.cache_control = row.words("cache_control", cache::kMaxFieldText);
  record.offset = row.count("offset");
  record.touched = {row.number("touched")};
  return record;
}

std::optional<std::uint64_t> delete_upload(Database& db, const UploadId& id) {
  std::vector<std::uint64_t> gone;
  {
    Query query(db, "SELECT number FROM uploads WHERE id = ?1", {to_bytes(id.span())});
    gone = numbers(query);
  }
  Query(db, "DELETE FROM uploads WHERE id = ?1", {to_bytes(id.span())}).run();
  return gone.empty() ? std::nullopt : std::optional(gone.front());
}

std::vector<std::uint64_t> delete_uploads_of(Database& db, const Key& partition) {
  std::vector<std::uint64_t> gone;
  {
    Query query(db, "SELECT number FROM uploads WHERE partition = ?1", {key_bytes(partition)});
    gone = numbers(query);
  }
  Query(db, "DELETE FROM uploads WHERE partition = ?1", {key_bytes(partition)}).run();
  return gone;
}

std::vector<std::uint64_t> delete_uploads_before(Database& db, WallTime then) {
  std::vector<std::uint64_t> gone;
  {
    Query query(db, "SELECT number FROM uploads WHERE touched < ?1", {then.unix_seconds});
    gone = numbers(query);
  }
  Query(db, "DELETE FROM uploads WHERE touched < ?1", {then.unix_seconds}).run();
  return gone;
}

void delete_upload_of(Database& db, std::uint64_t number) {
  Query(db, "DELETE FROM uploads WHERE number = ?1", {signed_of(number)}).run();
}

}  // namespace latchkey::store::media
