// Which of many URLs to fetch next: a machine without sockets and clock. It is polite: few at a
// time from one host, a pause between two, and after an error or a "too many" longer and longer
// ones. The shell fetches, and tells it how that ended.
//
// A job is what one page asked for at once. What it finds in playlists becomes part of it. Items
// that are done are forgotten here but counted; the store remembers them, so that after a restart
// add() is told what was left.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cache/fetch_url.h"
#include "cache/playlist.h"
#include "cache/records.h"

namespace latchkey::cache {

struct PrefetchLimits {
  std::size_t at_once = 6;
  std::size_t per_partition = 4;  // so that slow servers of one site do not keep all others waiting
  std::size_t per_host = 2;
  std::chrono::milliseconds host_pause{100};  // between two beginnings
  std::chrono::milliseconds first_wait{2'000};
  std::chrono::milliseconds longest_wait{300'000};
  std::size_t attempts = 12;  // half an hour and more
  std::size_t jobs_per_partition = 16;
  std::size_t items_per_job = kMaxPlaylistEntries;
  std::size_t items = 200'000;  // all jobs together
};

struct PrefetchItem {
  FetchUrl url;
  std::size_t depth = 0;  // how many playlists led to it
};

enum class FetchEnd {
  kStored,
  kGone,      // a status or an address that asking again does not change
  kTryAgain,  // the network, the server's trouble, "too many"
  kNoRoom,    // the disk or the quota: nothing more of this job for now fits
};

class PrefetchQueue {
 public:
  explicit PrefetchQueue(PrefetchLimits limits) : limits_(limits) {}

  // Whether add() would take so many items of a job that is not known yet.
  [[nodiscard]] bool admits(const Partition& partition, std::size_t items) const;
  enum class Added { kYes, kTooManyJobs, kTooManyItems, kExists };
  // `so_far`: what an earlier run of the program counted; its `items` include these.
  Added add(const JobId& id, const Partition& partition, const std::vector<PrefetchItem>& items,
            Progress so_far = {});
  // What a playlist led to. Those the job knows already are passed over. What was really added.
  std::vector<PrefetchItem> extend(const JobId& id, const std::vector<PrefetchItem>& items);

  struct Start {
    std::uint64_t ticket = 0;
    JobId job;
    PrefetchItem item;
  };
  // The next one to fetch now. Jobs take turns.
  std::optional<Start> next(MonoTime now);
  // When next() might give something that it does not give now, if nothing ends before.
  [[nodiscard]] std::optional<MonoTime> wake(MonoTime now) const;
  // `wait`: what the server asked for (Retry-After), bounded here. Nothing where the job is gone;
  // true where the item is finished with, false where it will be tried again.
  std::optional<bool> ended(std::uint64_t ticket, FetchEnd how, std::uint64_t bytes,
                            std::optional<std::chrono::seconds> wait, MonoTime now);

  bool cancel(const JobId& id);
  // Of jobs that run or have ended and are not forgotten.
  [[nodiscard]] std::optional<Progress> progress(const JobId& id) const;
  [[nodiscard]] std::vector<JobId> jobs_of(const Partition& partition) const;
  [[nodiscard]] const Partition* owner(const JobId& id) const;
  void forget(const JobId& id);

 private:
  struct Waiting {
    PrefetchItem item;
    std::size_t attempts = 0;
    MonoTime not_before;
  };
  struct Job {
    Partition partition;
    Progress progress;
    std::map<std::string, std::deque<Waiting>> by_host{};
    std::set<std::string> known{};
    std::size_t waiting = 0;
    std::size_t running = 0;
  };
  [[nodiscard]] bool is_busy(const Partition& partition) const;
  struct Host {
    std::size_t running = 0;
    std::size_t troubles = 0;  // in a row
    MonoTime not_before;
  };
  struct Running {
    JobId job;
    Waiting what;
  };
  [[nodiscard]] std::size_t running_of(const Partition& partition) const;
  bool enqueue(Job& job, const PrefetchItem& item);
  void settle(Job& job);
  [[nodiscard]] std::chrono::milliseconds wait_after(std::size_t troubles) const;
  void drop_host_if_idle(const std::string& name, MonoTime now);

  PrefetchLimits limits_;
  std::map<JobId, Job> jobs_;
  std::map<std::string, Host> hosts_;
  std::map<std::uint64_t, Running> running_;
  std::optional<JobId> last_;  // whose turn it was
  std::uint64_t tickets_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace latchkey::cache
