// Agent and device enrol against each other in memory: no sockets, no clock, no threads.
#include "enroll/session.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>

#include "crypto/x509.h"
#include "pki/pki.h"
#include "support/fake_random.h"
#include "support/memory_agent_desk.h"
#include "support/memory_device_ledger.h"
#include "support/memory_window_ledger.h"

namespace latchkey::enroll {
namespace {

using namespace std::chrono_literals;
using wire::CodeKind;
using wire::ErrorCode;

using testing::kWall;
using TestDesk = testing::MemoryAgentDesk;

struct Outcome {
  std::optional<Enrolled> enrolled;
  std::optional<Installed> installed;
  std::optional<wire::Error> agent_error;
  std::optional<wire::Error> device_error;
  std::vector<wire::NetworkState> told;  // what the agent heard of networks
  std::vector<std::string> given;        // passwords of those the device was to join
  bool paired = false;
  int frames = 0;
};

// What happens to the n-th chunk on its way (counted over both directions).
enum class Fate { kDeliver, kDrop, kRepeat, kFlip, kCutInBytes };

class EnrollTest : public ::testing::Test {
 protected:
  EnrollTest() : window_(ledger_, now_) { open_window(); }
  void open_window() { ASSERT_TRUE(window_.open(testing::window_secret(code_), 10min, now_)); }

  // Runs one connection until nothing more happens, then lets the deadlines pass.
  Outcome run(
      const pairing::PairingCode& code,
      const std::function<Fate(int)>& fate = [](int) { return Fate::kDeliver; }) {
    AgentSession agent(*desk_, random_, binding_, self(), std::nullopt);
    DeviceSession device(window_, grants_, identity_, random_, binding_, now_);
    device.take_networks(takes_networks_);
    if (!networks_.empty()) {
      agent.give_network(network("first try"));
    }
    Outcome outcome;
    std::deque<std::pair<bool, Bytes>> wire;  // true: to the device
    const auto take_agent = [&](std::vector<AgentEffect> effects) {
      handle_agent(std::move(effects), agent, code, outcome, wire);
    };
    take_agent(agent.start(now_));
    while (!wire.empty()) {
      auto [to_device, bytes] = std::move(wire.front());
      wire.pop_front();
      const Fate what = fate(outcome.frames++);
      if (what == Fate::kDrop) {
        continue;
      }
      if (what == Fate::kFlip) {
        bytes[bytes.size() / 2] ^= 1U;
      }
      const std::size_t piece = what == Fate::kCutInBytes ? 1 : bytes.size();
      for (int i = 0; i < (what == Fate::kRepeat ? 2 : 1); ++i) {
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
          const ByteSpan part = ByteSpan(bytes).subspan(at, piece);
          if (to_device) {
            handle_device(device.on_bytes(now_, kWall, part), device, outcome, wire);
          } else {
            take_agent(agent.on_bytes(now_, part));
          }
        }
      }
    }
    now_ = now_ + 31s;
    take_agent(agent.on_time(now_));
    handle_device(device.on_time(now_), device, outcome, wire);
    return outcome;
  }

  void handle_agent(std::vector<AgentEffect> effects, AgentSession& agent,
                    const pairing::PairingCode& code, Outcome& outcome,
                    std::deque<std::pair<bool, Bytes>>& wire) {
    for (auto& effect : effects) {
      if (auto* send = std::get_if<SendBytes>(&effect)) {
        wire.emplace_back(true, std::move(send->bytes));
      } else if (auto* needed = std::get_if<CodeNeeded>(&effect)) {
        handle_agent(agent.on_password_key(now_, pairing::derive_password_key(code, needed->salt,
                                                                              needed->iterations)),
                     agent, code, outcome, wire);
      } else if (auto* enrolled = std::get_if<Enrolled>(&effect)) {
        outcome.enrolled = *enrolled;
      } else if (auto* failed = std::get_if<Failed>(&effect)) {
        outcome.agent_error = failed->error;
      } else if (auto* told = std::get_if<NetworkTold>(&effect)) {
        outcome.told.push_back(told->state);
        const bool again = told->state == wire::NetworkState::kWrongPassword;
        if (told->state != wire::NetworkState::kJoined &&
            told->state != wire::NetworkState::kUnsupported) {
          EXPECT_FALSE(agent.deadline());  // a person is asked
          auto next = again ? std::optional(network("second try")) : std::nullopt;
          handle_agent(agent.on_network(now_, std::move(next)), agent, code, outcome, wire);
        }
      } else {
        outcome.paired = true;
      }
    }
  }
  void handle_device(std::vector<DeviceEffect> effects, DeviceSession& device, Outcome& outcome,
                     std::deque<std::pair<bool, Bytes>>& wire) {
    for (auto& effect : effects) {
      if (auto* send = std::get_if<SendBytes>(&effect)) {
        wire.emplace_back(false, std::move(send->bytes));
      } else if (auto* installed = std::get_if<Installed>(&effect)) {
        outcome.installed = *installed;
      } else if (auto* given = std::get_if<NetworkGiven>(&effect)) {
        EXPECT_EQ(as_text(given->credentials.ssid), "Home");
        outcome.given.emplace_back(as_text(given->credentials.psk.span()));
        if (!networks_.empty()) {
          const wire::NetworkState state = networks_.front();
          networks_.pop_front();
          handle_device(device.on_network(now_, state), device, outcome, wire);
        }
      } else if (auto* failed = std::get_if<Failed>(&effect)) {
        outcome.device_error = failed->error;
      }
    }
  }
  static wire::NetworkCredentials network(std::string_view psk) {
    return {to_bytes(as_bytes("Home")), SecretBytes::copy_of(as_bytes(psk))};
  }
  // Another agent: other keys, another grant.
  void fresh_desk() { desk_ = std::make_unique<TestDesk>(random_); }
  DeviceId self() { return DeviceId(identity_.boot_key.public_key().spki_hash().bytes()); }
  void expect_served() {
    ASSERT_EQ(grants_.grants.size(), 1U);
    const auto& grant = grants_.grants.begin()->second;
    EXPECT_EQ(grant.state, grant::State::kActive);
    EXPECT_TRUE(crypto::verify_server_chain(grant.leaf, grant.grant_ca, desk_->root().certificate,
                                            desk_->host.text(), kWall));
    EXPECT_EQ(crypto::certificate_key(grant.leaf)->spki(), grant.key.public_key().spki());
  }

