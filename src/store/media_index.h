// The index of the media cache: which objects there are, whose, how they are called, and who has to
// give way. Files are store/media_files.h's; a row is written when the file is durable, and goes
// before the file does.
//
// A cache may forget. Where the index itself is damaged a new one is begun, and where the disk
// fails the index is opened anew with the next call: what cannot be looked up is a miss. Where the
// disk takes no writes (any more) it is opened for reading, until a change finds that it does
// again. One thread.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cache/quota.h"
#include "cache/records.h"
#include "store/database.h"
#include "store/error.h"
#include "store/media_files.h"

namespace latchkey::store {

using UploadId = FixedId<struct MediaUploadTag, 16>;

struct UploadRecord {
  UploadId id;
  std::uint64_t number = 0;  // of its draft
  std::string name;
  std::optional<std::uint64_t> length;  // of the whole, where it is known
  std::optional<Digest256> digest;      // of the whole, where it is known
  cache::ObjectFacts facts;
  std::uint64_t offset = 0;  // durable so far
  WallTime touched;
};

struct Listed {
  std::string name;
  std::uint64_t size = 0;
  std::string type;
  Digest256 digest{};
  WallTime stored;
  bool pinned = false;
};

// An object that was damaged and is gone.
struct Dropped {
  cache::Partition partition;
  std::string name;
  std::string source;  // empty: nobody knows where there is another
  bool pinned = false;
};

// How a file that a job asked for has ended.
struct FetchEnded {
  cache::JobId job;
  cache::JobEvent event{};              // its number is given here
  std::vector<cache::JobItem> found{};  // what it leads to
  // Of a playlist that was followed; added to what the job knows.
  bool is_playlist = false;
  std::uint64_t skipped = 0;
  bool live = false;
  // The content, where it came; else what is there is right, or there is none.
  struct Content {
    std::string name;
    std::uint64_t number = 0;  // of the draft
    SealedObject sealed;
    cache::ObjectFacts facts;
  };
  std::optional<Content> content{};
};

// What has come of a file that a job fetches. Where its server says nothing else by then, the rest
// is asked for.
struct PartRecord {
  cache::JobId job;
  std::string url;
  std::uint64_t number = 0;  // of its draft, which is reserved
  std::string tag;           // strong
  std::uint64_t whole = 0;
  std::optional<Digest256> digest;  // of the whole, where the server gave one
  std::uint64_t offset = 0;         // durable so far
};

class MediaIndex {
 public:
  using Key = cache::Partition::Key;
  // Its name in the folder.
  static constexpr const char* kFile = "index.db";
  struct Options {
    std::string vfs;                      // SQLite's name of the file layer; empty: the system's
    std::chrono::hours keep_uploads{24};  // of those that nobody goes on with
    std::optional<gid_t> group = std::nullopt;  // as for MediaFiles::open()
  };
  // Makes the index where there is none, or begins a new one where it is damaged; then removes
  // files that it does not name. On a disk that takes no writes nothing of this is done, and where
  // the index cannot be read there, everything is a miss. kBusy: another process has it open.
  // `files` outlives the index.
  static Result<std::unique_ptr<MediaIndex>> open(const std::filesystem::path& folder,
                                                  const MediaFiles& files, Options options);
  ~MediaIndex();
  // Whether open() found a damaged index and began a new one.
  [[nodiscard]] bool began_anew() const { return began_anew_; }
  // Whether a call found that the folder was emptied by somebody else: by a factory reset of the
  // device in front. From then on every call fails, so that nothing of before comes back; what
  // goes on has to let go of everything, and open another index.
  [[nodiscard]] bool was_emptied() const { return emptied_; }
  // Whether the disk takes no writes, as far as is known.
  [[nodiscard]] bool reads_only() const { return reads_only_; }

  // Counts as a use, now.
  Result<std::optional<cache::ObjectRecord>> find(const Key& partition, std::string_view name,
                                                  WallTime now);
  // Names that begin with `prefix` and come after `after`, in their order by bytes.
  Result<std::vector<Listed>> list(const Key& partition, std::string_view prefix,
                                   std::string_view after, std::size_t limit);
  // Bytes of content; the quota counts what MediaFiles::charge() says.
  Result<cache::Usage> usage(const Key& partition);

  // Makes room for so many bytes (MediaFiles::charge) in all that the draft will take, and a draft
  // to put them in. `number`: of a draft that has some already. kNoRoom: it cannot be; kNotFound:
  // that draft was given up, by clear() for instance, while it was being written. Objects that had
  // to go are gone from the index and from the disk.
  struct Space {
    cache::Quota quota;                 // as cache::quota_on_disk() takes it
    std::optional<std::uint64_t> free;  // on the disk
    std::uint64_t keep_free = 0;
    // It is for a job: what the jobs of this partition that run have brought is not thrown away
    // for it. kNoRoom where nothing else of the partition could go.
    bool for_job = false;
  };
  // What holds now.
  Result<cache::Quota> quota(const Space& space);
  Result<std::uint64_t> reserve(const cache::Partition& partition, std::uint64_t charge,
                                std::optional<std::uint64_t> number, const Space& space);
  // The draft is not going to be an object; it is nobody's part either.
  void release(std::uint64_t number);

