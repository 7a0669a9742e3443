#include "cache/quota.h"

#include <gtest/gtest.h>

#include <vector>

namespace latchkey::cache {
namespace {

using Kind = Verdict::Kind;

constexpr Quota kQuota{1000, 600};

TEST(CacheQuota, FitsUpToTheLastByte) {
  const std::vector<Standing> standings{{300, 300}, {500, 500}};
  EXPECT_EQ(judge_room(kQuota, standings, 0, 200).kind, Kind::kFits);
  EXPECT_EQ(judge_room(kQuota, standings, 0, 201).kind, Kind::kEvict);
}

TEST(CacheQuota, OwnLimitIsPaidByOneself) {
  const std::vector<Standing> standings{{550, 550}, {10, 10}};
  const auto verdict = judge_room(kQuota, standings, 0, 100);
  EXPECT_EQ(verdict.kind, Kind::kEvict);
  EXPECT_EQ(verdict.origin, 0U);
}

TEST(CacheQuota, Threat46WhoFillsTheDiskPaysForIt) {
  // A small origin asks: the largest gives way.
  const std::vector<Standing> standings{{100, 100}, {550, 550}, {340, 340}};
  EXPECT_EQ(judge_room(kQuota, standings, 0, 50).origin, 1U);
  // The largest asks: it gives way itself, though it is under its own limit.
  EXPECT_EQ(judge_room(kQuota, standings, 1, 50).origin, 1U);
  // With what it asks for, the flooder is the largest.
  EXPECT_EQ(judge_room({1000, 900}, standings, 2, 300).origin, 2U);
}

TEST(CacheQuota, PinnedNeverGo) {
  const std::vector<Standing> standings{{100, 100}, {580, 0}, {320, 320}};
  EXPECT_EQ(judge_room(kQuota, standings, 0, 50).origin, 2U);
  EXPECT_EQ(judge_room(kQuota, standings, 1, 50).kind, Kind::kRefused) << "its own are all pinned";
  EXPECT_EQ(judge_room(kQuota, standings, 0, 421).kind, Kind::kRefused) << "beside 580 of 1000";
}

TEST(CacheQuota, NothingIsThrownAwayForWhatCannotFit) {
  const std::vector<Standing> standings{{100, 100}};
  EXPECT_EQ(judge_room(kQuota, standings, 0, 601).kind, Kind::kRefused);
  EXPECT_EQ(judge_room(kQuota, standings, 0, UINT64_MAX).kind, Kind::kRefused);
  EXPECT_EQ(judge_room({UINT64_MAX, UINT64_MAX}, {{{UINT64_MAX, 0}}}, 0, 5).kind, Kind::kFits);
}

TEST(CacheQuota, OneOriginGetsHalfWhereNothingElseIsSaid) {
  // 1000 MiB that we hold or may take.
  constexpr std::uint64_t kMiB = 1 << 20;
  const DiskRoom disk{400 * kMiB, 700 * kMiB, 100 * kMiB};
  const Quota automatic = quota_on_disk({UINT64_MAX, 0}, disk);
  EXPECT_EQ(automatic.whole, 1000 * kMiB);
  EXPECT_LE(automatic.per_origin, 500 * kMiB);
  EXPECT_GT(automatic.per_origin, 500 * kMiB - 500 * kMiB / 16);
  // A page does not see from it that others have written a little.
  EXPECT_EQ(quota_on_disk({UINT64_MAX, 0}, {400 * kMiB, 699 * kMiB, 100 * kMiB}).per_origin,
            automatic.per_origin);
  EXPECT_EQ(quota_on_disk({100, 50}, disk).whole, 100U);
  EXPECT_EQ(quota_on_disk({100, 50}, disk).per_origin, 50U);
  EXPECT_EQ(quota_on_disk({100, 0}, {0, std::nullopt, 0}).per_origin, 50U);
  // Whatever it is.
  EXPECT_EQ(quota_on_disk({UINT64_MAX, 0}, {0, 5, 100}).whole, 0U);
  EXPECT_EQ(quota_on_disk({UINT64_MAX, 0}, {0, 5, 100}).per_origin, 1U);
  EXPECT_EQ(quota_on_disk({UINT64_MAX, 7}, {UINT64_MAX, UINT64_MAX, 0}).whole, UINT64_MAX);
}

TEST(CacheQuota, AskingAgainAndAgainEndsInRoom) {
  std::vector<Standing> standings{{200, 200}, {500, 450}, {300, 300}};
  for (int rounds = 0; rounds < 100; ++rounds) {
    const auto verdict = judge_room(kQuota, standings, 0, 390);
    if (verdict.kind == Kind::kFits) {
      EXPECT_LE(standings[0].bytes + standings[1].bytes + standings[2].bytes, 610U);
      return;
    }
    ASSERT_EQ(verdict.kind, Kind::kEvict);
    ASSERT_GE(standings[verdict.origin].evictable, 10U);
    standings[verdict.origin].bytes -= 10;
    standings[verdict.origin].evictable -= 10;
  }
  FAIL() << "it never fitted";
}

}  // namespace
}  // namespace latchkey::cache
