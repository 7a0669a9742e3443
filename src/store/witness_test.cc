// Row 38: a store that was rolled back, as a whole or in part.
#include "store/witness.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "store/keepers.h"
#include "store/test_support.h"

namespace latchkey::store {
namespace {

using testing::id_of;
using testing::issued;
using testing::make_binding;
using testing::make_grant;

constexpr WallTime kNow{4000};
constexpr Ending kEnding{{6000}, {96400}};

class WitnessTest : public ::testing::Test {
 protected:
  Result<AgentStore> open() { return AgentStore::open(folder_.path(), sealer_, random_); }
  void grant(AgentStore& store, std::uint8_t n) {
    ASSERT_TRUE(store.save_pending(make_binding(7), make_grant(n, 7), kNow));
    ASSERT_TRUE(store.save_issued(make_binding(7), issued(make_grant(n, 7)), kNow));
    ASSERT_TRUE(store.activate(id_of<GrantId>(n), 8443));
  }
  void keep() { std::filesystem::copy_file(folder_.file("agent.db"), copy_); }
  void roll_back() {
    std::filesystem::copy_file(copy_, folder_.file("agent.db"),
                               std::filesystem::copy_options::overwrite_existing);
  }
  testing::TempFolder folder_;
  testing::TempFolder elsewhere_;
  std::filesystem::path copy_ = elsewhere_.path().parent_path() / "copy.db";
  testing::CountingRandom random_;
  KeyKeeper keeper_{random_, "key-file", SecretBytes(32)};
  KeptSealer sealer_{random_, {&keeper_}, &keeper_};
  FileWitness witness_{elsewhere_.path() / "witness"};
};

TEST_F(WitnessTest, AStoreThatWasRolledBackIsNoticed) {
  {
    auto store = open();
    ASSERT_TRUE(store) << store.error().detail;
    ASSERT_EQ(store->watch(witness_), Standing::kCurrent);
    grant(*store, 1);
    store->touch(id_of<GrantId>(1), {4444});
    keep();
    ASSERT_TRUE(store->revoke(id_of<GrantId>(1), kEnding));
    EXPECT_EQ(witness_.highest().value(), store->generation());
  }
  EXPECT_EQ(open()->watch(witness_), Standing::kCurrent);
  roll_back();
  {
    auto store = open();
    ASSERT_TRUE(store) << "it is whole, only old";
    EXPECT_EQ(store->watch(witness_), Standing::kRolledBack);
    // It stays noticed until somebody says that it is right.
    EXPECT_EQ(store->watch(witness_), Standing::kRolledBack);
  }
  auto store = open();
  ASSERT_EQ(store->watch(witness_), Standing::kRolledBack);
  ASSERT_TRUE(store->accept(witness_));
  EXPECT_EQ(store->watch(witness_), Standing::kCurrent);
  store = fail(Error{});
  EXPECT_EQ(open()->watch(witness_), Standing::kCurrent);
  roll_back();
  EXPECT_EQ(open()->watch(witness_), Standing::kRolledBack);
}

TEST_F(WitnessTest, AWitnessThatIsGoneIsNoticed) {
  {
    auto store = open();
    ASSERT_EQ(store->watch(witness_), Standing::kCurrent);
    grant(*store, 1);
  }
  std::filesystem::remove(witness_.path());
  EXPECT_EQ(open()->watch(witness_), Standing::kUnknown);
  for (const char* text : {"", "x", "latchkey-witness 1 ", "latchkey-witness 1 12", "\n",
                           "latchkey-witness 1 99999999999999999999999\n"}) {
    testing::write_file(witness_.path(), as_bytes(text));
    EXPECT_EQ(open()->watch(witness_), Standing::kUnknown) << text;
  }
}

// The power may fail between a change and the word to the witness.
TEST_F(WitnessTest, AStoreAheadOfItsWitnessIsCurrent) {
  {
    auto store = open();
    ASSERT_EQ(store->watch(witness_), Standing::kCurrent);
    grant(*store, 1);
  }
  {
    auto store = open();  // not watched: the witness hears nothing
    ASSERT_TRUE(store->revoke(id_of<GrantId>(1), kEnding));
  }
  auto store = open();
  EXPECT_EQ(store->watch(witness_), Standing::kCurrent);
  EXPECT_EQ(witness_.highest().value(), store->generation());
}

TEST_F(WitnessTest, UseAloneDoesNotCount) {
  auto store = open();
  ASSERT_EQ(store->watch(witness_), Standing::kCurrent);
  grant(*store, 1);
  const std::uint64_t before = store->generation();
  store->touch(id_of<GrantId>(1), {5555});
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(store->generation(), before);
  EXPECT_EQ(store->grant(Scope::everything(), id_of<GrantId>(1)).value()->last_used,
            WallTime{5555});
}

TEST_F(WitnessTest, AWitnessThatCannotBeWrittenIsSaid) {
  auto store = open();
  ASSERT_EQ(store->watch(witness_), Standing::kCurrent);
  grant(*store, 1);
  EXPECT_FALSE(store->witness_failed());
  std::filesystem::create_directory(witness_.path().string() + ".new");
  grant(*store, 2);
  EXPECT_TRUE(store->witness_failed());
  std::filesystem::remove(witness_.path().string() + ".new");
  grant(*store, 3);
  EXPECT_FALSE(store->witness_failed());
}

TEST_F(WitnessTest, IsPrivate) {
  ASSERT_TRUE(witness_.raise(7));
  struct stat info{};
  ASSERT_EQ(::stat(witness_.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_EQ(witness_.highest().value(), 7U);
}

// A row of yesterday among those of today: its own sum is right, and whoever put it there set the
// sum of all right too. Only the head says no.
TEST_F(WitnessTest, OneOldRowAmongTodaysIsNoticed) {
  {
    auto store = open();
    grant(*store, 1);
    keep();
    ASSERT_TRUE(store->suspend(id_of<GrantId>(1), grant::Hold::kOriginRevoked));
  }
  testing::tamper(folder_.file("agent.db"),
                  "ATTACH '" + copy_.string() +
                      "' AS old;"
                      "REPLACE INTO agent_grant SELECT * FROM old.agent_grant;"
                      "REPLACE INTO meta SELECT * FROM old.meta WHERE name = 'total';");
  const auto store = open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::kCorrupt);
}

TEST_F(WitnessTest, NobodyTakesTheHeadAway) {
  {
    auto store = open();
    ASSERT_EQ(store->watch(witness_), Standing::kCurrent);
    grant(*store, 1);
  }
  const Bytes whole = testing::read_file(folder_.file("agent.db"));
  for (const char* change :
       {"UPDATE meta SET value = zeroblob(16) WHERE name = 'head'",
        "UPDATE meta SET value = zeroblob(16) WHERE name = 'head'; "
        "UPDATE meta SET value = zeroblob(8) WHERE name = 'generation'",
        "UPDATE meta SET value = zeroblob(16) WHERE name IN ('head', 'store_id'); "
        "UPDATE meta SET value = zeroblob(8) WHERE name = 'generation'",
        "UPDATE meta SET value = zeroblob(16) WHERE name = 'store_id'",
        "UPDATE meta SET value = x'ffffffffffffffff' WHERE name = 'generation'",
        "DELETE FROM meta WHERE name = 'head'"}) {
    testing::write_file(folder_.file("agent.db"), whole);
    testing::tamper(folder_.file("agent.db"), change);
    const auto store = open();
    ASSERT_FALSE(store) << change;
    EXPECT_EQ(store.error().code, ErrorCode::kCorrupt) << change;
  }
}

}  // namespace
}  // namespace latchkey::store
