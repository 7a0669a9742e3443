// Fetches what pages have asked for: takes turns by cache/prefetch.h, remembers by the index, and
// stores by the vault. What is in the index goes on after a power cut.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/random.h"
#include "media-cache/fetching.h"

namespace latchkey::mediacache {

class Prefetcher {
 public:
  Prefetcher(net::Executor executor, Vault& vault, Random& random, const Clock& clock,
             FetchRules rules, cache::PrefetchLimits limits);
  // What an earlier run has left is gone on with.
  void start();
  // Ends everything; what was not stored is fetched again by the next run.
  void stop();
  [[nodiscard]] bool empty() const { return tasks_.empty(); }
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  enum class Refused { kTooManyJobs, kTooManyItems, kNotStored };
  struct Item {
    cache::FetchUrl url;
    std::optional<Digest256> digest;
  };
  // Durable when it returns. `job`: its id, times and progress are set here.
  net::Task<Result<cache::JobRecord, Refused>> add(cache::JobRecord job, std::vector<Item> items);
  // False: there is none.
  net::Task<Stored<bool>> remove(cache::Partition partition, cache::JobId id);
  // Before everything of the partition is cleared.
  void forget(const cache::Partition& partition);
  // Returns when some job may have moved on, or at the deadline.
  net::Task<void> changed(net::Deadline deadline);

 private:
  using ItemKey = std::pair<cache::JobId, std::string>;
  struct Slot {
    bool busy = false;
    std::optional<cache::JobId> job;
    std::shared_ptr<std::atomic<bool>> cancel;
    std::unique_ptr<net::FetchSession> session = std::make_unique<net::FetchSession>();
    net::Worker worker;  // last: ends before what it uses
  };
  struct Outcome {
    cache::FetchEnd end = cache::FetchEnd::kTryAgain;
    std::string why;
    std::optional<std::chrono::seconds> wait = {};
    std::uint64_t bytes = 0;
    bool job_gone = false;
  };

  net::Task<void> go_on();
  net::Task<void> pump();
  net::Task<void> fetch_one(cache::PrefetchQueue::Start start, Slot& slot);
  net::Task<Outcome> bring(const cache::PrefetchQueue::Start& start, Slot& slot);
  net::Task<Outcome> confirm(const cache::PrefetchQueue::Start& start,
                             const MediaIndex::Wanted& wanted);
  net::Task<Outcome> store(const cache::PrefetchQueue::Start& start,
                           const MediaIndex::Wanted& wanted, FetchResult result);
  net::Task<Outcome> end(store::FetchEnded ended, Draft draft);
  net::Task<void> give_up(const cache::PrefetchQueue::Start& start, std::string why);
  net::Task<void> mend(store::Dropped dropped);
  // The text of an object that is a playlist; nothing where it is none or cannot be read.
  net::Task<std::optional<std::string>> read_text(cache::ObjectRecord object);
  // Writes into `ended` what the playlist leads to. False: more than there may be.
  bool found(const cache::Playlist& playlist, const cache::PrefetchQueue::Start& start,
             const MediaIndex::Wanted& wanted, store::FetchEnded& ended) const;
  void stop_fetches(const cache::JobId& id);
  std::optional<FetchPart> take_part(const ItemKey& key);
  // What an earlier run has fetched of a file; nothing where it is not there any more.
  net::Task<std::optional<FetchPart>> find_again(store::PartRecord part);
  void kick();
  void tell();

  net::Executor executor_;
  Vault& vault_;
  Random& random_;
  const Clock& clock_;
  FetchRules rules_;
  cache::PrefetchLimits limits_;
  cache::PrefetchQueue queue_;
  std::map<ItemKey, FetchPart> parts_;
  boost::asio::steady_timer kick_;
  std::set<std::shared_ptr<boost::asio::steady_timer>> watchers_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Slot>> slots_;
  net::TaskGroup tasks_;
};

}  // namespace latchkey::mediacache
