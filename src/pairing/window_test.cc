#include "pairing/window.h"

#include <gtest/gtest.h>

#include "support/fake_random.h"
#include "support/memory_window_ledger.h"

namespace latchkey::pairing {
namespace {

using namespace std::chrono_literals;
using wire::CodeKind;
using wire::ErrorCode;

class WindowTest : public ::testing::Test {
 protected:
  PairingWindow::Secret secret(CodeKind kind = CodeKind::kDigits8) {
    return {kind, Bytes(16), 10000, {crypto::EcScalar::reduce(Bytes{1}), Bytes(65)}};
  }
  void exhaust(PairingWindow& window) {
    ASSERT_TRUE(window.open(secret(), 10min, now_));
    for (std::uint32_t i = 0; i < kAttempts; ++i) {
      const auto generation = window.generation();
      ASSERT_TRUE(window.spend(generation, now_)) << i;
      window.lose(generation, now_);
    }
    EXPECT_FALSE(window.is_open(now_));
  }
  testing::MemoryWindowLedger ledger_;
  MonoTime now_{1'000'000};
};

TEST_F(WindowTest, OpensForAWhileAndCloses) {
  PairingWindow window(ledger_, now_);
  EXPECT_FALSE(window.is_open(now_));
  ASSERT_TRUE(window.open(secret(), 60min, now_));
  EXPECT_TRUE(window.is_open(now_ + 9min));
  EXPECT_FALSE(window.is_open(now_ + 10min)) << "ten minutes at most";
  window.close(now_);
  EXPECT_FALSE(window.is_open(now_));
}

// threats.md row 5: five attempts, then a lockout that doubles and survives a restart.
TEST_F(WindowTest, Row5LockoutDoublesAndSurvivesARestart) {
  PairingWindow window(ledger_, now_);
  for (const auto wait : {30s, 60s, 120s, 240s, 300s, 300s}) {
    exhaust(window);
    EXPECT_EQ(window.wait_left(now_), wait);
    EXPECT_EQ(window.open(secret(), 10min, now_).error().code, ErrorCode::kLocked);
    // Pulling the plug starts the wait anew instead of ending it.
    PairingWindow restarted(ledger_, now_);
    EXPECT_EQ(restarted.wait_left(now_), wait);
    now_ = now_ + wait;
    EXPECT_EQ(restarted.wait_left(now_), 0s);
  }
}

TEST_F(WindowTest, ASuccessResetsTheWait) {
  PairingWindow window(ledger_, now_);
  exhaust(window);
  now_ = now_ + 30s;
  ASSERT_TRUE(window.open(secret(), 10min, now_));
  ASSERT_TRUE(window.spend(window.generation(), now_));
  window.succeed(window.generation(), now_);
  EXPECT_FALSE(window.is_open(now_)) << "a digits8 code is dead after its first success";
  exhaust(window);
  EXPECT_EQ(window.wait_left(now_), 30s);
}

TEST_F(WindowTest, ARestartClosesTheWindowAndKeepsWhatWasSpent) {
  PairingWindow window(ledger_, now_);
  ASSERT_TRUE(window.open(secret(), 10min, now_));
  ASSERT_TRUE(window.spend(window.generation(), now_));
  EXPECT_EQ(ledger_.record.attempts_left, kAttempts - 1) << "durable before the answer";
  PairingWindow restarted(ledger_, now_);
  EXPECT_FALSE(restarted.is_open(now_));
  EXPECT_FALSE(restarted.spend(window.generation(), now_));
}

TEST_F(WindowTest, OpeningAgainBringsNoAttemptsBack) {
  PairingWindow window(ledger_, now_);
  ASSERT_TRUE(window.open(secret(), 10min, now_));
  ASSERT_TRUE(window.spend(window.generation(), now_));
  window.lose(window.generation(), now_);
  const auto old = window.generation();
  ASSERT_TRUE(window.open(secret(), 10min, now_));
  EXPECT_EQ(window.attempts_left(), kAttempts - 1);
  EXPECT_EQ(window.spend(old, now_).error().code, ErrorCode::kWindowClosed) << "another code";
}

// threats.md row 54: two sessions race for the last attempt.
TEST_F(WindowTest, Row54OneSessionAtATimeAndNoneWithoutAnAttempt) {
  PairingWindow window(ledger_, now_);
  ASSERT_TRUE(window.open(secret(), 10min, now_));
  for (std::uint32_t i = 1; i < kAttempts; ++i) {
    ASSERT_TRUE(window.spend(window.generation(), now_));
    window.lose(window.generation(), now_);
  }
  const auto generation = window.generation();
  ASSERT_TRUE(window.spend(generation, now_));
  EXPECT_EQ(window.spend(generation, now_).error().code, ErrorCode::kLocked);
  EXPECT_EQ(window.spend(generation, now_ + kConfirmTime).error().code, ErrorCode::kWindowClosed);
}

TEST_F(WindowTest, WhatCannotBeStoredIsNotSpentAndNotAnswered) {
  PairingWindow window(ledger_, now_);
  ASSERT_TRUE(window.open(secret(), 10min, now_));
  ledger_.broken = true;
  EXPECT_EQ(window.spend(window.generation(), now_).error().code, ErrorCode::kInternal);
  EXPECT_EQ(window.attempts_left(), kAttempts);
}

TEST_F(WindowTest, Key128IsNotCountedAndLivesOn) {
  PairingWindow window(ledger_, now_);
  ASSERT_TRUE(window.open(secret(CodeKind::kKey128), 10min, now_));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(window.spend(window.generation(), now_));
    window.lose(window.generation(), now_);
  }
  ASSERT_TRUE(window.spend(window.generation(), now_));
  window.succeed(window.generation(), now_);
  EXPECT_TRUE(window.is_open(now_));
}

}  // namespace
}  // namespace latchkey::pairing
