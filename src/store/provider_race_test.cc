// Several connections at once, crashes, and attempts to rewrite history.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <barrier>
#include <thread>

#include "store/provider_database.h"
#include "store/provider_schema.h"
#include "store/provider_store_fixture.h"

namespace latchkey::store {
namespace {

using attest::OriginStatus;
using provider::ErrorCode;

class ProviderRaceTest : public ProviderStoreTest {
 protected:
  [[nodiscard]] std::unique_ptr<ProviderDatabase> bare() const {
    return ProviderDatabase::connect(database_, false).value();
  }
  std::string refusal_of(const std::string& statement) {
    auto database = bare();
    const auto done = database->change([&] { database->run(statement); });
    return done ? "" : done.error().detail;
  }
  std::size_t origins_stored() {
    std::size_t count = 0;
    EXPECT_TRUE(store_->each_origin([&](const auto&...) { ++count; }));
    return count;
  }
};

TEST_P(ProviderRaceTest, NobodyRewritesTheLog) {
  ASSERT_TRUE(store_->add_origin(registered("a.example"), kAct));
  ASSERT_TRUE(store_->add_origin(registered("b.example"), kAct));
  std::vector<std::string> attempts = {"UPDATE audit SET who = 'eve'",
                                       "DELETE FROM audit WHERE seq = 1"};
  if (is_postgres()) {
    attempts.emplace_back("TRUNCATE audit");
  } else {
    attempts.emplace_back("INSERT OR REPLACE INTO audit VALUES (1,1,'eve','','','','','')");
  }
  for (const std::string& attempt : attempts) {
    EXPECT_THAT(refusal_of(attempt), ::testing::HasSubstr("append-only")) << attempt;
  }
  ASSERT_EQ(log().size(), 2U);
  EXPECT_EQ(log()[0].act.who, "ada");
}

// Whoever reads the log to its end, and later from there, misses nothing: no smaller number appears
// afterwards, and none is left out.
TEST_P(ProviderRaceTest, NumbersAppearInOrderUnderManyWriters) {
  constexpr int kWriters = 4;
  constexpr int kEach = 25;
  std::atomic<bool> failed{false};
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([this, writer, &failed] {
      const auto store = open();
      for (int i = 0; i < kEach && store; ++i) {
        const auto host = "h" + std::to_string(i) + "-" + std::to_string(writer) + ".example";
        if (const auto done = store->add_origin(registered(host), kAct); !done) {
          ADD_FAILURE() << done.error().detail;
          failed = true;
          return;
        }
      }
    });
  }
  std::uint64_t last = 0;
  while (last < kWriters * kEach && !failed) {
    const auto entries = store_->audit(last, 1000);
    ASSERT_TRUE(entries) << entries.error().detail;
    for (const auto& entry : *entries) {
      EXPECT_EQ(entry.seq, last + 1);
      last = entry.seq;
    }
  }
  for (std::thread& writer : writers) {
    writer.join();
  }
  EXPECT_EQ(store_->last_seq().value(), static_cast<std::uint64_t>(kWriters * kEach));
}

TEST_P(ProviderRaceTest, OneOfTwoGetsTheLeaseAndTheOrigin) {
  constexpr int kRounds = 15;
  std::barrier round(2);
  std::array<std::vector<bool>, 2> leased;
  std::array<std::vector<bool>, 2> added;
  const auto race = [&](std::size_t me) {
    const auto store = open();
    const std::string name = "holder" + std::to_string(me);
    for (int i = 0; i < kRounds; ++i) {
      round.arrive_and_wait();
      // Each round at a time when the lease of the one before has run out.
      const WallTime now{1700000000 + i * 100};
      leased[me].push_back(store->take_lease(name, now, seconds(50)).value_or(false));
      const auto origin = store->add_origin(registered("r" + std::to_string(i) + ".example"), kAct);
      added[me].push_back(origin.has_value());
      EXPECT_TRUE(origin || origin.error().code == ErrorCode::kConflict);
    }
  };
  std::thread other(race, 1);
  race(0);
  other.join();
  for (std::size_t i = 0; i < kRounds; ++i) {
    EXPECT_NE(leased[0][i], leased[1][i]) << i;
    EXPECT_NE(added[0][i], added[1][i]) << i;
  }
}

TEST_P(ProviderRaceTest, TwoMayMakeTheTablesAtOnce) {
  const std::string fresh = is_postgres() ? PostgresServer::shared().create_database()
                                          : "sqlite:" + (home_.path() / "fresh.db").string();
  std::barrier start(2);
  const auto init = [&] {
    start.arrive_and_wait();
    const auto made = ProviderStore::init(fresh);
    EXPECT_TRUE(made) << made.error().detail;
  };
  std::thread other(init);
  init();
  other.join();
  EXPECT_TRUE(ProviderStore::open(fresh));
}

TEST_P(ProviderRaceTest, AMomentStaysTheSame) {
  ASSERT_TRUE(store_->add_origin(registered("a.example"), kAct));
  std::thread writer;
  const auto moment = store_->at_one_moment([&]() -> provider::Result<void> {
    EXPECT_EQ(origins_stored(), 1U);
    writer =
        std::thread([this] { EXPECT_TRUE(open()->add_origin(registered("b.example"), kAct)); });
    if (is_postgres()) {
      writer.join();  // SQLite's waits until this moment is over
    }
    EXPECT_EQ(origins_stored(), 1U);
    EXPECT_EQ(store_->last_seq().value(), 1U);
    return {};
  });
  EXPECT_TRUE(moment);
  if (writer.joinable()) {
    writer.join();
  }
  EXPECT_EQ(origins_stored(), 2U);
}

// Runs `work` in a process that is killed as soon as it has told.
void run_and_kill(const std::function<void(const std::function<void()>& told)>& work) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    work([&] {
      (void)!::write(ends[1], "x", 1);
      for (;;) {
        ::pause();
      }
    });
    ::_exit(1);
  }
  ::close(ends[1]);
  char told = 0;
  EXPECT_EQ(::read(ends[0], &told, 1), 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
}

