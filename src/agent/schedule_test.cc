#include "agent/schedule.h"

#include <gtest/gtest.h>

#include "support/fake_random.h"

namespace latchkey::agent {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr MonoTime kStart{1'000'000};

void expect_between(milliseconds value, milliseconds low, milliseconds high) {
  EXPECT_GE(value, low);
  EXPECT_LE(value, high);
}

TEST(RefreshScheduleTest, BeginsSoonAndComesBackWithJitter) {
  testing::FakeRandom random;
  milliseconds least = 24h;
  milliseconds most{0};
  for (int i = 0; i < 200; ++i) {
    RefreshSchedule schedule(kRefreshInterval, kStart, random);
    expect_between(schedule.next() - kStart, 0ms, 60s);
    schedule.begin();
    EXPECT_FALSE(schedule.is_due(kStart + 24h)) << "one at a time";
    schedule.end(true, kStart);
    least = std::min(least, schedule.next() - kStart);
    most = std::max(most, schedule.next() - kStart);
    EXPECT_FALSE(schedule.is_due(kStart + 5h));
    EXPECT_TRUE(schedule.is_due(kStart + 7h));
  }
  expect_between(least, 324min, 334min);
  expect_between(most, 386min, 396min);
}

TEST(RefreshScheduleTest, FailuresWaitLongerUpToTheInterval) {
  testing::FakeRandom random;
  RefreshSchedule schedule(kRefreshInterval, kStart, random);
  milliseconds wait = 1min;
  for (int i = 0; i < 20; ++i) {
    schedule.begin();
    schedule.end(false, kStart);
    expect_between(schedule.next() - kStart, wait * 9 / 10, wait * 11 / 10);
    wait = std::min<milliseconds>(wait * 2, kRefreshInterval);
  }
  schedule.end(true, kStart);
  schedule.end(false, kStart);
  expect_between(schedule.next() - kStart, 54s, 66s);
}

TEST(RefreshScheduleTest, WakesAtOnceAndNeverLater) {
  testing::FakeRandom random;
  RefreshSchedule schedule(kRefreshInterval, kStart, random);
  schedule.end(true, kStart);
  schedule.wake(kStart + 1h);
  EXPECT_EQ(schedule.next(), kStart + 1h);
  schedule.wake(kStart + 2h);
  EXPECT_EQ(schedule.next(), kStart + 1h);
}

TEST(RefreshScheduleTest, ShortIntervalsForTests) {
  testing::FakeRandom random;
  RefreshSchedule schedule(1s, kStart, random);
  expect_between(schedule.next() - kStart, 0ms, 1s);
  schedule.end(false, kStart);
  expect_between(schedule.next() - kStart, 900ms, 1100ms);
}

}  // namespace
}  // namespace latchkey::agent
