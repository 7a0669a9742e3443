// What becomes of a file that was fetched, or that is there already.
#include <algorithm>

#include "cache/keeping.h"
#include "media-cache/prefetcher.h"

namespace latchkey::mediacache {

namespace {

using cache::FetchEnd;
using cache::PlaylistKind;

constexpr std::uint64_t kReadPiece = 1 << 20;

}  // namespace

bool Prefetcher::found(const cache::Playlist& playlist, const cache::PrefetchQueue::Start& start,
                       const MediaIndex::Wanted& wanted, store::FetchEnded& ended) const {
  if (!wanted.job.follow || wanted.job.mend) {
    return true;
  }
  ended.is_playlist = true;
  ended.live = playlist.live;
  ended.skipped = playlist.skipped;
  if (start.item.depth >= cache::kMaxPlaylistDepth) {
    ended.skipped += playlist.entries.size();
    return true;
  }
  if (playlist.entries.size() + wanted.job.progress.items > limits_.items_per_job) {
    return false;
  }
  for (const cache::PlaylistEntry& entry : playlist.entries) {
    const bool aside = entry.kind != cache::PlaylistEntry::Kind::kMedia;
    ended.found.push_back({entry.url.text(), start.item.depth + 1, std::nullopt, aside});
  }
  return true;
}

net::Task<std::optional<std::string>> Prefetcher::read_text(cache::ObjectRecord object) {
  if (object.size > cache::kMaxPlaylistBytes) {
    co_return std::nullopt;
  }
  const auto opened = co_await vault_.open(object);
  std::string text;
  while (opened && text.size() < object.size) {
    const wire::ByteRange range{text.size(),
                                std::min<std::uint64_t>(kReadPiece, object.size - text.size())};
    const auto got = co_await vault_.read(*opened, object.number, range);
    if (!got) {
      co_return std::nullopt;
    }
    text.append(as_text(*got));
  }
  co_return opened ? std::optional(std::move(text)) : std::nullopt;
}

net::Task<Prefetcher::Outcome> Prefetcher::confirm(const cache::PrefetchQueue::Start& start,
                                                   const MediaIndex::Wanted& wanted) {
  const cache::ObjectRecord& object = *wanted.object;
  store::FetchEnded ended{start.job};
  ended.event.url = start.item.url.text();
  ended.event.name = object.name;
  ended.event.stored = true;
  ended.event.size = object.size;
  const bool follow = wanted.job.follow && !wanted.job.mend;
  if (follow && cache::playlist_kind(object.facts.type, {}) != PlaylistKind::kNone) {
    const auto text = co_await read_text(object);
    const auto kind = text ? cache::playlist_kind(object.facts.type, *text) : PlaylistKind::kNone;
    if (kind != PlaylistKind::kNone) {
      const auto read = cache::read_kept(kind, *text, start.item.url.name());
      if (read && !found(*read, start, wanted, ended)) {
        co_await give_up(start, "too_many");
        co_return Outcome{FetchEnd::kGone, "too_many"};
      }
    }
  }
  Draft none;
  co_return co_await end(std::move(ended), std::move(none));
}

net::Task<Prefetcher::Outcome> Prefetcher::store(const cache::PrefetchQueue::Start& start,
                                                 const MediaIndex::Wanted& wanted,
                                                 FetchResult result) {
  const auto& name = start.item.url.name();
  store::FetchEnded ended{start.job};
  ended.event.url = start.item.url.text();
  ended.event.name = name.text();
  ended.event.stored = true;
  Draft draft;
  std::string bad;
  std::optional<Digest256> digest;
  if (result.kind != PlaylistKind::kNone) {
    digest = crypto::sha256({as_bytes(result.playlist)});
    auto kept = cache::keep_playlist(result.kind, result.playlist, *result.from, name,
                                     wanted.job.max_bandwidth);
    if (kept) {
      result.playlist = std::move(kept->text);
      bad = found(kept->leads_to, start, wanted, ended) ? "" : "too_many";
    } else if (kept.error() == cache::PlaylistError::kTooLarge) {
      bad = "playlist_too_large";
    }  // else it only looks like one, and is kept as it came
    if (bad.empty()) {
      auto begun = co_await vault_.begin(wanted.job.partition, result.playlist.size(), true);
      if (!begun) {
        co_return Outcome{FetchEnd::kNoRoom, "no_room"};
      }
      draft = *std::move(begun);
      Bytes bytes = to_bytes(as_bytes(result.playlist));
      const auto written = co_await vault_.write(draft, std::move(bytes));
      if (!written) {
        co_await vault_.give_up(std::move(draft));
        co_return Outcome{FetchEnd::kTryAgain, "not_stored"};
      }
    }
  } else {
    draft = *std::move(result.draft);
  }
  std::optional<store::SealedObject> sealed;
  if (bad.empty()) {
    const auto finished = co_await vault_.finish(draft);
    if (!finished) {
      const bool full = finished.error().code == store::ErrorCode::kNoRoom;
      co_await vault_.give_up(std::move(draft));
      co_return Outcome{full ? FetchEnd::kNoRoom : FetchEnd::kTryAgain, "not_stored"};
    }
    sealed = *finished;
    digest = digest.value_or(sealed->digest);
    if (wanted.item.digest && *wanted.item.digest != *digest) {
      bad = "digest_mismatch";
    } else if (result.digest && *result.digest != *digest) {
      // Its own server says that this is not it: something on the way has changed it.
      co_await vault_.give_up(std::move(draft));
      co_return Outcome{FetchEnd::kTryAgain, "digest_mismatch"};
    }
  }
  if (!bad.empty()) {
    if (draft.file) {
      co_await vault_.give_up(std::move(draft));
    }
    co_await give_up(start, bad);
    co_return Outcome{FetchEnd::kGone, bad};
  }
  ended.event.size = sealed->size;
  ended.content =
      store::FetchEnded::Content{name.text(), draft.number, *sealed, std::move(result.facts)};
  co_return co_await end(std::move(ended), std::move(draft));
}

net::Task<Prefetcher::Outcome> Prefetcher::end(store::FetchEnded ended, Draft draft) {
  const cache::JobId job = ended.job;
  const std::uint64_t size = ended.event.size;
  const auto added =
      co_await vault_.end_fetch(std::move(ended), std::move(draft), clock_.wall_now());
  if (!added) {
    Outcome outcome;
    outcome.why = "not_stored";
    outcome.job_gone = added.error().code == store::ErrorCode::kNotFound;
    outcome.end =
        added.error().code == store::ErrorCode::kNoRoom ? FetchEnd::kNoRoom : FetchEnd::kTryAgain;
    co_return outcome;
  }
  std::vector<cache::PrefetchItem> items;
  for (const cache::JobItem& item : *added) {
    if (auto url = cache::FetchUrl::parse(item.url)) {
      items.push_back({*std::move(url), item.depth});
    }
  }
  const auto taken = queue_.extend(job, items);
  // All jobs together may have become too many: the rest of this one is said to have failed.
  for (std::size_t i = taken.size(); i < items.size(); ++i) {
    const cache::PrefetchQueue::Start left{0, job, items[i]};
    co_await give_up(left, "too_many");
  }
  co_return Outcome{FetchEnd::kStored, {}, {}, size};
}

}  // namespace latchkey::mediacache
