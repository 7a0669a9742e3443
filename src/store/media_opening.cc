// How the media cache's index is opened: for writing, or on a disk that takes no writes for
// reading.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "store/media_tables.h"
#include "store/media_work.h"

namespace latchkey::store {

namespace fs = std::filesystem;

namespace {

constexpr const char* kLock = "index.db.lock";

// 0: there is none.
std::uint64_t inode_of(const fs::path& file) {
  struct stat info{};
  return ::stat(file.c_str(), &info) == 0 ? info.st_ino : 0;
}

bool is_read_only(const fs::path& folder) {
  struct statvfs info{};
  return ::statvfs(folder.c_str(), &info) == 0 && (info.f_flag & ST_RDONLY) != 0;
}

Location location(const fs::path& folder, const MediaIndex::Options& options) {
  return {folder, MediaIndex::kFile, options.vfs, options.group};
}

}  // namespace

Result<std::unique_ptr<MediaIndex>> MediaIndex::open(const fs::path& folder,
                                                     const MediaFiles& files, Options options) {
  auto index = std::unique_ptr<MediaIndex>(new MediaIndex(folder, files, std::move(options)));
  const FileHandle held = hold_folder(folder);
  auto opened = index->reopen();
  if (!opened && opened.error().code == ErrorCode::kCorrupt) {
    // It is a cache: to know nothing is better than to be wrong.
    std::error_code bad;
    fs::remove(folder / kFile, bad);
    fs::remove(folder / (std::string(kFile) + "-journal"), bad);
    index->began_anew_ = true;
    opened = index->reopen();
  }
  if (!opened && opened.error().code == ErrorCode::kIo && is_read_only(folder)) {
    index->reads_only_ = true;
    if (const auto reading = index->reopen_for_reading();
        !reading && reading.error().code == ErrorCode::kBusy) {
      return fail(reading.error());
    }
  } else if (!opened) {
    return fail(opened.error());
  }
  index->starts_ = false;
  return index;
}

bool MediaIndex::find_emptied() {
  struct stat info{};
  if (!emptied_ && inode_ != 0) {
    const bool found = ::stat((folder_ / kFile).c_str(), &info) == 0;
    emptied_ = found ? info.st_ino != inode_ : errno == ENOENT;
    if (emptied_) {
      db_.reset();
      reserved_.clear();
      noted_.clear();
      uses_.clear();
    }
  }
  return emptied_;
}

Result<void> MediaIndex::reopen() {
  if (const auto folders = MediaFiles::open(folder_, options_.group); !folders) {
    return fail(folders.error());
  }
  auto opened = Database::open(location(folder_, options_), media::schema(), nullptr);
  if (!opened) {
    return fail(opened.error());
  }
  db_ = std::make_unique<Database>(*std::move(opened));
  inode_ = inode_of(folder_ / kFile);
  reads_only_ = false;
  return guarded([&] {
    next_number_ = std::max(next_number_, media::highest_number(*db_) + 1);
    for (const auto& draft : media::upload_drafts(*db_)) {
      const std::uint64_t bytes = std::max(draft.length.value_or(0), draft.offset);
      reserved_.try_emplace(draft.number, Reservation{draft.partition, MediaFiles::charge(bytes)});
    }
    // Later on, whoever fetches knows better which are still parts.
    for (const auto& part : starts_ ? media::part_drafts(*db_) : std::vector<media::PartDraft>()) {
      const auto charge = MediaFiles::charge(part.whole);
      reserved_.try_emplace(part.number, Reservation{part.partition, charge});
      noted_.insert(part.number);
    }
    look_at_files(*db_);
  });
}

Result<void> MediaIndex::reopen_for_reading() {
  auto opened = Database::open_for_reading(location(folder_, options_), media::schema());
  if (!opened) {
    return fail(opened.error());
  }
  db_ = std::make_unique<Database>(*std::move(opened));
  inode_ = inode_of(folder_ / kFile);
  reads_only_ = true;
  return {};
}

Result<void> MediaIndex::make_writable() {
  if (!reads_only_) {
    return {};
  }
  if (db_ != nullptr) {
    // As opening it for writing would begin, but without giving up what can be read.
    const FileHandle lock(::open((folder_ / kLock).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!lock.is_open() && errno != ENOENT) {
      return fail(Error{ErrorCode::kIo, "the disk takes no writes"});
    }
    db_.reset();
  }
  auto opened = reopen();
  if (!opened) {
    db_.reset();
  }
  return opened;
}

// Once: no number that a file has is given again. At the start, while nothing is being written,
// what a process that was killed left behind is removed; what it acknowledged has a row.
void MediaIndex::look_at_files(Database& db) {
  if (std::exchange(knows_files_, true)) {
    return;
  }
  std::set<std::uint64_t> drafts;
  for (const auto& draft : media::upload_drafts(db)) {
    drafts.insert(draft.number);
  }
  drafts.insert(noted_.begin(), noted_.end());
  for (const std::uint64_t number : files_.drafts()) {
    if (starts_ && !drafts.contains(number)) {
      files_.remove_draft(number);
    }
    next_number_ = std::max(next_number_, number + 1);
  }
  for (const std::uint64_t number : files_.objects()) {
    if (starts_ && !media::has_number(db, number)) {
      files_.remove_object(number);
    }
    next_number_ = std::max(next_number_, number + 1);
  }
}

}  // namespace latchkey::store
