// What the cache remembers of an object, as values: the store writes these down.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cache/names.h"

namespace latchkey::cache {

// Objects are verified in blocks of this size when they are read.
inline constexpr std::uint64_t kBlockBytes = 1 << 20;
inline constexpr std::size_t kMaxFieldText = 256;   // of a content type or cache control
inline constexpr std::size_t kMaxSourceUrl = 2048;  // of where an object came from
inline constexpr std::uint64_t kMaxObjectBytes = std::uint64_t{1} << 40U;

// What the one who stores an object says about it.
struct ObjectFacts {
  std::string type;           // Content-Type; empty: not said
  std::string cache_control;  // what to say to those who read it; empty: not said
  std::string source;         // the URL that it was fetched from; empty: a page put it there
  std::string source_tag;     // the ETag that it had there; empty: none
  std::int64_t modified = 0;  // seconds; 0: when it was stored
};

struct ObjectRecord {
  std::uint64_t number = 0;  // also its file's; never used twice
  std::string name;
  std::uint64_t size = 0;
  Digest256 digest{};  // SHA-256 of the whole
  Digest256 blocks{};  // SHA-256 over the SHA-256 of each block
  ObjectFacts facts;
  WallTime stored;
  bool pinned = false;
};

struct Usage {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::uint64_t pinned_bytes = 0;
};

// What one page asked to be fetched at once.
using JobId = FixedId<struct PrefetchJobTag, 16>;

struct Progress {
  // kFailed: it ended, and brought no media.
  enum class State { kRunning, kDone, kCancelled, kFailed };
  State state = State::kRunning;
  std::uint64_t items = 0;    // known so far: a playlist adds to it
  std::uint64_t done = 0;     // there now, also those that were there before
  std::uint64_t failed = 0;   // given up
  std::uint64_t bytes = 0;    // of the done
  std::uint64_t skipped = 0;  // what playlists name and is not fetched
  bool live = false;          // a playlist grows: what was there then was fetched
  friend bool operator==(const Progress&, const Progress&) = default;
};

struct JobRecord {
  JobId id;
  Partition partition;
  WallTime created;
  // What was stored since is as good as asked for again; 0: whatever is there.
  WallTime since;
  bool follow = true;               // playlists lead to more
  bool pin = false;                 // what it brings stays
  bool mend = false;                // of the cache's own accord: something was damaged
  std::uint64_t max_bandwidth = 0;  // see MaxBandwidth
  Progress progress{};
  WallTime ended{};   // of one that does not run any more
  std::string why{};  // one that was ended early: a code
};

struct JobItem {
  std::string url{};
  std::uint64_t depth = 0;            // how many playlists led to it
  std::optional<Digest256> digest{};  // of what should come
  bool aside = false;                 // a playlist, a beginning or a key: alone it is no film
};

// One that is finished with, in the order in which they were.
struct JobEvent {
  std::uint64_t number = 0;  // from 1
  std::string url{};
  std::string name{};  // of the object
  bool stored = false;
  std::string why{};  // where not: a code
  std::uint64_t size = 0;
};

}  // namespace latchkey::cache
