#include "cache/prefetch.h"

#include <algorithm>

namespace latchkey::cache {

using std::chrono::milliseconds;

namespace {
// Beyond it, those who gave trouble once are forgotten when they have rested.
constexpr std::size_t kRememberedHosts = 1024;
}  // namespace

bool PrefetchQueue::enqueue(Job& job, const PrefetchItem& item) {
  if (!job.known.insert(item.url.text()).second) {
    return false;
  }
  job.by_host[item.url.host()].push_back({item, 0, {}});
  ++job.waiting;
  ++waiting_;
  return true;
}

std::size_t PrefetchQueue::running_of(const Partition& partition) const {
  return static_cast<std::size_t>(std::ranges::count_if(jobs_, [&](const auto& entry) {
    return entry.second.partition == partition &&
           entry.second.progress.state == Progress::State::kRunning;
  }));
}

bool PrefetchQueue::admits(const Partition& partition, std::size_t items) const {
  return running_of(partition) < limits_.jobs_per_partition && items <= limits_.items_per_job &&
         items <= limits_.items - std::min(waiting_, limits_.items);
}

PrefetchQueue::Added PrefetchQueue::add(const JobId& id, const Partition& partition,
                                        const std::vector<PrefetchItem>& items, Progress so_far) {
  if (jobs_.contains(id)) {
    return Added::kExists;
  }
  if (!admits(partition, items.size())) {
    return running_of(partition) >= limits_.jobs_per_partition ? Added::kTooManyJobs
                                                               : Added::kTooManyItems;
  }
  Job& job = jobs_.try_emplace(id, Job{partition, so_far}).first->second;
  std::uint64_t added = 0;
  for (const PrefetchItem& item : items) {
    added += enqueue(job, item) ? 1U : 0U;
  }
  job.progress.items = std::max(job.progress.items, so_far.done + so_far.failed + added);
  settle(job);
  return Added::kYes;
}

std::vector<PrefetchItem> PrefetchQueue::extend(const JobId& id,
                                                const std::vector<PrefetchItem>& items) {
  std::vector<PrefetchItem> added;
  const auto at = jobs_.find(id);
  if (at == jobs_.end() || at->second.progress.state != Progress::State::kRunning) {
    return added;
  }
  Job& job = at->second;
  for (const PrefetchItem& item : items) {
    if (item.depth > kMaxPlaylistDepth || job.known.size() >= limits_.items_per_job ||
        waiting_ >= limits_.items) {
      break;
    }
    if (enqueue(job, item)) {
      ++job.progress.items;
      added.push_back(item);
    }
  }
  return added;
}

std::optional<PrefetchQueue::Start> PrefetchQueue::next(MonoTime now) {
  if (running_.size() >= limits_.at_once || jobs_.empty()) {
    return std::nullopt;
  }
  if (hosts_.size() > kRememberedHosts) {
    std::erase_if(hosts_, [&](const auto& entry) {
      return entry.second.running == 0 && entry.second.not_before <= now;
    });
  }
  // From the job after the one that was served last, once around.
  auto at = last_ ? jobs_.upper_bound(*last_) : jobs_.begin();
  for (std::size_t looked = 0; looked < jobs_.size(); ++looked, ++at) {
    if (at == jobs_.end()) {
      at = jobs_.begin();
    }
    Job& job = at->second;
    if (is_busy(job.partition)) {
      continue;
    }
    for (auto queue = job.by_host.begin(); queue != job.by_host.end(); ++queue) {
      Host& host = hosts_[queue->first];
      const std::string name = queue->first;
      const bool free = host.running < limits_.per_host && host.not_before <= now;
      const auto ready = std::ranges::find_if(
          queue->second, [&](const Waiting& one) { return one.not_before <= now; });
      if (!free || ready == queue->second.end()) {
        drop_host_if_idle(name, now);
        continue;
      }
      const std::uint64_t ticket = ++tickets_;
      Running running{at->first, *ready};
      Start start{ticket, at->first, ready->item};
      queue->second.erase(ready);
      if (queue->second.empty()) {
        job.by_host.erase(queue);
      }
      running_.emplace(ticket, std::move(running));
      --job.waiting;
      --waiting_;
      ++job.running;
      ++host.running;
      host.not_before = std::max(host.not_before, now + limits_.host_pause);
      last_ = at->first;
      return start;
    }
  }
  return std::nullopt;
}

bool PrefetchQueue::is_busy(const Partition& partition) const {
  const auto running = std::ranges::count_if(running_, [&](const auto& entry) {
    const auto job = jobs_.find(entry.second.job);
    return job != jobs_.end() && job->second.partition == partition;
  });
  return static_cast<std::size_t>(running) >= limits_.per_partition;
}

std::optional<MonoTime> PrefetchQueue::wake(MonoTime now) const {
  std::optional<MonoTime> soonest;
  if (running_.size() >= limits_.at_once) {
    return soonest;
  }
  for (const auto& [id, job] : jobs_) {
    if (is_busy(job.partition)) {
      continue;  // an end will come first
    }
    for (const auto& [name, queue] : job.by_host) {
      const auto host = hosts_.find(name);
      if (host != hosts_.end() && host->second.running >= limits_.per_host) {
        continue;  // an end will come first
      }
      const auto first =
          std::ranges::min_element(queue, {}, [](const Waiting& one) { return one.not_before; });
      MonoTime at = first->not_before;
      if (host != hosts_.end()) {
        at = std::max(at, host->second.not_before);
      }
      at = std::max(at, now);
      soonest = soonest ? std::min(*soonest, at) : at;
    }
  }
  return soonest;
}

milliseconds PrefetchQueue::wait_after(std::size_t troubles) const {
  milliseconds wait = limits_.first_wait;
  for (std::size_t i = 1; i < troubles && wait < limits_.longest_wait; ++i) {
    wait *= 2;
  }
  return std::min(wait, limits_.longest_wait);
}

std::optional<bool> PrefetchQueue::ended(std::uint64_t ticket, FetchEnd how, std::uint64_t bytes,
                                         std::optional<std::chrono::seconds> wait, MonoTime now) {
  const auto at = running_.find(ticket);
  LATCHKEY_CHECK(at != running_.end());
  Running running = std::move(at->second);
  running_.erase(at);
  const std::string name = running.what.item.url.host();
  Host& host = hosts_[name];
  --host.running;
  if (how == FetchEnd::kTryAgain) {
    // The whole host rests: its other files would fare no better.
    ++host.troubles;
    milliseconds rest = wait_after(host.troubles);
    if (wait) {
      rest = std::max(rest, std::min<milliseconds>(*wait, limits_.longest_wait));
    }
    host.not_before = std::max(host.not_before, now + rest);
  } else {
    host.troubles = 0;
  }
  drop_host_if_idle(name, now);
  const auto found = jobs_.find(running.job);
  if (found == jobs_.end()) {
    return std::nullopt;
  }
  Job& job = found->second;
  --job.running;
  if (job.progress.state != Progress::State::kRunning) {
    return std::nullopt;
  }
  bool finished = true;
  if (how == FetchEnd::kStored) {
    ++job.progress.done;
    job.progress.bytes += bytes;
  } else if (how == FetchEnd::kTryAgain && ++running.what.attempts < limits_.attempts) {
    running.what.not_before = now + wait_after(running.what.attempts);
    job.by_host[name].push_back(std::move(running.what));
    ++job.waiting;
    ++waiting_;
    finished = false;
  } else {
    ++job.progress.failed;
  }
  settle(job);
  return finished;
}

void PrefetchQueue::drop_host_if_idle(const std::string& name, MonoTime now) {
  const auto at = hosts_.find(name);
  if (at != hosts_.end() && at->second.running == 0 && at->second.troubles == 0 &&
      at->second.not_before <= now) {
    hosts_.erase(at);
  }
}

void PrefetchQueue::settle(Job& job) {
  if (job.progress.state == Progress::State::kRunning && job.waiting == 0 && job.running == 0) {
    job.progress.state = Progress::State::kDone;
    job.known.clear();
  }
}

bool PrefetchQueue::cancel(const JobId& id) {
  const auto at = jobs_.find(id);
  if (at == jobs_.end() || at->second.progress.state != Progress::State::kRunning) {
    return false;
  }
  Job& job = at->second;
  job.progress.state = Progress::State::kCancelled;
  waiting_ -= job.waiting;
  job.waiting = 0;
  job.by_host.clear();
  job.known.clear();
  return true;
}

std::optional<Progress> PrefetchQueue::progress(const JobId& id) const {
  const auto at = jobs_.find(id);
  return at == jobs_.end() ? std::nullopt : std::optional(at->second.progress);
}

std::vector<JobId> PrefetchQueue::jobs_of(const Partition& partition) const {
  std::vector<JobId> out;
  for (const auto& [id, job] : jobs_) {
    if (job.partition == partition) {
      out.push_back(id);
    }
  }
  return out;
}

const Partition* PrefetchQueue::owner(const JobId& id) const {
  const auto at = jobs_.find(id);
  return at == jobs_.end() ? nullptr : &at->second.partition;
}

void PrefetchQueue::forget(const JobId& id) {
  (void)cancel(id);
  jobs_.erase(id);
}

}  // namespace latchkey::cache
