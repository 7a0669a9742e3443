#include "cache/quota.h"

#include <algorithm>
#include <bit>

#include "base/result.h"

namespace latchkey::cache {

namespace {

std::uint64_t add(std::uint64_t a, std::uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

std::uint64_t coarse(std::uint64_t bytes) {
  const std::uint64_t step = std::bit_floor(bytes) / 16;
  return step == 0 ? bytes : bytes - bytes % step;
}

}  // namespace

Quota quota_on_disk(const Quota& said, const DiskRoom& disk) {
  Quota quota = said;
  if (disk.free) {
    const std::uint64_t spare = *disk.free - std::min(*disk.free, disk.keep_free);
    quota.whole = std::min(quota.whole, add(disk.held, spare));
  }
  if (quota.per_origin == 0) {
    quota.per_origin = std::max<std::uint64_t>(coarse(quota.whole / 2), 1);
  }
  return quota;
}

Verdict judge_room(const Quota& quota, std::span<const Standing> standings, std::size_t self,
                   std::uint64_t need) {
  LATCHKEY_CHECK(self < standings.size());
  const Standing& own = standings[self];
  const auto stays = [](const Standing& one) {
    return one.bytes - std::min(one.bytes, one.evictable);
  };
  std::uint64_t all = 0;
  std::uint64_t all_stays = 0;
  for (const Standing& one : standings) {
    all = add(all, one.bytes);
    all_stays = add(all_stays, stays(one));
  }
  // Nothing is thrown away for what cannot fit in the end.
  if (add(stays(own), need) > quota.per_origin || add(all_stays, need) > quota.whole) {
    return {Verdict::Kind::kRefused, 0};
  }
  if (add(own.bytes, need) > quota.per_origin) {
    return {Verdict::Kind::kEvict, self};
  }
  if (add(all, need) <= quota.whole) {
    return {Verdict::Kind::kFits, 0};
  }
  // The one who asks counts with what it asks for.
  std::size_t most = standings.size();
  std::uint64_t most_bytes = 0;
  for (std::size_t i = 0; i < standings.size(); ++i) {
    const std::uint64_t bytes = add(standings[i].bytes, i == self ? need : 0);
    if (standings[i].evictable > 0 && (most == standings.size() || bytes > most_bytes)) {
      most = i;
      most_bytes = bytes;
    }
  }
  return {Verdict::Kind::kEvict, most};
}

}  // namespace latchkey::cache
