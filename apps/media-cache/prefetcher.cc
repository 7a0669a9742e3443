#include "media-cache/prefetcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>

namespace latchkey::mediacache {

namespace {

using cache::FetchEnd;
using cache::PlaylistKind;

constexpr std::size_t kMaxParts = 64;
constexpr std::uint64_t kWorthNoting = 1 << 20;  // less of a file is sooner fetched than synced

const char* name_of(FetchEnd end) {
  return end == FetchEnd::kStored     ? "stored"
         : end == FetchEnd::kGone     ? "given up"
         : end == FetchEnd::kTryAgain ? "tried again later"
                                      : "no room";
}

}  // namespace

Prefetcher::Prefetcher(net::Executor executor, Vault& vault, Random& random, const Clock& clock,
                       FetchRules rules, cache::PrefetchLimits limits)
    : executor_(executor),
      vault_(vault),
      random_(random),
      clock_(clock),
      rules_(std::move(rules)),
      limits_(limits),
      queue_(limits),
      kick_(executor),
      tasks_(executor) {
  for (std::size_t i = 0; i < limits.at_once; ++i) {
    slots_.push_back(std::make_unique<Slot>());
  }
}

Prefetcher::~Prefetcher() {
  stop();
  vault_.on_drop(nullptr);
}

void Prefetcher::start() {
  vault_.on_drop([this](store::Dropped dropped) {
    if (!stopping_ && !dropped.source.empty()) {
      tasks_.spawn(mend(std::move(dropped)));
    }
  });
  tasks_.spawn(go_on());
}

void Prefetcher::stop() {
  stopping_ = true;
  for (const auto& slot : slots_) {
    if (slot->cancel) {
      slot->cancel->store(true);
    }
  }
  tell();
  kick();  // what is under way ends by itself: threads look at their flags
}

void Prefetcher::kick() {
  kick_.cancel();
}

void Prefetcher::tell() {
  for (const auto& watcher : watchers_) {
    watcher->cancel();
  }
}

net::Task<void> Prefetcher::changed(net::Deadline deadline) {
  const auto timer = std::make_shared<boost::asio::steady_timer>(executor_, deadline);
  struct Watching {
    std::set<std::shared_ptr<boost::asio::steady_timer>>& all;
    std::shared_ptr<boost::asio::steady_timer> self;
    ~Watching() { all.erase(self); }
  };
  watchers_.insert(timer);
  const Watching watching{watchers_, timer};
  (void)co_await timer->async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
}

net::Task<void> Prefetcher::go_on() {
  auto ask = [](MediaIndex& index) { return index.running_jobs(); };
  const auto jobs = co_await vault_.ask(std::move(ask));
  for (std::size_t i = 0; jobs && i < jobs->size(); ++i) {
    const cache::JobRecord& job = (*jobs)[i];
    auto list = [id = job.id](MediaIndex& index) { return index.waiting_items(id); };
    const auto waiting = co_await vault_.ask(std::move(list));
    std::vector<cache::PrefetchItem> items;
    for (std::size_t n = 0; waiting && n < waiting->size(); ++n) {
      if (auto url = cache::FetchUrl::parse((*waiting)[n].url)) {
        items.push_back({*std::move(url), (*waiting)[n].depth});
      }
    }
    if (!waiting || queue_.add(job.id, job.partition, items, job.progress) !=
                        cache::PrefetchQueue::Added::kYes) {
      auto stop = [id = job.id, why = waiting ? "too_many" : "list_damaged",
                   now = clock_.wall_now()](MediaIndex& index) {
        return index.stop_job(id, why, now);
      };
      (void)co_await vault_.ask(std::move(stop));
    } else {
      spdlog::info("going on with a job of {}: {} of {} files are there", job.partition.origin(),
                   job.progress.done, job.progress.items);
    }
  }
  co_await pump();
}

net::Task<void> Prefetcher::pump() {
  while (!stopping_) {
    while (const auto start = queue_.next(clock_.mono_now())) {
      const auto slot = std::ranges::find_if(slots_, [](const auto& one) { return !one->busy; });
      LATCHKEY_CHECK(slot != slots_.end());
      (*slot)->busy = true;
      (*slot)->job = start->job;
      (*slot)->cancel = std::make_shared<std::atomic<bool>>(false);
      tasks_.spawn(fetch_one(*start, **slot));
    }
    const MonoTime now = clock_.mono_now();
    const auto wake = queue_.wake(now);
    kick_.expires_at(wake ? net::after(*wake - now) : net::kNoDeadline);
    (void)co_await kick_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

net::Task<void> Prefetcher::fetch_one(cache::PrefetchQueue::Start start, Slot& slot) {
  const Outcome outcome = co_await bring(start, slot);
  slot.busy = false;
  slot.job.reset();
  if (stopping_) {
    co_return;  // that it was cut off says nothing about the file
  }
  spdlog::debug("{}: {} {}", start.item.url.host(), name_of(outcome.end), outcome.why);
  const auto finished =
      queue_.ended(start.ticket, outcome.end, outcome.bytes, outcome.wait, clock_.mono_now());
  const ItemKey key{start.job, start.item.url.text()};
  if (outcome.job_gone || !finished) {
    queue_.forget(start.job);
    stop_fetches(start.job);
  } else if (outcome.end == FetchEnd::kNoRoom) {
    // Nothing more of it fits: to ask for the rest all the same would be no use to anybody.
    queue_.forget(start.job);
    stop_fetches(start.job);
    auto stop = [id = start.job, now = clock_.wall_now()](MediaIndex& index) {
      return index.stop_job(id, "no_room", now);
    };
    (void)co_await vault_.ask(std::move(stop));
  } else if (outcome.end == FetchEnd::kTryAgain && *finished) {
    co_await give_up(start, outcome.why);
  }
  const bool over = outcome.job_gone || !finished || *finished;
  if (over) {
    if (auto part = take_part(key)) {
      co_await vault_.give_up(std::move(part->draft));
    }
  }
  const auto progress = queue_.progress(start.job);
  if (progress && progress->state != cache::Progress::State::kRunning) {
    queue_.forget(start.job);
  }
  tell();
  kick();
}

net::Task<void> Prefetcher::give_up(const cache::PrefetchQueue::Start& start, std::string why) {
  store::FetchEnded ended{start.job};
  ended.event.url = start.item.url.text();
  ended.event.name = start.item.url.name().text();
  ended.event.why = std::move(why);
  Draft none;
  (void)co_await vault_.end_fetch(std::move(ended), std::move(none), clock_.wall_now());
}

net::Task<Prefetcher::Outcome> Prefetcher::bring(const cache::PrefetchQueue::Start& start,
                                                 Slot& slot) {
  const cache::FetchUrl& url = start.item.url;
  auto ask = [job = start.job, text = url.text(), name = url.name().text()](MediaIndex& index) {
    return index.wanted(job, text, name);
  };
  const auto wanted = co_await vault_.ask(std::move(ask));
  if (!wanted) {
    Outcome outcome;
    outcome.job_gone = wanted.error().code == store::ErrorCode::kNotFound;
    outcome.why = "not_stored";
    co_return outcome;
  }
  const auto& object = wanted->object;
  const auto& digest = wanted->item.digest;
  // What somebody put there by hand is not what the URL names, whatever it is called.
  const bool held =
      object && object->facts.source == url.text() && (!digest || *digest == object->digest);
  if (held && (digest || object->stored >= wanted->job.since)) {
    co_return co_await confirm(start, *wanted);
  }
  FetchTask task{url, wanted->job.partition.origin(), wanted->job.partition, start.job};
  task.follow = wanted->job.follow;
  const auto quota = co_await vault_.quota();
  const std::uint64_t limit = quota ? quota->per_origin : 0;
  task.room = limit - std::min(limit, wanted->job.progress.bytes);
  // A playlist may have been kept in another way; it is small.
  if (held && cache::playlist_kind(object->facts.type, {}) == PlaylistKind::kNone) {
    task.held_tag = object->facts.source_tag;
    if (object->facts.modified != 0) {
      task.held_modified = wire::http_date(object->facts.modified);
    }
  }
  task.part = take_part({start.job, url.text()});
  if (!task.part && wanted->part) {
    task.part = co_await find_again(*wanted->part);
  }
  auto work = [session = slot.session.get(), vault = &vault_, rules = &rules_,
               task = std::move(task), now = clock_.wall_now(), cancel = slot.cancel]() mutable {
    return std::make_shared<FetchResult>(
        fetch_file(*session, *vault, *rules, std::move(task), now, *cancel));
  };
  const auto done = co_await slot.worker.run(executor_, net::kNoDeadline, std::move(work));
  if (!done) {
    co_return Outcome{};
  }
  FetchResult result = std::move(**done);
  if (result.end == FetchEnd::kStored) {
    if (result.unchanged) {
      co_return co_await confirm(start, *wanted);
    }
    co_return co_await store(start, *wanted, std::move(result));
  }
  if (result.part) {
    if (result.part->draft.file->size() >= kWorthNoting) {
      // Where the program ends now, the next run goes on from here.
      const FetchPart& part = *result.part;
      store::PartRecord record{start.job,   url.text(), part.draft.number, part.tag, part.whole,
                               part.digest, 0};
      (void)co_await vault_.note_part(part.draft, std::move(record));
    }
    if (parts_.size() < kMaxParts) {
      parts_.emplace(ItemKey{start.job, url.text()}, *std::move(result.part));
    } else {
      co_await vault_.give_up(std::move(result.part->draft));
    }
  }
  Outcome outcome{result.end, result.why, result.wait};
  if (result.end == FetchEnd::kGone) {
    co_await give_up(start, result.why);
  }
  co_return outcome;
}

net::Task<std::optional<FetchPart>> Prefetcher::find_again(store::PartRecord part) {
  const auto draft = co_await vault_.reopen_part(part);
  if (!draft && stopping_) {
    co_return std::nullopt;  // the next run finds it
  }
  if (!draft) {
    Draft gone;
    gone.number = part.number;
    co_await vault_.give_up(std::move(gone));
    co_return std::nullopt;
  }
  co_return FetchPart{*draft, std::move(part.tag), part.whole, part.digest};
}

void Prefetcher::stop_fetches(const cache::JobId& id) {
  for (const auto& slot : slots_) {
    if (slot->job == id && slot->cancel) {
      slot->cancel->store(true);
    }
  }
}

std::optional<FetchPart> Prefetcher::take_part(const ItemKey& key) {
  const auto at = parts_.find(key);
  if (at == parts_.end()) {
    return std::nullopt;
  }
  FetchPart part = std::move(at->second);
  parts_.erase(at);
  return part;
}

net::Task<Result<cache::JobRecord, Prefetcher::Refused>> Prefetcher::add(cache::JobRecord job,
                                                                         std::vector<Item> items) {
  const auto refused = [&]() -> std::optional<Refused> {
    if (queue_.admits(job.partition, items.size())) {
      return std::nullopt;
    }
    return queue_.admits(job.partition, 0) ? Refused::kTooManyItems : Refused::kTooManyJobs;
  };
  if (const auto why = refused()) {
    co_return fail(*why);
  }
  job.id = cache::JobId::make(random_);
  std::vector<cache::JobItem> rows;
  std::vector<cache::PrefetchItem> waiting;
  for (const Item& item : items) {
    rows.push_back({item.url.text(), 0, item.digest});
    waiting.push_back({item.url, 0});
  }
  job.progress.items = items.size();
  auto write = [job, rows = std::move(rows)](MediaIndex& index) {
    return index.add_job(job, rows);
  };
  const auto written = co_await vault_.ask(std::move(write));
  if (!written) {
    spdlog::warn("the store: {}", written.error().detail);
    co_return fail(Refused::kNotStored);
  }
  if (queue_.add(job.id, job.partition, waiting, {}) != cache::PrefetchQueue::Added::kYes) {
    // Others were quicker while it was being written down.
    auto undo = [job](MediaIndex& index) { return index.remove_job(job.partition.key(), job.id); };
    (void)co_await vault_.ask(std::move(undo));
    co_return fail(refused().value_or(Refused::kTooManyJobs));
  }
  kick();
  co_return job;
}

net::Task<Stored<bool>> Prefetcher::remove(cache::Partition partition, cache::JobId id) {
  auto work = [key = partition.key(), id](MediaIndex& index) { return index.remove_job(key, id); };
  const auto removed = co_await vault_.ask(std::move(work));
  if (removed && *removed) {
    queue_.forget(id);
    stop_fetches(id);
    std::vector<Draft> drafts;
    for (auto at = parts_.begin(); at != parts_.end();) {
      if (at->first.first == id) {
        drafts.push_back(std::move(at->second.draft));
        at = parts_.erase(at);
      } else {
        ++at;
      }
    }
    for (std::size_t i = 0; i < drafts.size(); ++i) {
      co_await vault_.give_up(drafts[i]);
    }
    tell();
    kick();
  }
  co_return removed;
}

void Prefetcher::forget(const cache::Partition& partition) {
  for (const cache::JobId& id : queue_.jobs_of(partition)) {
    queue_.forget(id);
    stop_fetches(id);
  }
  tell();
}

net::Task<void> Prefetcher::mend(store::Dropped dropped) {
  auto url = cache::FetchUrl::parse(dropped.source);
  if (!url || url->name().text() != dropped.name) {
    co_return;
  }
  cache::JobRecord job{cache::JobId::make(random_), dropped.partition, clock_.wall_now(), {}};
  job.mend = true;
  job.pin = dropped.pinned;
  std::vector<Item> items{{*std::move(url), std::nullopt}};
  (void)co_await add(std::move(job), std::move(items));
}

}  // namespace latchkey::mediacache
