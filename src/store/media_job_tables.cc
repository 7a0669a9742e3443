// Rows of jobs and of what they fetch.
#include "store/media_columns.h"
#include "store/media_tables.h"

namespace latchkey::store::media {

namespace {

using State = cache::Progress::State;

constexpr const char* kJobColumns =
    "SELECT id, origins.origin, created, since, follow, pin, mend, max_bandwidth, state, items, "
    "done, failed, jobs.bytes, ended, why, skipped, live FROM jobs JOIN origins USING (partition) ";
constexpr std::size_t kMaxCode = 64;

std::int64_t flag(bool value) {
  return value ? 1 : 0;
}

cache::JobRecord read_job(Query& query) {
  Columns row(query);
  const cache::JobId id(row.array<cache::JobId::kSize>("id"));
  cache::JobRecord job{id, partition_named(row.words("origin", kMaxOrigin)), {}, {}};
  job.created = {row.number("created")};
  job.since = {row.number("since")};
  job.follow = row.number("follow") != 0;
  job.pin = row.number("pin") != 0;
  job.mend = row.number("mend") != 0;
  job.max_bandwidth = row.count("max_bandwidth");
  const std::uint64_t state = row.count("state");
  if (state > static_cast<std::uint64_t>(State::kFailed)) {
    throw_failure(ErrorCode::kCorrupt, "a job in no state");
  }
  job.progress.state = static_cast<State>(state);
  job.progress.items = row.count("items");
  job.progress.done = row.count("done");
  job.progress.failed = row.count("failed");
  job.progress.bytes = row.count("bytes");
  job.ended = {row.number("ended")};
  job.why = row.words("why", kMaxCode);
  job.progress.skipped = row.count("skipped");
  job.progress.live = row.number("live") != 0;
  return job;
}

std::vector<cache::JobRecord> read_jobs(Query& query) {
  std::vector<cache::JobRecord> out;
  while (query.step()) {
    out.push_back(read_job(query));
  }
  return out;
}

cache::JobItem read_item(Query& query) {
  Columns row(query);
  cache::JobItem item;
  item.url = row.words("url", cache::kMaxSourceUrl);
  item.depth = row.count("depth");
  item.digest = row.maybe_array<kHashBytes>("digest");
  item.aside = row.number("aside") != 0;
  return item;
}

}  // namespace

void insert_job(Database& db, const cache::JobRecord& job) {
  Query(db, "INSERT INTO jobs VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)",
        {to_bytes(job.id.span()), key_bytes(job.partition.key()), job.created.unix_seconds,
         job.since.unix_seconds, flag(job.follow), flag(job.pin), flag(job.mend),
         signed_of(job.max_bandwidth), static_cast<std::int64_t>(job.progress.state),
         signed_of(job.progress.items), signed_of(job.progress.done),
         signed_of(job.progress.failed), signed_of(job.progress.bytes), job.ended.unix_seconds,
         job.why, signed_of(job.progress.skipped), flag(job.progress.live)})
      .run();
}

void write_job(Database& db, const cache::JobRecord& job) {
  Query(db,
        "UPDATE jobs SET state = ?2, items = ?3, done = ?4, failed = ?5, bytes = ?6, ended = ?7, "
        "why = ?8, skipped = ?9, live = ?10 WHERE id = ?1",
        {to_bytes(job.id.span()), static_cast<std::int64_t>(job.progress.state),
         signed_of(job.progress.items), signed_of(job.progress.done),
         signed_of(job.progress.failed), signed_of(job.progress.bytes), job.ended.unix_seconds,
         job.why, signed_of(job.progress.skipped), flag(job.progress.live)})
      .run();
}

std::optional<cache::JobRecord> find_job(Database& db, const cache::JobId& id) {
  Query query(db, std::string(kJobColumns) + "WHERE id = ?1", {to_bytes(id.span())});
  return query.step() ? std::optional(read_job(query)) : std::nullopt;
}

std::vector<cache::JobRecord> list_jobs(Database& db, const Key& partition) {
  Query query(db,
              std::string(kJobColumns) +
                  "WHERE jobs.partition = ?1 AND mend = 0 ORDER BY created DESC, id LIMIT 128",
              {key_bytes(partition)});
  return read_jobs(query);
}

std::vector<cache::JobRecord> running_jobs(Database& db) {
  Query query(db, std::string(kJobColumns) + "WHERE state = ?1 ORDER BY created, id",
              {static_cast<std::int64_t>(State::kRunning)});
  return read_jobs(query);
}

bool insert_item(Database& db, const cache::JobId& job, const cache::JobItem& item) {
  Query query(
      db,
      "INSERT INTO fetches (job, url, depth, digest, event, stored, name, size, why, aside) "
      "VALUES (?1, ?2, ?3, ?4, NULL, 0, '', 0, '', ?5) ON CONFLICT DO NOTHING RETURNING number",
      {to_bytes(job.span()), item.url, signed_of(item.depth),
       item.digest ? Value(to_bytes(*item.digest)) : Value(), flag(item.aside)});
  if (query.step()) {
    return true;
  }
  if (!item.aside) {
    // One list's beginning is another one's film.
    Query(db, "UPDATE fetches SET aside = 0 WHERE job = ?1 AND url = ?2 AND aside = 1",
          {to_bytes(job.span()), item.url})
        .run();
  }
  return false;
}

std::optional<cache::JobItem> find_item(Database& db, const cache::JobId& job,
                                        const std::string& url) {
  Query query(
      db,
      "SELECT url, depth, digest, aside FROM fetches WHERE job = ?1 AND url = ?2 AND event IS NULL",
      {to_bytes(job.span()), url});
  return query.step() ? std::optional(read_item(query)) : std::nullopt;
}

std::vector<cache::JobItem> waiting_items(Database& db, const cache::JobId& job) {
  Query query(
      db,
      "SELECT url, depth, digest, aside FROM fetches WHERE job = ?1 AND event IS NULL ORDER BY "
      "number",
      {to_bytes(job.span())});
  std::vector<cache::JobItem> out;
  while (query.step()) {
    out.push_back(read_item(query));
  }
  return out;
}

bool end_item(Database& db, const cache::JobId& job, const cache::JobEvent& event,
              bool is_playlist) {
  Query query(db,
              "UPDATE fetches SET event = ?3, stored = ?4, name = ?5, size = ?6, why = ?7, "
              "aside = CASE ?8 WHEN 1 THEN 2 ELSE aside END "
              "WHERE job = ?1 AND url = ?2 AND event IS NULL RETURNING number",
              {to_bytes(job.span()), event.url, signed_of(event.number), flag(event.stored),
               event.name, signed_of(event.size), event.why, flag(is_playlist)});
  return query.step();
}

bool has_media(Database& db, const cache::JobId& job) {
  Query query(db, "SELECT 1 FROM fetches WHERE job = ?1 AND stored = 1 AND aside = 0 LIMIT 1",
              {to_bytes(job.span())});
  return query.step();
}

std::vector<cache::JobEvent> job_events(Database& db, const cache::JobId& job, std::uint64_t after,
                                        std::size_t limit) {
  Query query(db,
              "SELECT event, url, name, stored, why, size FROM fetches WHERE job = ?1 AND "
              "event > ?2 ORDER BY event LIMIT ?3",
              {to_bytes(job.span()), signed_of(after), signed_of(limit)});
  std::vector<cache::JobEvent> out;
  while (query.step()) {
    Columns row(query);
    cache::JobEvent event;
    event.number = row.count("event");
    event.url = row.words("url", cache::kMaxSourceUrl);
    event.name = row.words("name", cache::kMaxObjectName);
    event.stored = row.number("stored") != 0;
    event.why = row.words("why", kMaxCode);
    event.size = row.count("size");
    out.push_back(std::move(event));
  }
  return out;
}

std::vector<PartDraft> part_drafts(Database& db) {
  Query query(
      db,
      "SELECT parts.number, jobs.partition, whole FROM parts JOIN jobs ON jobs.id = parts.job "
      "JOIN fetches ON fetches.job = parts.job AND fetches.url = parts.url "
      "WHERE state = ?1 AND event IS NULL",
      {static_cast<std::int64_t>(State::kRunning)});
  std::vector<PartDraft> out;
  while (query.step()) {
    Columns row(query);
    const std::uint64_t number = row.count("number");
    const Key partition(row.array<Key::kSize>("partition"));
    out.push_back({number, partition, row.count("whole")});
  }
  return out;
}

std::optional<PartRecord> find_part(Database& db, const cache::JobId& job, const std::string& url) {
  Query query(db,
              "SELECT number, tag, whole, digest, offset FROM parts WHERE job = ?1 AND url = ?2",
              {to_bytes(job.span()), url});
  if (!query.step()) {
    return std::nullopt;
  }
  Columns row(query);
  PartRecord part{job, url, 0, {}, 0, {}, 0};
  part.number = row.count("number");
  part.tag = row.words("tag", cache::kMaxFieldText);
  part.whole = row.count("whole");
  part.digest = row.maybe_array<kHashBytes>("digest");
  part.offset = row.count("offset");
  if (part.whole > cache::kMaxObjectBytes || part.offset >= part.whole) {
    throw_failure(ErrorCode::kCorrupt, "a part of an impossible size");
  }
  return part;
}

void write_part(Database& db, const PartRecord& part) {
  Query(
      db, "INSERT OR REPLACE INTO parts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
      {signed_of(part.number), to_bytes(part.job.span()), part.url, part.tag, signed_of(part.whole),
       part.digest ? Value(to_bytes(*part.digest)) : Value(), signed_of(part.offset)})
      .run();
}

void delete_part(Database& db, std::uint64_t number) {
  Query(db, "DELETE FROM parts WHERE number = ?1", {signed_of(number)}).run();
}

std::vector<std::uint64_t> delete_part_of(Database& db, const cache::JobId& job,
                                          const std::string& url) {
  Query query(db, "DELETE FROM parts WHERE job = ?1 AND url = ?2 RETURNING number",
              {to_bytes(job.span()), url});
  return numbers(query);
}

std::vector<std::uint64_t> delete_parts_of(Database& db, const cache::JobId& job) {
  Query query(db, "DELETE FROM parts WHERE job = ?1 RETURNING number", {to_bytes(job.span())});
  return numbers(query);
}

std::vector<std::uint64_t> delete_parts_of(Database& db, const Key& partition) {
  Query query(db,
              "DELETE FROM parts WHERE job IN (SELECT id FROM jobs WHERE partition = ?1) "
              "RETURNING number",
              {key_bytes(partition)});
  return numbers(query);
}

void delete_job(Database& db, const cache::JobId& job) {
  Query(db, "DELETE FROM fetches WHERE job = ?1", {to_bytes(job.span())}).run();
  Query(db, "DELETE FROM jobs WHERE id = ?1", {to_bytes(job.span())}).run();
}

void delete_jobs_of(Database& db, const Key& partition) {
  Query(db, "DELETE FROM fetches WHERE job IN (SELECT id FROM jobs WHERE partition = ?1)",
        {key_bytes(partition)})
      .run();
  Query(db, "DELETE FROM jobs WHERE partition = ?1", {key_bytes(partition)}).run();
}

void expire_jobs(Database& db, WallTime then, WallTime lists, std::size_t most) {
  Query(db, "DELETE FROM fetches WHERE job IN (SELECT id FROM jobs WHERE state > 0 AND ended < ?1)",
        {lists.unix_seconds})
      .run();
  constexpr const char* kOld =
      "(SELECT id FROM (SELECT id, ended, row_number() OVER (PARTITION BY partition ORDER BY ended "
      "DESC, id) AS place FROM jobs WHERE state > 0) WHERE ended < ?1 OR place > ?2)";
  Query(db, std::string("DELETE FROM fetches WHERE job IN ") + kOld,
        {then.unix_seconds, signed_of(most)})
      .run();
  Query(db, std::string("DELETE FROM jobs WHERE id IN ") + kOld,
        {then.unix_seconds, signed_of(most)})
      .run();
}

}  // namespace latchkey::store::media
