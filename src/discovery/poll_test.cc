#include "discovery/poll.h"

#include <avahi-common/watch.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <optional>

namespace latchkey::discovery {
namespace {

using std::chrono::milliseconds;

class PollTest : public testing::Test {
 protected:
  PollTest() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair_.data()), 0); }
  ~PollTest() override {
    ::close(pair_[0]);
    ::close(pair_[1]);
  }
  PollTest(const PollTest&) = delete;
  PollTest& operator=(const PollTest&) = delete;
  PollTest(PollTest&&) = delete;
  PollTest& operator=(PollTest&&) = delete;

  void put(char c) { EXPECT_EQ(::write(pair_[1], &c, 1), 1); }
  const AvahiPoll* api() { return poll_.api(); }

  boost::asio::io_context io_;
  Poll poll_{io_};
  std::array<int, 2> pair_{};
};

struct Reader {
  const AvahiPoll* api = nullptr;
  int calls = 0;
  int consume = 0;  // bytes to read per call
  int free_after = 0;
  AvahiWatchEvent seen{};
  AvahiWatchEvent asked{};
};

void on_read(AvahiWatch* watch, int fd, AvahiWatchEvent event, void* userdata) {
  auto* reader = static_cast<Reader*>(userdata);
  ++reader->calls;
  reader->seen = event;
  reader->asked = reader->api->watch_get_events(watch);
  char c = 0;
  for (int i = 0; i < reader->consume; ++i) {
    EXPECT_EQ(::read(fd, &c, 1), 1);
  }
  if (reader->calls == reader->free_after) {
    reader->api->watch_free(watch);
  }
}

TEST_F(PollTest, WatchesAreLevelTriggered) {
  Reader reader{api(), 0, 1, 3};
  api()->watch_new(api(), pair_[0], AVAHI_WATCH_IN, on_read, &reader);
  put('a');
  put('b');
  put('c');
  io_.run();
  EXPECT_EQ(reader.calls, 3);
  EXPECT_EQ(reader.seen, AVAHI_WATCH_IN);
  EXPECT_EQ(reader.asked, AVAHI_WATCH_IN);
}

TEST_F(PollTest, TwoWatchesOnOneDescriptorAsDBusWants) {
  Reader in{api(), 0, 1, 1};
  Reader out{api(), 0, 0, 1};
  ASSERT_NE(api()->watch_new(api(), pair_[0], AVAHI_WATCH_IN, on_read, &in), nullptr);
  ASSERT_NE(api()->watch_new(api(), pair_[0], AVAHI_WATCH_OUT, on_read, &out), nullptr);
  put('a');
  io_.run();
  EXPECT_EQ(in.calls, 1);
  EXPECT_EQ(out.calls, 1);
  EXPECT_EQ(out.seen, AVAHI_WATCH_OUT);
}

TEST_F(PollTest, AWatchThatWantsNothingIsSilentUntilItWantsSomething) {
  Reader reader{api(), 0, 1, 1};
  AvahiWatch* watch =
      api()->watch_new(api(), pair_[0], static_cast<AvahiWatchEvent>(0), on_read, &reader);
  put('a');
  io_.run_for(milliseconds(20));
  EXPECT_EQ(reader.calls, 0);
  api()->watch_update(watch, AVAHI_WATCH_IN);
  io_.restart();
  io_.run();
  EXPECT_EQ(reader.calls, 1);
}

TEST_F(PollTest, AWatchFreedWithWorkQueuedDoesNotCallBack) {
  Reader reader{api(), 0, 1, 0};
  AvahiWatch* watch = api()->watch_new(api(), pair_[0], AVAHI_WATCH_IN, on_read, &reader);
  put('a');
  io_.poll_one();
  api()->watch_free(watch);
  const int before = reader.calls;
  io_.run();
  EXPECT_EQ(reader.calls, before);
}

TEST_F(PollTest, HangUpIsTold) {
  Reader reader{api(), 0, 0, 1};
  api()->watch_new(api(), pair_[0], AVAHI_WATCH_IN, on_read, &reader);
  ::shutdown(pair_[1], SHUT_RDWR);
  io_.run();
  EXPECT_EQ(reader.seen & AVAHI_WATCH_HUP, AVAHI_WATCH_HUP);
}

struct Ticker {
  const AvahiPoll* api = nullptr;
  int calls = 0;
  bool free_inside = false;
};

void on_timeout(AvahiTimeout* timeout, void* userdata) {
  auto* ticker = static_cast<Ticker*>(userdata);
  ++ticker->calls;
  if (ticker->free_inside) {
    ticker->api->timeout_free(timeout);
  }
}

timeval from_now(long microseconds) {
  timeval now{};
  ::gettimeofday(&now, nullptr);
  now.tv_usec += microseconds;
  now.tv_sec += now.tv_usec / 1000000;
  now.tv_usec %= 1000000;
  return now;
}

TEST_F(PollTest, TimeoutsFireOnceAndMayFreeThemselves) {
  Ticker ticker{api(), 0, true};
  const timeval soon = from_now(2000);
  api()->timeout_new(api(), &soon, on_timeout, &ticker);
  io_.run();
  EXPECT_EQ(ticker.calls, 1);
}

TEST_F(PollTest, TimeoutsCanBeSetMovedAndDisabled) {
  Ticker ticker{api(), 0, false};
  AvahiTimeout* timeout = api()->timeout_new(api(), nullptr, on_timeout, &ticker);
  io_.run();
  EXPECT_EQ(ticker.calls, 0);
  const timeval past{1, 0};
  const timeval far = from_now(60000000);
  api()->timeout_update(timeout, &far);
  api()->timeout_update(timeout, &past);
  io_.restart();
  io_.run();
  EXPECT_EQ(ticker.calls, 1);
  api()->timeout_update(timeout, &past);
  api()->timeout_update(timeout, nullptr);
  io_.restart();
  io_.run();
  EXPECT_EQ(ticker.calls, 1);
  api()->timeout_free(timeout);
}

TEST_F(PollTest, ATimerMayBeDestroyedInItsOwnCallback) {
  int calls = 0;
  std::optional<Timer> timer;
  timer.emplace(poll_, [&] {
    ++calls;
    timer.reset();
  });
  timer->start(milliseconds(0));
  timer->start_if_idle(milliseconds(60000));
  io_.run();
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace latchkey::discovery
