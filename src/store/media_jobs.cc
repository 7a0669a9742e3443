// What pages have asked to be fetched, in the index of the media cache.
#include "store/media_tables.h"
#include "store/media_work.h"

namespace latchkey::store {

namespace {

constexpr std::chrono::hours kKeepJobs{24 * 7};  // of those that have ended
constexpr std::chrono::hours kKeepLists{1};      // ... what they were made of
constexpr std::size_t kMaxEnded = 64;            // ... of one partition

cache::JobRecord must_run(Database& db, const cache::JobId& id) {
  auto job = media::find_job(db, id);
  if (!job || job->progress.state != cache::Progress::State::kRunning) {
    throw_failure(ErrorCode::kNotFound, "the job does not run any more");
  }
  return *std::move(job);
}

}  // namespace

Result<void> MediaIndex::add_job(const cache::JobRecord& job,
                                 const std::vector<cache::JobItem>& items) {
  return in_transaction([&](Database& db) {
    media::name_partition(db, job.partition);
    media::insert_job(db, job);
    for (const cache::JobItem& item : items) {
      (void)media::insert_item(db, job.id, item);
    }
  });
}

Result<std::optional<cache::JobRecord>> MediaIndex::find_job(const Key& partition,
                                                             const cache::JobId& id) {
  return with_database([&](Database& db) {
    auto job = media::find_job(db, id);
    return job && job->partition.key() == partition ? job : std::nullopt;
  });
}

Result<std::vector<cache::JobRecord>> MediaIndex::jobs(const Key& partition) {
  return with_database([&](Database& db) { return media::list_jobs(db, partition); });
}

Result<std::vector<cache::JobRecord>> MediaIndex::running_jobs() {
  return with_database([&](Database& db) { return media::running_jobs(db); });
}

Result<std::vector<cache::JobItem>> MediaIndex::waiting_items(const cache::JobId& id) {
  return with_database([&](Database& db) { return media::waiting_items(db, id); });
}

Result<MediaIndex::Wanted> MediaIndex::wanted(const cache::JobId& id, const std::string& url,
                                              std::string_view name) {
  return with_database([&](Database& db) {
    cache::JobRecord job = must_run(db, id);
    auto item = media::find_item(db, id, url);
    if (!item) {
      throw_failure(ErrorCode::kNotFound, "the item was finished with");
    }
    auto object = media::find_object(db, job.partition.key(), name);
    auto part = media::find_part(db, id, url);
    return Wanted{std::move(job), *std::move(item), std::move(object), std::move(part)};
  });
}

Result<void> MediaIndex::note_part(const PartRecord& part) {
  if (!reserved_.contains(part.number)) {
    return fail(Error{ErrorCode::kNotFound, "the draft was given up"});
  }
  auto done = in_transaction([&](Database& db) {
    (void)must_run(db, part.job);
    if (!media::find_item(db, part.job, part.url)) {
      throw_failure(ErrorCode::kNotFound, "the item was finished with");
    }
    media::write_part(db, part);
  });
  if (done) {
    noted_.insert(part.number);
  }
  return done;
}

Result<std::vector<cache::JobItem>> MediaIndex::end_fetch(const FetchEnded& ended, WallTime now) {
  std::optional<std::uint64_t> old;
  std::vector<std::uint64_t> parts;
  auto done = in_transaction([&](Database& db) {
    cache::JobRecord job = must_run(db, ended.job);
    parts = media::delete_part_of(db, ended.job, ended.event.url);
    cache::JobEvent event = ended.event;
    event.number = job.progress.done + job.progress.failed + 1;
    if (!media::end_item(db, ended.job, event, ended.is_playlist)) {
      throw_failure(ErrorCode::kNotFound, "the item was finished with");
    }
    if (ended.content) {
      cache::ObjectRecord object;
      object.number = ended.content->number;
      object.name = ended.content->name;
      object.size = ended.content->sealed.size;
      object.digest = ended.content->sealed.digest;
      object.blocks = ended.content->sealed.blocks;
      object.facts = ended.content->facts;
      object.stored = now;
      object.pinned = job.pin;
      old = insert(db, job.partition, object);
    } else if (event.stored && job.pin) {
      media::set_pinned(db, job.partition.key(), event.name, true);
    }
    std::vector<cache::JobItem> added;
    for (const cache::JobItem& item : ended.found) {
      if (media::insert_item(db, ended.job, item)) {
        added.push_back(item);
      }
    }
    job.progress.items += added.size();
    (event.stored ? job.progress.done : job.progress.failed) += 1;
    job.progress.bytes += event.size;
    job.progress.skipped += ended.skipped;
    job.progress.live = job.progress.live || ended.live;
    if (job.progress.done + job.progress.failed >= job.progress.items) {
      const bool any = media::has_media(db, ended.job);
      job.progress.state = any ? cache::Progress::State::kDone : cache::Progress::State::kFailed;
      job.why = any ? "" : "no_media";
      job.ended = now;
    }
    media::write_job(db, job);
    return added;
  });
  if (done) {
    if (ended.content) {
      noted_.erase(ended.content->number);
      std::erase(parts, ended.content->number);
    }
    discard(parts);
  }
  if (done && ended.content) {
    reserved_.erase(ended.content->number);
    if (old) {
      uses_.erase(*old);
      files_.remove_object(*old);
    }
  }
  return done;
}

Result<void> MediaIndex::stop_job(const cache::JobId& id, const std::string& why, WallTime now) {
  std::vector<std::uint64_t> parts;
  auto done = in_transaction([&](Database& db) {
    cache::JobRecord job = must_run(db, id);
    job.progress.state = cache::Progress::State::kCancelled;
    job.ended = now;
    job.why = why;
    media::write_job(db, job);
    parts = media::delete_parts_of(db, id);
  });
  if (done) {
    discard(parts);
  }
  return done;
}

Result<bool> MediaIndex::remove_job(const Key& partition, const cache::JobId& id) {
  std::vector<std::uint64_t> parts;
  auto done = in_transaction([&](Database& db) {
    const auto job = media::find_job(db, id);
    const bool there = job && job->partition.key() == partition;
    if (there) {
      parts = media::delete_parts_of(db, id);
      media::delete_job(db, id);
    }
    return there;
  });
  if (done) {
    discard(parts);
  }
  return done;
}

Result<std::vector<cache::JobEvent>> MediaIndex::job_events(const cache::JobId& id,
                                                            std::uint64_t after,
                                                            std::size_t limit) {
  return with_database([&](Database& db) { return media::job_events(db, id, after, limit); });
}

Result<void> MediaIndex::expire_jobs(WallTime now) {
  return in_transaction(
      [&](Database& db) { media::expire_jobs(db, now - kKeepJobs, now - kKeepLists, kMaxEnded); });
}

}  // namespace latchkey::store
