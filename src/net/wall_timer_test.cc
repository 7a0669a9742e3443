#include "net/wall_timer.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace latchkey::net {
namespace {

using namespace std::chrono_literals;

Task<void> wait_and_count(WallTimer* timer, std::chrono::milliseconds time, int* ended) {
  co_await timer->wait(time);
  ++*ended;
}

TEST(WallTimer, EndsWhenItsTimeHasCome) {
  boost::asio::io_context io;
  WallTimer timer(io.get_executor());
  int ended = 0;
  boost::asio::co_spawn(io, wait_and_count(&timer, 20ms, &ended), boost::asio::detached);
  const auto begin = std::chrono::steady_clock::now();
  io.run();
  EXPECT_EQ(ended, 1);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 15ms);
}

TEST(WallTimer, IsWokenLongBefore) {
  boost::asio::io_context io;
  WallTimer timer(io.get_executor());
  int ended = 0;
  boost::asio::co_spawn(io, wait_and_count(&timer, 100h, &ended), boost::asio::detached);
  boost::asio::post(io, [&] { timer.wake(); });
  io.run();
  EXPECT_EQ(ended, 1);
}

TEST(WallTimer, AWakeThatNobodyWaitedForIsNotLost) {
  boost::asio::io_context io;
  WallTimer timer(io.get_executor());
  timer.wake();
  int ended = 0;
  boost::asio::co_spawn(io, wait_and_count(&timer, 100h, &ended), boost::asio::detached);
  io.run();
  EXPECT_EQ(ended, 1);
}

}  // namespace
}  // namespace latchkey::net
