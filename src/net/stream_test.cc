// Waiting for sockets: nothing that came is ever waited for in vain, whenever it came.
#include "net/stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>

namespace latchkey::net {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

class StreamTest : public ::testing::Test {
 public:
  struct Pair {
    std::unique_ptr<FdStream> stream;
    int peer = -1;
  };
  Pair make_pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    return {std::make_unique<FdStream>(io_.get_executor(), fds[0]), fds[1]};
  }
  static void say(int peer, std::string_view text) {
    EXPECT_EQ(::send(peer, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // Runs a coroutine to its end; its value, or nothing where it never gets there.
  template <class T>
  std::optional<T> run(Task<T> task) {
    std::optional<T> out;
    asio::co_spawn(io_, std::move(task), [&out](const std::exception_ptr& error, T value) {
      if (!error) {
        out.emplace(std::move(value));
      }
    });
    const Deadline until = after(20s);
    while (!out && std::chrono::steady_clock::now() < until) {
      io_.restart();
      io_.run_one_until(until);
    }
    return out;
  }
  static Task<std::string> read(FdStream& stream, std::size_t room, Deadline deadline) {
    if (const auto ready = co_await stream.readable(deadline); !ready) {
      co_return ready.error().code == Error::Code::kTimeout ? "too late" : "closed";
    }
    Bytes into(room);
    const auto got = co_await stream.read_some(into, deadline);
    if (!got) {
      co_return got.error().code == Error::Code::kTimeout ? "too late" : "closed";
    }
    co_return *got == 0 ? "the end" : std::string(as_text(ByteSpan(into).first(*got)));
  }
  std::string read(Pair& from, std::size_t room) {
    return run(read(*from.stream, room, kNoDeadline)).value_or("never");
  }

  asio::io_context io_{1};
};

TEST_F(StreamTest, FindsWhatWasThereBefore) {
  auto one = make_pair();
  say(one.peer, "abcdef");
  EXPECT_EQ(read(one, 4), "abcd");
  EXPECT_EQ(read(one, 4), "ef");  // less than there was room for
  say(one.peer, "gh");
  say(one.peer, "ij");
  EXPECT_EQ(read(one, 4), "ghij");  // exactly as much
  say(one.peer, "k");
  EXPECT_EQ(read(one, 4), "k");
  ::close(one.peer);
  EXPECT_EQ(read(one, 4), "the end");
  EXPECT_EQ(read(one, 4), "the end");
}

// The end that came together with the last bytes makes no edge of its own.
TEST_F(StreamTest, FindsTheEndThatCameWithTheLastBytes) {
  for (const bool waited : {false, true}) {
    auto one = make_pair();
    if (waited) {
      say(one.peer, "first");
      EXPECT_EQ(read(one, 100), "first");
    }
    say(one.peer, "last");
    ::close(one.peer);
    EXPECT_EQ(read(one, 100), "last");
    EXPECT_EQ(read(one, 100), "the end");
  }
}

TEST_F(StreamTest, WakesForWhatComesWhileItWaits) {
  auto one = make_pair();
  for (int i = 0; i < 50; ++i) {
    asio::post(io_, [&] { asio::post(io_, [&] { say(one.peer, "later"); }); });
    EXPECT_EQ(read(one, 100), "later");
  }
  asio::post(io_, [&] { ::shutdown(one.peer, SHUT_WR); });
  EXPECT_EQ(read(one, 100), "the end");
  ::close(one.peer);
}

TEST_F(StreamTest, WritesAsFastAsThePeerReads) {
  auto one = make_pair();
  FdStream other(io_.get_executor(), one.peer);
  const Bytes much(8'000'000, 'x');
  std::size_t taken = 0;
  asio::co_spawn(
      io_,
      [](FdStream& from, std::size_t& count) -> Task<void> {
        Bytes into(10'000);
        while (true) {
          const auto got = co_await from.read_some(into, kNoDeadline);
          if (!got || *got == 0) {
            co_return;
          }
          count += *got;
        }
      }(other, taken),
      asio::detached);
  const auto written = run([](FdStream& to, const Bytes& bytes) -> Task<bool> {
    const auto done = co_await to.write_all(bytes, 20s);
    co_await to.shutdown();
    co_return done.has_value();
  }(*one.stream, much));
  EXPECT_TRUE(written.value_or(false));
  io_.restart();
  while (taken < much.size() && io_.run_one() > 0) {
  }
  EXPECT_EQ(taken, much.size());
}

TEST_F(StreamTest, WaitsNoLongerThanItMayAndEndsWhenItIsClosed) {
  auto one = make_pair();
  EXPECT_EQ(run(read(*one.stream, 4, after(1ms))), "too late");
  say(one.peer, "abc");
  EXPECT_EQ(run(read(*one.stream, 4, after(-1ms))), "too late");
  EXPECT_EQ(read(one, 4), "abc");
  asio::post(io_, [&] { one.stream->close(); });
  EXPECT_EQ(read(one, 4), "closed");
  EXPECT_EQ(read(one, 4), "closed");
  ::close(one.peer);
}

TEST_F(StreamTest, ACancelledWaitEndsAndLeavesWhatCame) {
  auto one = make_pair();
  TaskGroup tasks(io_.get_executor());
  tasks.spawn([](FdStream& stream) -> Task<void> {
    Bytes into(4);
    (void)co_await stream.read_some(into, kNoDeadline);
    ADD_FAILURE() << "it went on";
  }(*one.stream));
  io_.run_for(1ms);
  EXPECT_EQ(tasks.size(), 1U);
  tasks.cancel();
  io_.restart();
  io_.run();
  EXPECT_TRUE(tasks.empty());
  say(one.peer, "abcd");
  EXPECT_EQ(read(one, 4), "abcd");
  ::close(one.peer);
}

// Two become ready at once; whoever is told first closes the other, whose number is another's then.
TEST_F(StreamTest, OneThatIsClosedByAnotherIsNotToldAnyMore) {
  for (int round = 0; round < 20; ++round) {
    auto first = make_pair();
    auto second = make_pair();
    std::optional<Pair> third;
    int told = 0;
    const auto wait = [&](Pair& mine, Pair& other) {
      return [](StreamTest& test, Pair& me, Pair& them, std::optional<Pair>& next,
                int& count) -> Task<void> {
        Bytes into(4);
        const auto got = co_await me.stream->read_some(into, kNoDeadline);
        if (got && count++ == 0) {
          them.stream->close();
          ::close(them.peer);
          next = test.make_pair();
        }
      }(*this, mine, other, third, told);
    };
    asio::co_spawn(io_, wait(first, second), asio::detached);
    asio::co_spawn(io_, wait(second, first), asio::detached);
    io_.restart();
    io_.poll();
    say(first.peer, "a");
    say(second.peer, "b");
    io_.restart();
    io_.run();
    EXPECT_EQ(told, 1);
    ASSERT_TRUE(third);
    say(third->peer, "new");
    EXPECT_EQ(read(*third, 4), "new");
    ::close(third->peer);
  }
}

// What waits when everything ends is let go of.
TEST_F(StreamTest, TheEndOfEverythingEndsWaits) {
  auto io = std::make_unique<asio::io_context>(1);
  std::array<int, 2> fds{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  const auto alive = std::make_shared<int>(1);
  asio::co_spawn(
      *io,
      [](asio::io_context& on, int fd, std::shared_ptr<int> held) -> Task<void> {
        FdStream stream(on.get_executor(), fd);
        Bytes into(4);
        (void)co_await stream.read_some(into, kNoDeadline);
        ADD_FAILURE() << *held;
      }(*io, fds[0], alive),
      asio::detached);
  io->poll();
  EXPECT_EQ(alive.use_count(), 2);
  io.reset();
  EXPECT_EQ(alive.use_count(), 1);
  char byte = 0;
  EXPECT_EQ(::recv(fds[1], &byte, 1, MSG_DONTWAIT), 0);  // its descriptor was closed
  ::close(fds[1]);
}

}  // namespace
}  // namespace latchkey::net
