#include "grant/session.h"

#include <gtest/gtest.h>

#include "support/fake_random.h"

namespace latchkey::grant {
namespace {

using namespace std::chrono_literals;

class SessionTest : public ::testing::Test {
 protected:
  testing::FakeRandom random_;
  SessionTable table_{random_};
  SpkiHash agent_{{7}};
  GrantKey grant_{agent_, GrantId({1})};
  GrantKey other_{agent_, GrantId({2})};
  MonoTime now_{1000};
};

TEST_F(SessionTest, LivesForAnHourAtMost) {
  const auto opened = table_.open(grant_, 5h, now_);
  EXPECT_EQ(opened.token.size(), 43U);
  EXPECT_TRUE(table_.find(opened.token, grant_, now_ + 59min));
  EXPECT_FALSE(table_.find(opened.token, grant_, now_ + 1h));
  EXPECT_EQ(table_.deadline(), now_ + 1h);
  EXPECT_EQ(table_.expire(now_ + 1h).size(), 1U);
  EXPECT_EQ(table_.size(), 0U);
}

// threats.md row 15.
TEST_F(SessionTest, Row15ASessionOfOneGrantIsNoneOfAnother) {
  const auto opened = table_.open(grant_, 1h, now_);
  EXPECT_FALSE(table_.find(opened.token, other_, now_));
  EXPECT_FALSE(table_.close(opened.token, other_));
  EXPECT_FALSE(table_.extend(opened.token, other_, 1h, now_));
  EXPECT_FALSE(table_.find(opened.token + "x", grant_, now_));
  EXPECT_FALSE(table_.find("", grant_, now_));
}

// threats.md row 16: a second person chose the id of the first one's grant for his own.
TEST_F(SessionTest, Row16ASessionOfOneAgentIsNoneOfAnotherWithTheSameId) {
  const GrantKey theirs{SpkiHash({8}), grant_.grant};
  const auto opened = table_.open(grant_, 1h, now_);
  EXPECT_FALSE(table_.find(opened.token, theirs, now_));
  EXPECT_FALSE(table_.extend(opened.token, theirs, 1h, now_));
  EXPECT_FALSE(table_.close(opened.token, theirs));
  EXPECT_TRUE(table_.close_all(theirs).empty());
  EXPECT_TRUE(table_.find(opened.token, grant_, now_));
  // Nor does he push the first one's sessions out.
  for (std::size_t i = 0; i < SessionTable::kMaxPerGrant + 5; ++i) {
    table_.open(theirs, 1h, now_);
  }
  EXPECT_TRUE(table_.find(opened.token, grant_, now_));
}

TEST_F(SessionTest, ExtendsAndEnds) {
  const auto opened = table_.open(grant_, 10min, now_);
  EXPECT_TRUE(table_.extend(opened.token, grant_, 1h, now_ + 5min));
  EXPECT_TRUE(table_.find(opened.token, grant_, now_ + 30min));
  EXPECT_EQ(table_.close(opened.token, grant_), opened.session.id);
  EXPECT_FALSE(table_.find(opened.token, grant_, now_));
}

TEST_F(SessionTest, AGrantsEndEndsItsSessionsOnly) {
  const auto one = table_.open(grant_, 1h, now_);
  const auto two = table_.open(grant_, 1h, now_);
  const auto three = table_.open(other_, 1h, now_);
  EXPECT_EQ(table_.close_all(grant_).size(), 2U);
  EXPECT_FALSE(table_.find(one.token, grant_, now_));
  EXPECT_FALSE(table_.find(two.token, grant_, now_));
  EXPECT_TRUE(table_.find(three.token, other_, now_));
}

TEST_F(SessionTest, TheOldestMakesRoom) {
  const auto first = table_.open(grant_, 1h, now_);
  for (std::size_t i = 1; i < SessionTable::kMaxPerGrant; ++i) {
    EXPECT_TRUE(table_.open(grant_, 1h, now_).displaced.empty());
  }
  EXPECT_EQ(table_.open(grant_, 1h, now_).displaced, std::vector{first.session.id});
  EXPECT_EQ(table_.size(), SessionTable::kMaxPerGrant);
}

}  // namespace
}  // namespace latchkey::grant