  testing::FakeRandom random_;
  MonoTime now_{1000};
  testing::MemoryWindowLedger ledger_;
  pairing::PairingWindow window_;
  testing::MemoryDeviceLedger grants_;
  DeviceIdentity identity_{
      crypto::PrivateKey::generate(), "Cache", "media-cache", "", "1.0", {3}, 8443};
  pairing::PairingCode code_ = pairing::PairingCode::make(CodeKind::kDigits8, random_);
  pairing::PairingCode wrong_ = pairing::PairingCode::make(CodeKind::kDigits8, random_);
  Digest256 binding_{5};
  bool takes_networks_ = false;
  std::deque<wire::NetworkState> networks_;  // what becomes of those that the device is told
  std::unique_ptr<TestDesk> desk_ = std::make_unique<TestDesk>(random_);
};

TEST_F(EnrollTest, FromCodeToCertificate) {
  const Outcome outcome = run(code_);
  ASSERT_TRUE(outcome.enrolled) << (outcome.agent_error ? outcome.agent_error->detail : "");
  EXPECT_TRUE(outcome.installed);
  EXPECT_TRUE(outcome.paired);
  EXPECT_EQ(outcome.enrolled->port, 8443);
  EXPECT_EQ(outcome.installed->agent_time, kWall);
  expect_served();
  EXPECT_EQ(grants_.agents.size(), 1U);
}

TEST_F(EnrollTest, FramesMayArriveByteByByte) {
  EXPECT_TRUE(run(code_, [](int) { return Fate::kCutInBytes; }).enrolled);
  expect_served();
}

// Each frame lost in turn: nobody hangs, nothing is half done, and trying again completes the same
// grant with the same key.
TEST_F(EnrollTest, EveryLostFrameIsSurvived) {
  const int frames = run(code_).frames;
  ASSERT_EQ(frames, 9);
  for (int lost = 0; lost < frames; ++lost) {
    grants_ = {};
    fresh_desk();
    window_.close(now_);
    now_ = now_ + window_.wait_left(now_);
    open_window();
    const Outcome first =
        run(code_, [&](int n) { return n == lost ? Fate::kDrop : Fate::kDeliver; });
    EXPECT_FALSE(first.enrolled) << lost;
    EXPECT_TRUE(first.agent_error) << lost;
    now_ = now_ + window_.wait_left(now_);
    if (!window_.is_open(now_)) {
      open_window();
    }
    const Outcome second = run(code_);
    EXPECT_TRUE(second.enrolled) << lost << ": "
                                 << (second.agent_error ? second.agent_error->detail : "");
    expect_served();
  }
}

TEST_F(EnrollTest, EveryRepeatedOrDamagedFrameIsRefused) {
  for (const Fate fate : {Fate::kRepeat, Fate::kFlip}) {
    for (int n = 0; n < 9; ++n) {
      grants_ = {};
      window_.close(now_);
      now_ = now_ + window_.wait_left(now_);
      open_window();
      const Outcome outcome =
          run(code_, [&](int frame) { return frame == n ? fate : Fate::kDeliver; });
      // After the certificate the device has finished, after "done" the agent: nobody listens.
      const bool nobody_listens = fate == Fate::kRepeat && n >= 7;
      if (fate == Fate::kFlip) {
        EXPECT_FALSE(outcome.enrolled) << n;
      }
      EXPECT_TRUE(outcome.agent_error || outcome.device_error || nobody_listens) << n;
      for (const auto& [key, grant] : grants_.grants) {
        EXPECT_TRUE(grant.state == grant::State::kPending || !grant.leaf.empty());
      }
    }
  }
}

TEST_F(EnrollTest, WrongCodeThenRightCode) {
  const Outcome wrong = run(wrong_);
  EXPECT_EQ(wrong.agent_error->code, ErrorCode::kWrongCode);
  EXPECT_TRUE(grants_.grants.empty());
  EXPECT_TRUE(run(code_).enrolled);
}

// threats.md row 5: the lockout survives a restart of the device.
TEST_F(EnrollTest, Row5LockoutSurvivesARestart) {
  for (std::uint32_t i = 0; i < pairing::kAttempts; ++i) {
    EXPECT_EQ(run(wrong_).agent_error->code, ErrorCode::kWrongCode);
  }
  EXPECT_EQ(run(code_).agent_error->code, ErrorCode::kWindowClosed);
  pairing::PairingWindow restarted(ledger_, now_);
  EXPECT_EQ(restarted.open(testing::window_secret(code_), 10min, now_).error().code,
            ErrorCode::kLocked);
  EXPECT_TRUE(restarted.open(testing::window_secret(code_), 10min, now_ + 30s));
}

// threats.md row 38: what could not be stored was not granted.
TEST_F(EnrollTest, ABrokenStoreGrantsNothing) {
  grants_.broken = true;
  const Outcome outcome = run(code_);
  EXPECT_FALSE(outcome.enrolled);
  EXPECT_EQ(outcome.agent_error->code, ErrorCode::kInternal);
  EXPECT_TRUE(grants_.grants.empty());
}

TEST_F(EnrollTest, ADeviceOfAnotherTypeIsRefused) {
  identity_.type = "printer";
  desk_->host = *HostName::parse("printer-k3f7x2m7q4ab.local");
  EXPECT_EQ(run(code_).agent_error->code, ErrorCode::kUnsupported);
  EXPECT_EQ(desk_->issued, 0);
}

// threats.md row 50: a host that another grant holds.
TEST_F(EnrollTest, Row50AHostThatIsTakenIsRefused) {
  ASSERT_TRUE(run(code_).enrolled);
  fresh_desk();
  open_window();
  EXPECT_EQ(run(code_).agent_error->code, ErrorCode::kNameConflict);
}

TEST_F(EnrollTest, ANetworkIsJoinedBeforeTheOffer) {
  takes_networks_ = true;
  networks_ = {wire::NetworkState::kJoined};
  const Outcome outcome = run(code_);
  EXPECT_TRUE(outcome.enrolled);
  EXPECT_EQ(outcome.told, std::vector{wire::NetworkState::kJoined});
  EXPECT_EQ(outcome.given, std::vector<std::string>{"first try"});
  expect_served();
}

TEST_F(EnrollTest, AWrongPasswordMayBeTypedAgain) {
  takes_networks_ = true;
  networks_ = {wire::NetworkState::kWrongPassword, wire::NetworkState::kNotFound};
  const Outcome outcome = run(code_);
  EXPECT_EQ(outcome.given, (std::vector<std::string>{"first try", "second try"}));
  EXPECT_TRUE(outcome.enrolled);  // it went on without
  expect_served();
}

TEST_F(EnrollTest, NetworksAreFew) {
  takes_networks_ = true;
  networks_.assign(kMaxNetworks + 2, wire::NetworkState::kWrongPassword);
  const Outcome outcome = run(code_);
  EXPECT_EQ(outcome.given.size(), static_cast<std::size_t>(kMaxNetworks));
  EXPECT_EQ(outcome.agent_error->code, ErrorCode::kLocked);
  EXPECT_TRUE(grants_.grants.empty());
}

// Over TLS, and where there is nothing that could join one.
TEST_F(EnrollTest, ADeviceThatTakesNoNetworkSaysSoAndGoesOn) {
  networks_ = {wire::NetworkState::kJoined};
  const Outcome outcome = run(code_);
  EXPECT_EQ(outcome.told, std::vector{wire::NetworkState::kUnsupported});
  EXPECT_TRUE(outcome.given.empty());
  EXPECT_TRUE(outcome.enrolled);
}

// Nobody's network is asked for, or told, without the code.
TEST_F(EnrollTest, Row42AWrongCodeTellsNoNetwork) {
  takes_networks_ = true;
  networks_ = {wire::NetworkState::kJoined};
  const Outcome outcome = run(wrong_);
  EXPECT_TRUE(outcome.given.empty());
  EXPECT_TRUE(outcome.told.empty());
  EXPECT_EQ(outcome.agent_error->code, ErrorCode::kWrongCode);
}

TEST_F(EnrollTest, AnImpatientPeerEnds) {
  DeviceSession device(window_, grants_, identity_, random_, binding_, now_);
  EXPECT_EQ(device.deadline(), now_ + 30s);
  EXPECT_TRUE(device.on_time(now_ + 29s).empty());
  const auto effects = device.on_time(now_ + 30s);
  ASSERT_FALSE(effects.empty());
  EXPECT_TRUE(std::holds_alternative<Failed>(effects.back()));
  EXPECT_FALSE(device.deadline());
}

}  // namespace
}  // namespace latchkey::enroll
