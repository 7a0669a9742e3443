#include "agent/floor_clock.h"

#include <gtest/gtest.h>

#include "support/memory_records.h"

namespace latchkey::agent {
namespace {

using namespace std::chrono_literals;

constexpr seconds kDay{86400};

class FloorClockTest : public ::testing::Test {
 protected:
  FloorClockTest() { (void)clock_.wall_now(); }
  // The agent starts anew with what was kept last.
  FloorClock restarted() {
    FloorClock next(system_);
    next.restore(*clock_.to_keep(true));
    return next;
  }
  testing::FixedClock system_;
  const WallTime start_ = system_.wall;
  FloorClock clock_{system_};
};

TEST_F(FloorClockTest, Row34AClockTurnedBackDoesNotTurnBackTime) {
  system_.pass(kDay);
  EXPECT_EQ(clock_.wall_now(), start_ + kDay);
  EXPECT_EQ(clock_.behind(), 0s);
  system_.wall = start_ - 300 * kDay;
  EXPECT_EQ(clock_.wall_now(), start_ + kDay);
  system_.pass(3600s);
  EXPECT_EQ(clock_.wall_now(), start_ + kDay + 3600s) << "time goes on all the same";
  EXPECT_EQ(clock_.system_now(), start_ - 300 * kDay + 3600s);
  EXPECT_EQ(clock_.behind(), 301 * kDay);
}

TEST_F(FloorClockTest, Row34NorWhileTheAgentIsNotRunning) {
  system_.pass(kDay);
  const WallTime before = clock_.wall_now();
  system_.wall = start_ - 300 * kDay;
  system_.mono = MonoTime{5};  // the computer started anew
  const FloorClock next = restarted();
  EXPECT_GE(next.wall_now(), before);
  EXPECT_EQ(next.system_now(), start_ - 300 * kDay);
}

TEST_F(FloorClockTest, WhatIsKeptIsWrittenHourlyAtMost) {
  EXPECT_TRUE(clock_.to_keep());
  system_.pass(3599s);
  EXPECT_FALSE(clock_.to_keep());
  system_.pass(1s);
  EXPECT_EQ(clock_.to_keep(), std::to_string((start_ + 3600s).unix_seconds) + " 0");
  EXPECT_TRUE(clock_.to_keep(true));
}

TEST_F(FloorClockTest, AFloorThatIsWrongGivesWayAfterADayOfUse) {
  system_.wall = start_ + 30 * kDay;  // set wrongly
  EXPECT_EQ(clock_.wall_now(), start_ + 30 * kDay);
  system_.wall = start_ + 60s;  // and right again
  for (int hour = 0; hour < 24; ++hour) {
    EXPECT_GE(clock_.wall_now(), start_ + 30 * kDay) << hour;
    system_.pass(3600s);
  }
  EXPECT_EQ(clock_.wall_now(), system_.wall);
  EXPECT_EQ(clock_.behind(), 0s);
}

TEST_F(FloorClockTest, TheDayOfUseIsCountedOverRestarts) {
  system_.wall = start_ + 30 * kDay;
  (void)clock_.wall_now();
  system_.wall = start_;
  (void)clock_.wall_now();
  system_.pass(20h);
  FloorClock next = restarted();
  EXPECT_GT(next.behind(), 0s);
  system_.pass(3h);
  EXPECT_GT(next.behind(), 0s);
  system_.pass(1h);
  EXPECT_EQ(next.behind(), 0s);
}

TEST_F(FloorClockTest, NobodyGetsThereBySettingTheDate) {
  system_.pass(10 * kDay);
  (void)clock_.wall_now();
  const WallTime before = system_.wall;
  for (int day = -9; day < 0; ++day) {
    system_.wall = before + day * kDay;
    EXPECT_GE(clock_.wall_now(), before);
  }
}

TEST_F(FloorClockTest, AGreatLeapIsNotBelievedAtOnce) {
  system_.wall = start_ + 4000 * kDay;  // a battery that died
  EXPECT_TRUE(clock_.leaps());
  EXPECT_EQ(clock_.wall_now(), start_ + 4000 * kDay) << "what has expired by it is not used";
  system_.pass(3599s);
  EXPECT_TRUE(clock_.leaps());
  system_.wall = start_ + 3600s;  // the network knows better
  EXPECT_FALSE(clock_.leaps());
  EXPECT_EQ(clock_.wall_now(), start_ + 3600s) << "nothing is left of it";
}

TEST_F(FloorClockTest, AGreatLeapIsBelievedAfterAnHour) {
  system_.wall = start_ + 100 * kDay;
  EXPECT_TRUE(clock_.leaps());
  system_.pass(3600s);
  EXPECT_FALSE(clock_.leaps());
  system_.wall = start_;
  EXPECT_EQ(clock_.wall_now(), start_ + 100 * kDay + 3600s);
}

TEST_F(FloorClockTest, WeeksOfSleepAreNoLeap) {
  system_.wall = start_ + 40 * kDay;
  EXPECT_FALSE(clock_.leaps());
  system_.wall = start_;
  EXPECT_EQ(clock_.wall_now(), start_ + 40 * kDay);
}

TEST_F(FloorClockTest, WhatCannotBeReadIsNothing) {
  for (const char* text : {"", "x", "1", "1 ", " 1", "-1 0", "1 -1", "1 86400001", "253402300800 0",
                           "99999999999999999999 0", "1 0 "}) {
    FloorClock clock(system_);
    clock.restore(text);
    EXPECT_EQ(clock.wall_now(), system_.wall) << text;
  }
}

}  // namespace
}  // namespace latchkey::agent
