#include "front/pace.h"

#include <gtest/gtest.h>

namespace latchkey::front {
namespace {

using namespace std::chrono_literals;

TEST(PaceTest, Threat43TricklingUsesUpTheGrace) {
  Pace pace(30s, 100);
  int seconds = 0;
  while (pace.left() > 0ms && seconds < 100) {
    pace.on_piece(1000ms, 1);  // one byte a second
    ++seconds;
  }
  EXPECT_EQ(seconds, 31);
}

TEST(PaceTest, WhoKeepsThePaceIsNeverGivenUp) {
  Pace pace(30s, 100);
  for (int i = 0; i < 100'000; ++i) {
    pace.on_piece(10s, 1000);
  }
  EXPECT_EQ(pace.left(), 30s);
  pace.on_piece(0ms, ~std::uint64_t{0});
  EXPECT_LE(pace.left(), 24h);
  EXPECT_EQ(Pace(1s, 0).left(), 24h);
}

}  // namespace
}  // namespace latchkey::front
