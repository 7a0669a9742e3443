// The rows of the media cache's index. Internal to store/media_index; all of it throws.
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "store/database.h"
#include "store/media_index.h"

namespace latchkey::store::media {

using Key = cache::Partition::Key;

Schema schema();

std::optional<cache::ObjectRecord> find_object(Database& db, const Key& partition,
                                               std::string_view name);
std::vector<Listed> list_objects(Database& db, const Key& partition, std::string_view prefix,
                                 std::string_view after, std::size_t limit);
bool has_number(Database& db, std::uint64_t number);
// Of objects and drafts; 0: there is none.
std::uint64_t highest_number(Database& db);
// Before anything refers to it.
void name_partition(Database& db, const cache::Partition& partition);
std::optional<Dropped> find_source(Database& db, std::uint64_t number);
void insert_object(Database& db, const cache::Partition& partition,
                   const cache::ObjectRecord& object, std::uint64_t charge);
void delete_object(Database& db, std::uint64_t number);
// False: there is none.
bool set_pinned(Database& db, const Key& partition, std::string_view name, bool pinned);
std::vector<std::uint64_t> delete_objects_of(Database& db, const Key& partition);

cache::Usage usage_of(Database& db, const Key& partition);
std::map<Key, cache::Standing> standings(Database& db);
struct Victim {
  std::uint64_t number = 0;
  std::uint64_t charge = 0;
};
// Deletes the least recently used of those that are not pinned. `spare_jobs`: nor brought by a job
// that runs.
std::optional<Victim> take_oldest(Database& db, const Key& partition, bool spare_jobs);

struct UploadDraft {
  std::uint64_t number = 0;
  Key partition;
  std::optional<std::uint64_t> length;
  std::uint64_t offset = 0;
};
std::vector<UploadDraft> upload_drafts(Database& db);
void insert_upload(Database& db, const Key& partition, const UploadRecord& record);
std::optional<UploadRecord> find_upload(Database& db, const Key& partition, const UploadId& id);
// These give the numbers of the drafts that have lost their row.
std::optional<std::uint64_t> delete_upload(Database& db, const UploadId& id);
std::vector<std::uint64_t> delete_uploads_of(Database& db, const Key& partition);
std::vector<std::uint64_t> delete_uploads_before(Database& db, WallTime then);
void delete_upload_of(Database& db, std::uint64_t number);

// store/media_job_tables.cc
void insert_job(Database& db, const cache::JobRecord& job);
std::optional<cache::JobRecord> find_job(Database& db, const cache::JobId& id);
std::vector<cache::JobRecord> list_jobs(Database& db, const Key& partition);
std::vector<cache::JobRecord> running_jobs(Database& db);
void write_job(Database& db, const cache::JobRecord& job);
// False: the job has it already.
bool insert_item(Database& db, const cache::JobId& job, const cache::JobItem& item);
std::optional<cache::JobItem> find_item(Database& db, const cache::JobId& job,
                                        const std::string& url);
std::vector<cache::JobItem> waiting_items(Database& db, const cache::JobId& job);
// False: there is none that waits.
bool end_item(Database& db, const cache::JobId& job, const cache::JobEvent& event,
              bool is_playlist);
// Whether something came that is more than playlists, beginnings and keys.
bool has_media(Database& db, const cache::JobId& job);
std::vector<cache::JobEvent> job_events(Database& db, const cache::JobId& job, std::uint64_t after,
                                        std::size_t limit);
struct PartDraft {
  std::uint64_t number = 0;
  Key partition;
  std::uint64_t whole = 0;
};
// Of items that wait.
std::vector<PartDraft> part_drafts(Database& db);
std::optional<PartRecord> find_part(Database& db, const cache::JobId& job, const std::string& url);
// Instead of the one that the item had.
void write_part(Database& db, const PartRecord& part);
void delete_part(Database& db, std::uint64_t number);
// These give the numbers of the drafts that have lost their row.
std::vector<std::uint64_t> delete_part_of(Database& db, const cache::JobId& job,
                                          const std::string& url);
std::vector<std::uint64_t> delete_parts_of(Database& db, const cache::JobId& job);
std::vector<std::uint64_t> delete_parts_of(Database& db, const Key& partition);
void delete_job(Database& db, const cache::JobId& job);
void delete_jobs_of(Database& db, const Key& partition);
// Those that have ended before `then`, and of each partition all but the newest `most`; of those
// that ended before `lists`, what they were made of.
void expire_jobs(Database& db, WallTime then, WallTime lists, std::size_t most);

}  // namespace latchkey::store::media
