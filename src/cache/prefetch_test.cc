#include "cache/prefetch.h"

#include <gtest/gtest.h>

namespace latchkey::cache {
namespace {

using namespace std::chrono_literals;
using Added = PrefetchQueue::Added;
using State = Progress::State;

const Partition kVideo = Partition::of(Origin::parse("https://video.example"));
const Partition kMusic = Partition::of(Origin::parse("https://music.example"));

JobId job(std::uint8_t n) {
  ByteArray<16> bytes{};
  bytes[0] = n;
  return JobId(bytes);
}
std::vector<PrefetchItem> items(const std::string& host, int count, std::size_t depth = 0) {
  std::vector<PrefetchItem> out;
  for (int i = 0; i < count; ++i) {
    out.push_back({FetchUrl::parse("https://" + host + "/" + std::to_string(i)).value(), depth});
  }
  return out;
}
PrefetchLimits quick() {
  PrefetchLimits limits;
  limits.host_pause = 0ms;
  limits.attempts = 6;
  return limits;
}

TEST(CachePrefetch, FewAtATimeFromOneHost) {
  PrefetchQueue queue(quick());
  ASSERT_EQ(queue.add(job(1), kVideo, items("a.example", 10)), Added::kYes);
  const auto first = queue.next({0});
  const auto second = queue.next({0});
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(queue.next({0})) << "two from one host";
  EXPECT_FALSE(queue.wake({0})) << "an end comes first";
  EXPECT_EQ(queue.ended(first->ticket, FetchEnd::kStored, 100, {}, {1}), true);
  EXPECT_TRUE(queue.next({1}));
  EXPECT_EQ(queue.progress(job(1)), (Progress{State::kRunning, 10, 1, 0, 100}));
}

TEST(CachePrefetch, FewAtATimeInAll) {
  PrefetchQueue queue(quick());
  for (std::uint8_t n = 0; n < 6; ++n) {
    ASSERT_EQ(queue.add(job(n), kVideo, items("h" + std::to_string(n) + ".example", 2)),
              Added::kYes);
  }
  std::set<JobId> served;
  for (int i = 0; i < 4; ++i) {
    served.insert(queue.next({0})->job);
  }
  EXPECT_EQ(served.size(), 4U) << "jobs take turns";
  EXPECT_FALSE(queue.next({0}));
  EXPECT_FALSE(queue.wake({0}));
  // Another site still gets its turn, up to the number of all.
  ASSERT_EQ(queue.add(job(7), kMusic, items("m.example", 5)), Added::kYes);
  EXPECT_TRUE(queue.next({0}));
  EXPECT_TRUE(queue.next({0}));
  EXPECT_FALSE(queue.next({0}));
}

TEST(CachePrefetch, PausesBetweenTwo) {
  PrefetchQueue queue(PrefetchLimits{});
  ASSERT_EQ(queue.add(job(1), kVideo, items("a.example", 3)), Added::kYes);
  const auto first = queue.next({1000});
  ASSERT_TRUE(first);
  EXPECT_FALSE(queue.next({1000}));
  EXPECT_EQ(queue.wake({1000}), MonoTime{1100});
  EXPECT_TRUE(queue.next({1100}));
}

TEST(CachePrefetch, TroubleMakesTheWholeHostRestLongerAndLonger) {
  PrefetchQueue queue(quick());
  ASSERT_EQ(queue.add(job(1), kVideo, items("a.example", 2)), Added::kYes);
  MonoTime now{0};
  std::vector<std::int64_t> rests;
  while (auto start = queue.next(now)) {
    const bool over = *queue.ended(start->ticket, FetchEnd::kTryAgain, 0, {}, now);
    if (const auto wake = queue.wake(now)) {
      rests.push_back((*wake - now).count());
      EXPECT_FALSE(queue.next(now)) << "the other file waits too";
      now = *wake;
    }
    (void)over;
  }
  EXPECT_EQ(rests.front(), 2000);
  EXPECT_EQ(rests[1], 4000);
  EXPECT_EQ(*std::max_element(rests.begin(), rests.end()), 300'000);
  EXPECT_EQ(queue.progress(job(1)), (Progress{State::kDone, 2, 0, 2, 0})) << "six tries each";
  EXPECT_EQ(rests.size(), 11U);
}

TEST(CachePrefetch, TheServerSaysHowLongToWaitWithinReason) {
  PrefetchQueue queue(quick());
  ASSERT_EQ(queue.add(job(1), kVideo, items("a.example", 1)), Added::kYes);
  auto start = queue.next({0});
  EXPECT_EQ(queue.ended(start->ticket, FetchEnd::kTryAgain, 0, 60s, {0}), false);
  EXPECT_EQ(queue.wake({0}), MonoTime{60'000});
  start = queue.next({60'000});
  EXPECT_EQ(queue.ended(start->ticket, FetchEnd::kTryAgain, 0, 1'000'000s, {60'000}), false);
  EXPECT_EQ(queue.wake({60'000}), MonoTime{360'000});
}

TEST(CachePrefetch, ASuccessEndsTheTrouble) {
  PrefetchQueue queue(quick());
  ASSERT_EQ(queue.add(job(1), kVideo, items("a.example", 3)), Added::kYes);
  auto start = queue.next({0});
  (void)queue.ended(start->ticket, FetchEnd::kTryAgain, 0, {}, {0});
  start = queue.next({2000});
  (void)queue.ended(start->ticket, FetchEnd::kStored, 1, {}, {2000});
  start = queue.next({2000});
  ASSERT_TRUE(start);
  (void)queue.ended(start->ticket, FetchEnd::kTryAgain, 0, {}, {2000});
  EXPECT_EQ(queue.wake({2000}), MonoTime{4000}) << "two seconds again, not four";
}

TEST(CachePrefetch, PlaylistsMakeAJobLonger) {
  PrefetchQueue queue(quick());
  ASSERT_EQ(queue.add(job(1), kVideo, items("a.example", 1)), Added::kYes);
  const auto start = queue.next({0});
  // What it has is not asked for twice, and there is an end to playlists in playlists.
  EXPECT_EQ(queue.extend(job(1), items("a.example", 3, 1)).size(), 2U);
  EXPECT_EQ(queue.extend(job(1), items("b.example", 3, kMaxPlaylistDepth + 1)).size(), 0U);
  (void)queue.ended(start->ticket, FetchEnd::kStored, 5, {}, {0});
  EXPECT_EQ(queue.progress(job(1)), (Progress{State::kRunning, 3, 1, 0, 5}));
  while (const auto more = queue.next({0})) {
    (void)queue.ended(more->ticket, FetchEnd::kStored, 5, {}, {0});
  }
  EXPECT_EQ(queue.progress(job(1)), (Progress{State::kDone, 3, 3, 0, 15}));
}

TEST(CachePrefetch, CancellingEndsWhatWaitsAndWhatComesBackLateIsNothing) {
  PrefetchQueue queue(quick());
  ASSERT_EQ(queue.add(job(1), kVideo, items("a.example", 5)), Added::kYes);
  const auto start = queue.next({0});
  EXPECT_TRUE(queue.cancel(job(1)));
  EXPECT_FALSE(queue.cancel(job(1)));
  EXPECT_FALSE(queue.next({0}));
  EXPECT_EQ(queue.ended(start->ticket, FetchEnd::kStored, 5, {}, {0}), std::nullopt);
  EXPECT_EQ(queue.progress(job(1))->state, State::kCancelled);
  queue.forget(job(1));
  EXPECT_EQ(queue.progress(job(1)), std::nullopt);
  // Its place is free again.
  ASSERT_EQ(queue.add(job(1), kVideo, items("a.example", 5)), Added::kYes);
  EXPECT_TRUE(queue.next({0}));
}

TEST(CachePrefetch, Threat46BoundsForOneOriginAndForAll) {
  PrefetchLimits limits = quick();
  limits.jobs_per_partition = 2;
  limits.items_per_job = 10;
  limits.items = 25;
  PrefetchQueue queue(limits);
  EXPECT_EQ(queue.add(job(1), kVideo, items("a.example", 11)), Added::kTooManyItems);
  EXPECT_EQ(queue.add(job(1), kVideo, items("a.example", 10)), Added::kYes);
  EXPECT_EQ(queue.add(job(1), kVideo, items("a.example", 1)), Added::kExists);
  EXPECT_EQ(queue.add(job(2), kVideo, items("a.example", 9)), Added::kYes);
  EXPECT_EQ(queue.add(job(3), kVideo, items("a.example", 1)), Added::kTooManyJobs);
  EXPECT_EQ(queue.add(job(3), kMusic, items("a.example", 7)), Added::kTooManyItems);
  EXPECT_EQ(queue.add(job(3), kMusic, items("a.example", 6)), Added::kYes);
  EXPECT_EQ(queue.extend(job(2), items("b.example", 5)).size(), 0U) << "none is left in all";
  EXPECT_EQ(*queue.owner(job(3)), kMusic);
}

TEST(CachePrefetch, AfterARestartItGoesOnCounting) {
  PrefetchQueue queue(quick());
  ASSERT_EQ(queue.add(job(1), kVideo, items("a.example", 2), {State::kRunning, 10, 7, 1, 700}),
            Added::kYes);
  EXPECT_EQ(queue.progress(job(1)), (Progress{State::kRunning, 10, 7, 1, 700}));
  while (const auto start = queue.next({0})) {
    (void)queue.ended(start->ticket, FetchEnd::kStored, 100, {}, {0});
  }
  EXPECT_EQ(queue.progress(job(1)), (Progress{State::kDone, 10, 9, 1, 900}));
}

}  // namespace
}  // namespace latchkey::cache
