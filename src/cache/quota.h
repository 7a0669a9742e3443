// Who has to give way when room is needed.
//
// An origin that reaches its own limit gives way to itself. When the whole is full, the origin that
// holds the most gives way, so that one that fills the disk soon pays with its own objects and
// cannot push out what others keep. Inside an origin the least recently used object goes first;
// pinned ones never go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace latchkey::cache {

struct Quota {
  std::uint64_t whole = 0;       // bytes, all origins together
  std::uint64_t per_origin = 0;  // bytes
};

// Of the disk, in bytes.
struct DiskRoom {
  std::uint64_t held = 0;             // what we hold of it
  std::optional<std::uint64_t> free;  // what is left of it, where it says so
  std::uint64_t keep_free = 0;        // what is left to others
};

// What holds on this disk. The whole is never more than we hold and may still take. Where
// `said.per_origin` is 0 an origin gets half of that whole, rounded down by up to a sixteenth:
// pages are told, and are not to see from it what else the disk is used for. Never 0.
Quota quota_on_disk(const Quota& said, const DiskRoom& disk);

struct Standing {
  std::uint64_t bytes = 0;      // all that this origin holds, unfinished uploads too
  std::uint64_t evictable = 0;  // of these, what may go
};

struct Verdict {
  enum class Kind {
    kFits,
    kEvict,   // the least recently used of `origin`, then ask again
    kRefused  // there is no way to make so much room
  };
  Kind kind = Kind::kRefused;
  std::size_t origin = 0;
};

// `need` more bytes for `standings[self]`. Whatever is asked and held: no overflow.
Verdict judge_room(const Quota& quota, std::span<const Standing> standings, std::size_t self,
                   std::uint64_t need);

}  // namespace latchkey::cache