TEST_P(ProviderRaceTest, ACrashLeavesTheOldOrTheNew) {
  ASSERT_TRUE(store_->add_origin(registered("a.example"), kAct));
  store_.reset();
  run_and_kill([this](const std::function<void()>& told) {
    const auto database = bare();
    (void)database->change([&] {
      // More than a cache holds: SQLite has to roll half-written pages back.
      std::vector<Row> rows;
      std::vector<ProviderDatabase::Line> lines;
      for (std::uint32_t i = 0; i < 20000; ++i) {
        rows.push_back({key_numbered(i).hex(), "half", "1"});
        lines.push_back({key_numbered(i).hex(), "{}"});
      }
      database->insert("device (spki, reason, since)", 3, rows);
      database->log_all(database->take_numbers(lines.size()), kAct, "device.revoke", lines);
      told();
    });
  });
  store_ = open();
  EXPECT_EQ(store_->last_seq().value(), 1U);
  EXPECT_FALSE(store_->device(key_numbered(5)).value());
  EXPECT_EQ(log().size(), 1U);
  store_.reset();
  run_and_kill([this](const std::function<void()>& told) {
    if (open()->add_origin(registered("b.example"), kAct)) {
      told();
    }
  });
  store_ = open();
  EXPECT_EQ(store_->last_seq().value(), 2U);
  EXPECT_EQ(origins_stored(), 2U);
  EXPECT_TRUE(store_->add_origin(registered("c.example"), kAct));
}

TEST_P(ProviderRaceTest, ComesBackAfterTheConnectionIsLost) {
  if (!is_postgres()) {
    return;  // a file has no connection to lose
  }
  const auto killer = bare();
  ASSERT_TRUE(killer->read([&] {
    return killer->run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()");
  }));
  EXPECT_EQ(store_->last_seq().error().code, ErrorCode::kUnreachable);
  EXPECT_EQ(store_->last_seq().value(), 0U);
  EXPECT_TRUE(store_->add_origin(registered("a.example"), kAct));
}

TEST_P(ProviderRaceTest, RefusesTablesOfAnotherVersion) {
  const auto database = bare();
  ASSERT_TRUE(database->change([&] { database->run("UPDATE latchkey_provider SET version = 2"); }));
  EXPECT_THAT(ProviderStore::open(database_).error().detail, ::testing::HasSubstr("newer"));
  EXPECT_THAT(ProviderStore::init(database_).error().detail, ::testing::HasSubstr("newer"));
}

INSTANTIATE_TEST_SUITE_P(Both, ProviderRaceTest, ::testing::Values(Kind::kSqlite, Kind::kPostgres),
                         kind_name);

}  // namespace
}  // namespace latchkey::store
