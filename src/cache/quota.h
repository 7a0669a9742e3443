// Who has to give way when room is needed.
//
// An origin that reaches its own limit gives way to itself. When the whole is full, the origin that
// holds the most gives way, so that one that fills the disk soon pays with its own objects and
// cannot push out what others keep. Inside an origin the least recently used object goes first;
// pinned ones never go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace latchkey::cache {

struct Quota {
  std::uint64_t whole = 0;       // bytes, all origins together
  std::uint64_t per_origin = 0;  // bytes
};

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
