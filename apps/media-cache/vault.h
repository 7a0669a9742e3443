// The store on threads of its own: one looks things up and commits, one writes and syncs, one
// reads. So a film that is being synced keeps no other from playing, and the loop never waits for a
// disk.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>

#include "net/task.h"
#include "net/worker.h"
#include "store/media_index.h"
#include "wire/http_selection.h"

namespace latchkey::mediacache {

using store::MediaDraft;
using store::MediaIndex;
using store::MediaObject;

template <class T>
using Stored = store::Result<T>;

// An object that is being written: its file, and the room that is kept for it.
struct Draft {
  std::uint64_t number = 0;
  std::uint64_t reserved = 0;  // bytes of content that there is room for
  std::shared_ptr<MediaDraft> file;
  bool for_job = false;  // MediaIndex::Space's
};

class Vault {
 public:
  struct Limits {
    cache::Quota quota;
    std::uint64_t keep_free = 0;
  };
  // `index` refers to `files`.
  Vault(net::Executor executor, std::unique_ptr<store::MediaFiles> files,
        std::unique_ptr<MediaIndex> index, Limits limits)
      : executor_(std::move(executor)),
        files_(std::move(files)),
        index_(std::move(index)),
        limits_(limits) {}

  // Something about the index, on its thread. `work` takes the index and gives a Stored<...>; it
  // owns what it uses.
  template <class F>
  net::Task<std::invoke_result_t<F, MediaIndex&>> ask(F work) {
    auto job = [index = index_.get(), asked = std::move(work)]() mutable { return asked(*index); };
    auto done = co_await lookups_.run(executor_, net::kNoDeadline, std::move(job));
    if (!done) {
      co_return over();
    }
    co_return *std::move(done);
  }

  // Opens an object that find() gave. kNotFound and kCorrupt: it is dropped already.
  net::Task<Stored<std::shared_ptr<MediaObject>>> open(cache::ObjectRecord record);
  // kCorrupt: it is dropped already.
  net::Task<Stored<Bytes>> read(std::shared_ptr<MediaObject> object, std::uint64_t number,
                                wire::ByteRange range);

  // kNoRoom: the quota or the disk.
  net::Task<Stored<Draft>> begin(cache::Partition partition, std::uint64_t size,
                                 bool for_job = false);
  net::Task<Stored<void>> enlarge(cache::Partition partition, Draft& draft, std::uint64_t size);
  net::Task<Stored<void>> write(const Draft& draft, Bytes bytes);
  net::Task<Stored<void>> sync(const Draft& draft);
  net::Task<Stored<store::SealedObject>> finish(const Draft& draft);
  // Of a finished draft: from now on it is an object.
  net::Task<Stored<MediaIndex::Published>> publish(cache::Partition partition, std::string name,
                                                   Draft draft, store::SealedObject sealed,
                                                   cache::ObjectFacts facts, WallTime now,
                                                   std::optional<std::uint64_t> seen);
  net::Task<void> give_up(Draft draft);

  // The end of a file that was fetched: FetchEnded's, with its finished draft where it has content.
  net::Task<Stored<std::vector<cache::JobItem>>> end_fetch(store::FetchEnded ended, Draft draft,
                                                           WallTime now);
  // For threads that fetch for a job. kNoRoom as above, also when this ends.
  Stored<Draft> wait_begin(const cache::Partition& partition, std::uint64_t size);
  Stored<void> wait_enlarge(const cache::Partition& partition, Draft& draft, std::uint64_t size);
  void wait_give_up(Draft draft);
  // MediaIndex's, of a draft that was synced.
  Stored<void> wait_note_part(store::PartRecord part);
  // Told of each object that was found to be damaged.
  void on_drop(std::function<void(store::Dropped)> callback) { on_drop_ = std::move(callback); }

  // Syncs the draft and notes it; `part.offset` is set here.
  net::Task<Stored<void>> note_part(Draft draft, store::PartRecord part);
  // What an earlier run has noted. It is read again, for its hash.
  net::Task<Stored<Draft>> reopen_part(const store::PartRecord& part);

  // Drafts of uploads that go on in another request.
  net::Task<Stored<Draft>> reopen(const store::UploadRecord& upload, std::uint64_t reserved);
  void keep(const store::UploadId& id, Draft draft);
  void forget(const store::UploadId& id);

  // What holds on this disk now.
  net::Task<Stored<cache::Quota>> quota();

 private:
  // What waits is told so when the program ends.
  static tl::unexpected<store::Error> over() {
    return fail(store::Error{store::ErrorCode::kIo, "the program ends"});
  }
  static constexpr std::size_t kKeptObjects = 64;
  static constexpr std::size_t kKeptDrafts = 16;
  [[nodiscard]] MediaIndex::Space space(bool for_job) const;
  // Closes what was opened lately and has been removed since: on a disk that is nearly full its
  // room would stay taken, and others would go for nothing.
  void let_go();
  void wait_let_go();
  net::Task<void> drop(std::uint64_t number);
  net::Task<Stored<Draft>> open_again(std::uint64_t number, std::uint64_t offset,
                                      std::uint64_t reserved);

  net::Executor executor_;
  std::unique_ptr<store::MediaFiles> files_;
  std::unique_ptr<MediaIndex> index_;
  Limits limits_;
  std::function<void(store::Dropped)> on_drop_;
  // What was opened lately, newest first: its verified blocks stay verified.
  std::list<std::pair<std::uint64_t, std::shared_ptr<MediaObject>>> opened_;
  std::list<std::pair<store::UploadId, Draft>> drafts_;
  // Last, so that they end first.
  net::Worker lookups_;
  net::Worker writes_;
  net::Worker reads_;
};

}  // namespace latchkey::mediacache
