// A network over the sealed channel: each real end against one that says what it likes.
#include <gtest/gtest.h>

#include <memory>

#include "enroll/frames.h"
#include "enroll/session.h"
#include "support/fake_random.h"
#include "support/memory_agent_desk.h"
#include "support/memory_device_ledger.h"
#include "support/memory_window_ledger.h"

namespace latchkey::enroll {
namespace {

using namespace std::chrono_literals;
using testing::kWall;
using wire::ErrorCode;
using wire::NetworkState;

wire::NetworkCredentials home() {
  return {to_bytes(as_bytes("Home")), SecretBytes::copy_of(as_bytes("correct horse"))};
}

Bytes told(NetworkState state) {
  return wire::encode(wire::NetworkReply{state});
}

class NetworkTest : public ::testing::Test {
 protected:
  NetworkTest() : window_(ledger_, now_) {
    EXPECT_TRUE(window_.open(testing::window_secret(code_), 10min, now_));
  }
  DeviceId self() const { return DeviceId(identity_.boot_key.public_key().spki_hash().bytes()); }
  pairing::PasswordKey key(const pairing::CodeNeeded& needed) const {
    return pairing::derive_password_key(code_, needed.salt, needed.iterations);
  }
  static Bytes payload(const Bytes& bytes) {
    wire::FrameDecoder frames;
    EXPECT_TRUE(frames.push(bytes));
    return frames.next().value_or(Bytes());
  }
  template <class Effect, class Effects>
  static const Effect* find(const Effects& effects) {
    for (const auto& effect : effects) {
      if (const auto* found = std::get_if<Effect>(&effect)) {
        return found;
      }
    }
    return nullptr;
  }
  template <class Effects>
  static std::optional<ErrorCode> failure(const Effects& effects) {
    const auto* failed = find<Failed>(effects);
    return failed != nullptr ? std::optional(failed->error.code) : std::nullopt;
  }

  // --- a real device, and an agent of our own that proved the code ---
  void pair_with_device(bool takes_networks) {
    device_ = std::make_unique<DeviceSession>(window_, grants_, identity_, random_, binding_, now_);
    device_->take_networks(takes_networks);
    pairing::AgentPairing agent(random_, binding_, std::nullopt, std::nullopt);
    const auto hello = tell_device(wire::encode_frame(agent.start()));
    const auto needed = agent.on_message(payload(find<SendBytes>(hello)->bytes));
    const auto share =
        tell_device(wire::encode_frame(agent.on_password_key(key(std::get<0>(*needed)))));
    auto reply = agent.on_message(payload(find<SendBytes>(share)->bytes));
    ASSERT_TRUE(reply);
    auto& last = std::get<pairing::AgentPairing::Reply>(*reply);
    channel_ = std::move(last.channel);
    EXPECT_TRUE(find<Paired>(tell_device(wire::encode_frame(last.send))));
  }
  std::vector<DeviceEffect> tell_device(ByteSpan bytes) {
    return device_->on_bytes(now_, kWall, bytes);
  }
  std::vector<DeviceEffect> seal_to_device(ByteSpan plaintext) {
    return tell_device(sealed_frame(*channel_, plaintext));
  }
  NetworkState answer_in(const std::vector<DeviceEffect>& effects) {
    const auto* send = find<SendBytes>(effects);
    const auto opened = channel_->receive.open(payload(send->bytes));
    return wire::decode<wire::NetworkReply>(opened->span())->state;
  }

