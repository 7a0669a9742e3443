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
void insert_object(Database& db, const cache::Partition& partition,
                   const cache::ObjectRecord& object, std::uint64_t charge);
void delete_object(Database& db, std::uint64_t number);
std::vector<std::uint64_t> delete_objects_of(Database& db, const Key& partition);

cache::Usage usage_of(Database& db, const Key& partition);
std::map<Key, cache::Standing> standings(Database& db);
struct Victim {
  std::uint64_t number = 0;
  std::uint64_t charge = 0;
};
// Deletes the least recently used of those that are not pinned.
std::optional<Victim> take_oldest(Database& db, const Key& partition);

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

}  // namespace latchkey::store::media