  struct Published {
    cache::ObjectRecord object;
    bool replaced = false;
  };
  // The file of a draft is where it stays. Durable when this returns. `seen`: the number of what
  // has the name, 0 for nothing; kConflict where that is another by now.
  Result<Published> publish(const cache::Partition& partition, std::string_view name,
                            std::uint64_t number, const SealedObject& sealed,
                            const cache::ObjectFacts& facts, WallTime now,
                            std::optional<std::uint64_t> seen = std::nullopt);
  // False: there is none.
  Result<bool> remove(const Key& partition, std::string_view name);
  // A damaged one; others that have its name by now stay. What it was, where it was still there.
  Result<std::optional<Dropped>> drop(std::uint64_t number);
  Result<bool> pin(const Key& partition, std::string_view name, bool pinned);
  // Everything of one partition, its jobs too.
  Result<void> clear(const Key& partition);

  // Unfinished uploads. `record.number` is reserved.
  Result<void> add_upload(const Key& partition, const UploadRecord& record);
  Result<std::optional<UploadRecord>> find_upload(const Key& partition, const UploadId& id);
  Result<void> move_upload(const UploadId& id, std::uint64_t offset,
                           std::optional<std::uint64_t> length, WallTime now);
  Result<void> end_upload(const UploadId& id);
  // Those that nobody went on with; gives their number.
  Result<std::size_t> expire_uploads(WallTime now);

  // Jobs that fetch (store/media_jobs.cc). Items of one job have different URLs.
  Result<void> add_job(const cache::JobRecord& job, const std::vector<cache::JobItem>& items);
  Result<std::optional<cache::JobRecord>> find_job(const Key& partition, const cache::JobId& id);
  // Without those of the cache's own accord; the newest first.
  Result<std::vector<cache::JobRecord>> jobs(const Key& partition);
  Result<std::vector<cache::JobRecord>> running_jobs();
  Result<std::vector<cache::JobItem>> waiting_items(const cache::JobId& id);
  // The item of a job that runs, and the object of this name. kNotFound: the job is gone, or the
  // item was finished with.
  struct Wanted {
    cache::JobRecord job;
    cache::JobItem item;
    std::optional<cache::ObjectRecord> object;
    std::optional<PartRecord> part = std::nullopt;
  };
  Result<Wanted> wanted(const cache::JobId& id, const std::string& url, std::string_view name);
  // So that the file goes on there after a power cut. Its draft was synced at the offset.
  // kNotFound: as above, or the draft was given up.
  Result<void> note_part(const PartRecord& part);
  // All of it or nothing, durably: the content becomes an object, what is pinned is pinned, what it
  // leads to becomes part of the job, and the item is finished with. A job that ends without any
  // media has failed. kNotFound: as above. What was really added.
  Result<std::vector<cache::JobItem>> end_fetch(const FetchEnded& ended, WallTime now);
  // It runs no more; what it brought stays.
  Result<void> stop_job(const cache::JobId& id, const std::string& why, WallTime now);
  Result<bool> remove_job(const Key& partition, const cache::JobId& id);
  Result<std::vector<cache::JobEvent>> job_events(const cache::JobId& id, std::uint64_t after,
                                                  std::size_t limit);
  Result<void> expire_jobs(WallTime now);

  // Writes down what was used when. Called now and then, and by eviction.
  Result<void> flush();

 private:
  struct Reservation {
    Key partition;
    std::uint64_t charge = 0;
  };
  struct Parties;
  MediaIndex(std::filesystem::path folder, const MediaFiles& files, Options options);
  Result<void> reopen();
  // On a disk that takes no writes: what is there can be looked up.
  Result<void> reopen_for_reading();
  // Before a change: where the index is open for reading only, looks whether the disk takes writes
  // again, and opens it for those.
  Result<void> make_writable();
  // Looks whether the file that was opened is still the one of that name. A disk that does not say
  // is another trouble.
  [[nodiscard]] bool find_emptied();
  // Runs `work` with an open database; opens it first where it is not.
  template <class F>
  auto with_database(F&& work) -> Result<std::invoke_result_t<F, Database&>>;
  // The same inside a transaction.
  template <class F>
  auto in_transaction(F&& work) -> Result<std::invoke_result_t<F, Database&>>;
  std::optional<std::uint64_t> insert(Database& db, const cache::Partition& partition,
                                      cache::ObjectRecord& object);
  void look_at_files(Database& db);
  void write_uses(Database& db);
  // Drafts that are nothing any more.
  void discard(const std::vector<std::uint64_t>& drafts);
  Parties parties(Database& db, const Key& self);

  std::filesystem::path folder_;
  const MediaFiles& files_;
  Options options_;
  std::unique_ptr<Database> db_;
  std::uint64_t inode_ = 0;
  bool reads_only_ = false;
  bool starts_ = true;
  bool knows_files_ = false;
  bool began_anew_ = false;
  bool emptied_ = false;
  std::uint64_t next_number_ = 1;
  std::map<std::uint64_t, Reservation> reserved_;
  std::set<std::uint64_t> noted_;  // of them: parts that have a row
  std::map<std::uint64_t, WallTime> uses_;
};

}  // namespace latchkey::store