  // --- a real agent, and a device of our own ---
  void pair_with_agent() {
    agent_ = std::make_unique<AgentSession>(desk_, random_, binding_, std::nullopt, std::nullopt);
    agent_->ask_for_network();
    pairing::DevicePairing device(window_, random_, binding_, self());
    const auto hello =
        device.on_message(payload(find<SendBytes>(agent_->start(now_))->bytes), now_);
    const auto asked = tell_agent(wire::encode_frame(hello->send));
    const auto share = agent_->on_password_key(now_, key(*find<CodeNeeded>(asked)));
    const auto reply = device.on_message(payload(find<SendBytes>(share)->bytes), now_);
    const auto paired = tell_agent(wire::encode_frame(reply->send));
    ASSERT_TRUE(find<Paired>(paired));
    auto confirmed = device.on_message(payload(find<SendBytes>(paired)->bytes), now_);
    channel_ = std::move(confirmed->channel);
    // What follows the confirmation.
    const auto* query = std::get_if<SendBytes>(&paired.back());
    ASSERT_NE(query, nullptr);
    EXPECT_TRUE(wire::is_network_query(channel_->receive.open(payload(query->bytes))->span()));
  }
  std::vector<AgentEffect> tell_agent(ByteSpan bytes) { return agent_->on_bytes(now_, bytes); }
  std::vector<AgentEffect> seal_to_agent(ByteSpan plaintext) {
    return tell_agent(sealed_frame(*channel_, plaintext));
  }
  std::string message_in(const std::vector<AgentEffect>& effects) {
    const auto* send = find<SendBytes>(effects);
    if (send == nullptr) {
      return "nothing";
    }
    const auto opened = channel_->receive.open(payload(send->bytes));
    if (wire::decode<wire::Offer>(opened->span())) {
      return "offer";
    }
    const auto network = wire::read_network(opened->span());
    return network && *network ? "network" : "something else";
  }

