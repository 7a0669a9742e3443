#include <gtest/gtest.h>

#include "pairing/session.h"
#include "support/fake_random.h"
#include "support/memory_window_ledger.h"

namespace latchkey::pairing {
namespace {

using namespace std::chrono_literals;
using wire::CodeKind;
using wire::ErrorCode;

class PairingTest : public ::testing::Test {
 protected:
  PairingTest() { EXPECT_TRUE(window_.open(testing::window_secret(code_), 10min, now_)); }

  // Runs to the point where the agent has sent its share.
  wire::Result<DevicePairing::Reply> run_to_share(AgentPairing& agent, DevicePairing& device,
                                                  const PairingCode& code) {
    const auto hello = device.on_message(agent.start(), now_);
    if (!hello) {
      return fail(hello.error());
    }
    const auto needed = agent.on_message(hello->send);
    if (!needed) {
      return fail(needed.error());
    }
    const auto& asked = std::get<CodeNeeded>(*needed);
    share_ = agent.on_password_key(derive_password_key(code, asked.salt, asked.iterations));
    return device.on_message(share_, now_);
  }
  AgentPairing agent() { return {random_, binding_, self_, std::nullopt}; }

  testing::FakeRandom random_;
  testing::MemoryWindowLedger ledger_;
  MonoTime now_{5000};
  PairingWindow window_{ledger_, now_};
  PairingCode code_ = PairingCode::make(CodeKind::kDigits8, random_);
  PairingCode wrong_ = PairingCode::make(CodeKind::kDigits8, random_);
  Digest256 binding_{1};
  DeviceId self_{Digest256{2}};
  Bytes share_;
};

TEST_F(PairingTest, RightCodeOpensOneChannelForBoth) {
  auto one = agent();
  DevicePairing two(window_, random_, binding_, self_);
  const auto share = run_to_share(one, two, code_);
  ASSERT_TRUE(share) << share.error().detail;
  auto reply = one.on_message(share->send);
  ASSERT_TRUE(reply) << reply.error().detail;
  auto& channel = std::get<AgentPairing::Reply>(*reply).channel;
  auto done = two.on_message(std::get<AgentPairing::Reply>(*reply).send, now_);
  ASSERT_TRUE(done && done->channel);
  EXPECT_EQ(channel.transcript, done->channel->transcript);
  EXPECT_TRUE(done->channel->receive.open(*channel.send.seal(as_bytes("to device"))));
  EXPECT_TRUE(channel.receive.open(*done->channel->send.seal(as_bytes("to agent"))));
}

TEST_F(PairingTest, WrongCodeIsNoticedByTheAgentAndPaidForByTheWindow) {
  {
    auto one = agent();
    DevicePairing two(window_, random_, binding_, self_);
    const auto share = run_to_share(one, two, wrong_);
    ASSERT_TRUE(share);
    EXPECT_EQ(one.on_message(share->send).error().code, ErrorCode::kWrongCode);
  }
  EXPECT_EQ(window_.attempts_left(), kAttempts - 1);
}

// threats.md row 5: a guesser who never confirms still pays, and pays before the answer.
TEST_F(PairingTest, Row5FiveGuessesAndNoMore) {
  for (std::uint32_t i = 0; i < kAttempts; ++i) {
    auto one = agent();
    DevicePairing two(window_, random_, binding_, self_);
    ASSERT_TRUE(run_to_share(one, two, wrong_)) << i;
    EXPECT_EQ(ledger_.record.attempts_left, kAttempts - 1 - i);
  }
  auto one = agent();
  DevicePairing two(window_, random_, binding_, self_);
  EXPECT_EQ(run_to_share(one, two, code_).error().code, ErrorCode::kWindowClosed);
  EXPECT_GT(window_.wait_left(now_), 0s);
}

// threats.md row 8: relaying between two TLS connections.
TEST_F(PairingTest, Row8AnotherChannelBindingFails) {
  AgentPairing one(random_, Digest256{9}, self_, std::nullopt);
  DevicePairing two(window_, random_, binding_, self_);
  const auto share = run_to_share(one, two, code_);
  ASSERT_TRUE(share);
  EXPECT_EQ(one.on_message(share->send).error().code, ErrorCode::kWrongCode);
}

TEST_F(PairingTest, TheIdMustBeTheKeyThatTlsShowedAndTheLinkNamed) {
  AgentPairing one(random_, binding_, DeviceId(Digest256{7}), std::nullopt);
  DevicePairing two(window_, random_, binding_, self_);
  EXPECT_FALSE(run_to_share(one, two, code_));
  AgentPairing three(random_, binding_, self_, DeviceId(Digest256{7}));
  DevicePairing four(window_, random_, binding_, self_);
  EXPECT_EQ(run_to_share(three, four, code_).error().code, ErrorCode::kUnreachable);
}

// threats.md row 7: replays and reflections.
TEST_F(PairingTest, Row7ReplayedAndReflectedMessagesAreRefused) {
  auto one = agent();
  DevicePairing two(window_, random_, binding_, self_);
  const auto share = run_to_share(one, two, code_);
  ASSERT_TRUE(share);
  auto reply = one.on_message(share->send);
  const Bytes confirm = std::get<AgentPairing::Reply>(*reply).send;
  ASSERT_TRUE(two.on_message(confirm, now_));
  EXPECT_FALSE(two.on_message(confirm, now_)) << "once only";

  ASSERT_TRUE(window_.open(testing::window_secret(code_), 10min, now_));
  auto recorded = agent();
  DevicePairing fresh(window_, random_, binding_, self_);
  ASSERT_TRUE(fresh.on_message(recorded.start(), now_));
  const auto replayed = fresh.on_message(share_, now_);
  ASSERT_TRUE(replayed) << "a share alone proves nothing yet";
  EXPECT_EQ(fresh.on_message(confirm, now_).error().code, ErrorCode::kWrongCode);

  auto reflected = agent();
  const Bytes hello = reflected.start();
  EXPECT_FALSE(reflected.on_message(hello));
}

TEST_F(PairingTest, ClosingTheWindowEndsUnconfirmedSessions) {
  auto one = agent();
  DevicePairing two(window_, random_, binding_, self_);
  const auto share = run_to_share(one, two, code_);
  ASSERT_TRUE(share);
  auto reply = one.on_message(share->send);
  window_.close(now_);
  EXPECT_EQ(two.on_message(std::get<AgentPairing::Reply>(*reply).send, now_).error().code,
            ErrorCode::kWindowClosed);
}

TEST_F(PairingTest, AConfirmationAfterTenSecondsIsTooLate) {
  auto one = agent();
  DevicePairing two(window_, random_, binding_, self_);
  const auto share = run_to_share(one, two, code_);
  ASSERT_TRUE(share);
  auto reply = one.on_message(share->send);
  EXPECT_EQ(two.deadline(), now_ + kConfirmTime);
  EXPECT_FALSE(two.on_message(std::get<AgentPairing::Reply>(*reply).send, now_ + kConfirmTime));
}

// threats.md row 54.
TEST_F(PairingTest, Row54ASecondSessionWaitsWhileOneIsUnconfirmed) {
  auto one = agent();
  DevicePairing two(window_, random_, binding_, self_);
  ASSERT_TRUE(run_to_share(one, two, code_));
  auto three = agent();
  DevicePairing four(window_, random_, binding_, self_);
  EXPECT_EQ(run_to_share(three, four, code_).error().code, ErrorCode::kLocked);
}

TEST_F(PairingTest, NothingIsSaidWhileTheWindowIsClosed) {
  window_.close(now_);
  auto one = agent();
  DevicePairing two(window_, random_, binding_, self_);
  EXPECT_EQ(run_to_share(one, two, code_).error().code, ErrorCode::kWindowClosed);
}

}  // namespace
}  // namespace latchkey::pairing
