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

}  // namespace latchkey::cache