  testing::FakeRandom random_;
  MonoTime now_{1000};
  testing::MemoryWindowLedger ledger_;
  pairing::PairingWindow window_;
  testing::MemoryDeviceLedger grants_;
  DeviceIdentity identity_{
      crypto::PrivateKey::generate(), "Cache", "media-cache", "", "1.0", {3}, 8443};
  // One that is good for more than one pairing.
  pairing::PairingCode code_ = pairing::PairingCode::make(wire::CodeKind::kKey128, random_);
  Digest256 binding_{};
  testing::MemoryAgentDesk desk_{random_};
  std::unique_ptr<DeviceSession> device_;
  std::unique_ptr<AgentSession> agent_;
  std::optional<pairing::Established> channel_;
};

TEST_F(NetworkTest, ADeviceThatWantsOneWaitsForAPerson) {
  pair_with_device(true);
  EXPECT_EQ(device_->deadline(), now_ + 30s);
  EXPECT_EQ(answer_in(seal_to_device(wire::encode_network_query())), NetworkState::kWanted);
  EXPECT_EQ(device_->deadline(), now_ + kRetryTime);
  now_ = now_ + (kRetryTime - 1s);
  EXPECT_TRUE(device_->on_time(now_).empty());
  const auto given = seal_to_device(wire::encode(home()).span());
  ASSERT_TRUE(find<NetworkGiven>(given));
  EXPECT_EQ(device_->deadline(), now_ + kNetworkTime);
  EXPECT_EQ(answer_in(device_->on_network(now_, NetworkState::kJoined)), NetworkState::kJoined);
  EXPECT_EQ(device_->deadline(), now_ + 30s) << "nobody types anything any more";
}

TEST_F(NetworkTest, NobodyWhoTypesNothingIsWaitedForWithoutEnd) {
  pair_with_device(true);
  (void)seal_to_device(wire::encode_network_query());
  now_ = now_ + kRetryTime;
  EXPECT_EQ(failure(device_->on_time(now_)), ErrorCode::kCancelled);
}

TEST_F(NetworkTest, ADeviceThatTakesNoneSaysSoAndWaitsNoLonger) {
  pair_with_device(false);
  EXPECT_EQ(answer_in(seal_to_device(wire::encode_network_query())), NetworkState::kUnsupported);
  EXPECT_EQ(device_->deadline(), now_ + 30s);
}

// A silent peer cannot hold a device by asking again and again.
TEST_F(NetworkTest, Row42ItIsAskedOnceAndFirst) {
  pair_with_device(true);
  (void)seal_to_device(wire::encode_network_query());
  EXPECT_EQ(failure(seal_to_device(wire::encode_network_query())), ErrorCode::kMalformed);

  pair_with_device(true);
  (void)seal_to_device(wire::encode(home()).span());
  (void)device_->on_network(now_, NetworkState::kFailed);
  EXPECT_EQ(failure(seal_to_device(wire::encode_network_query())), ErrorCode::kMalformed);
}

TEST_F(NetworkTest, Row42ASecondNetworkWhileOneIsJoinedEnds) {
  for (const bool query : {false, true}) {
    pair_with_device(true);
    ASSERT_TRUE(find<NetworkGiven>(seal_to_device(wire::encode(home()).span())));
    const auto more = query ? seal_to_device(wire::encode_network_query())
                            : seal_to_device(wire::encode(home()).span());
    EXPECT_EQ(failure(more), ErrorCode::kMalformed);
    EXPECT_FALSE(find<NetworkGiven>(more));
    EXPECT_TRUE(device_->on_network(now_, NetworkState::kJoined).empty());
  }
}

// In the clear, before the code was proved.
TEST_F(NetworkTest, Row42NothingIsTakenOrToldBeforeTheCode) {
  for (const bool query : {false, true}) {
    device_ = std::make_unique<DeviceSession>(window_, grants_, identity_, random_, binding_, now_);
    device_->take_networks(true);
    const auto network = wire::encode(home());
    const auto effects = tell_device(
        wire::encode_frame(query ? ByteSpan(wire::encode_network_query()) : network.span()));
    EXPECT_EQ(failure(effects), ErrorCode::kMalformed);
    EXPECT_FALSE(find<NetworkGiven>(effects));
  }
}

TEST_F(NetworkTest, AnAgentAsksThePersonOnlyWhereOneIsWanted) {
  pair_with_agent();
  const auto wanted = seal_to_agent(told(NetworkState::kWanted));
  ASSERT_TRUE(find<NetworkTold>(wanted));
  EXPECT_EQ(message_in(wanted), "nothing");
  EXPECT_FALSE(agent_->deadline()) << "a person is asked";
  EXPECT_EQ(message_in(agent_->on_network(now_, home())), "network");
  EXPECT_EQ(agent_->deadline(), now_ + kNetworkTime + 10s);
  EXPECT_EQ(message_in(seal_to_agent(told(NetworkState::kJoined))), "offer");
  EXPECT_EQ(agent_->deadline(), now_ + 30s);

  pair_with_agent();
  (void)seal_to_agent(told(NetworkState::kWanted));
  EXPECT_EQ(message_in(agent_->on_network(now_, std::nullopt)), "offer");

  pair_with_agent();
  EXPECT_EQ(message_in(seal_to_agent(told(NetworkState::kUnsupported))), "offer");
  EXPECT_TRUE(agent_->on_network(now_, home()).empty()) << "it takes none";
}

// Also a device whose code was right may say nonsense.
TEST_F(NetworkTest, Row42ADeviceThatChangesItsMindIsLeft) {
  for (const NetworkState first :
       {NetworkState::kJoined, NetworkState::kFailed, NetworkState::kWrongPassword}) {
    pair_with_agent();
    EXPECT_EQ(failure(seal_to_agent(told(first))), ErrorCode::kMalformed) << "it was told none yet";
  }
  pair_with_agent();
  (void)seal_to_agent(told(NetworkState::kWanted));
  EXPECT_EQ(failure(seal_to_agent(told(NetworkState::kUnsupported))), ErrorCode::kMalformed);
  EXPECT_TRUE(agent_->on_network(now_, home()).empty()) << "it heard a password after that";

  pair_with_agent();
  (void)seal_to_agent(told(NetworkState::kWanted));
  (void)agent_->on_network(now_, home());
  EXPECT_EQ(failure(seal_to_agent(told(NetworkState::kWanted))), ErrorCode::kMalformed);
}

}  // namespace
}  // namespace latchkey::enroll
