// Pairing and enrolment over a simulated radio: the real machines of both ends.
#pragma once

#include <functional>
#include <optional>

#include "enroll/session.h"
#include "support/fake_random.h"
#include "support/gatt_wire.h"
#include "support/memory_agent_desk.h"
#include "support/memory_device_ledger.h"
#include "support/memory_window_ledger.h"

namespace latchkey::testing {

// A device, an agent and the code, to be used for one enrolment after the other.
class GattHouse {
 public:
  GattHouse() : window_(ledger_, MonoTime{1000}) {}

  struct Outcome {
    std::optional<enroll::Enrolled> enrolled;
    std::optional<enroll::Installed> installed;
    std::optional<wire::Error> agent_error;
    std::optional<wire::Error> device_error;
    MonoTime enrolled_at;
    bool stopped = false;  // by itself, not for lack of patience
    int messages = 0;      // of pairing and enrolment
  };

  // Connects, and runs until it is over. Everything of before is forgotten.
  Outcome run(GattWire& wire, std::size_t central_mtu, std::size_t peripheral_mtu,
              std::optional<DeviceId> expected = std::nullopt) {
    grants = {};
    desk.emplace(random_);
    window_.close(wire.now);
    wire.now = wire.now + window_.wait_left(wire.now);
    LATCHKEY_CHECK(window_
                       .open({code_.kind(), salt_, kIterations, pairing::verifier_for(key_)},
                             std::chrono::minutes(10), wire.now)
                       .has_value());
    enroll::AgentSession agent(*desk, random_, Digest256{}, std::nullopt, expected);
    enroll::DeviceSession device(window_, grants, identity, random_, Digest256{}, wire.now);
    Outcome outcome;
    const auto after = [&] { wire.timer = earliest(agent.deadline(), device.deadline()); };
    wire.on_input = [&](GattWire::Side side, ByteSpan bytes) {
      if (side == GattWire::kCentral) {
        handle(wire, agent.on_bytes(wire.now, bytes), agent, outcome);
      } else {
        handle(wire, device.on_bytes(wire.now, kWall, bytes), outcome);
      }
      after();
    };
    wire.connect(central_mtu, peripheral_mtu);
    handle(wire, agent.start(wire.now), agent, outcome);
    after();
    wire.on_time = [&] {
      handle(wire, agent.on_time(wire.now), agent, outcome);
      handle(wire, device.on_time(wire.now), outcome);
      after();
    };
    outcome.stopped = wire.run();
    return outcome;
  }
  [[nodiscard]] DeviceId id() const {
    return DeviceId(identity.boot_key.public_key().spki_hash().bytes());
  }

 private:
  static std::optional<MonoTime> earliest(std::optional<MonoTime> a, std::optional<MonoTime> b) {
    return a && b ? std::min(*a, *b) : a ? a : b;
  }
  static void say(GattWire& wire, GattWire::Side from, ByteSpan bytes) {
    if (!wire.ended[from]) {
      wire.send(from, bytes);
    }
  }
  static void finish(GattWire& wire, GattWire::Side side) {
    wire.perform(side, wire.links[side].finish(wire.now));
  }
  void handle(GattWire& wire, std::vector<enroll::AgentEffect> effects, enroll::AgentSession& agent,
              Outcome& outcome) {
    for (auto& effect : effects) {
      if (auto* send = std::get_if<enroll::SendBytes>(&effect)) {
        ++outcome.messages;
        say(wire, GattWire::kCentral, send->bytes);
      } else if (auto* needed = std::get_if<enroll::CodeNeeded>(&effect)) {
        // Derived once: a test of a thousand enrolments need not do it a thousand times.
        LATCHKEY_CHECK(needed->salt == salt_ && needed->iterations == kIterations);
        handle(wire, agent.on_password_key(wire.now, {key_.w0.clone(), key_.w1.clone()}), agent,
               outcome);
      } else if (auto* enrolled = std::get_if<enroll::Enrolled>(&effect)) {
        outcome.enrolled = *enrolled;
        outcome.enrolled_at = wire.now;
        finish(wire, GattWire::kCentral);
      } else if (auto* failed = std::get_if<enroll::Failed>(&effect)) {
        outcome.agent_error = failed->error;
        finish(wire, GattWire::kCentral);
      }
    }
  }
  void handle(GattWire& wire, std::vector<enroll::DeviceEffect> effects, Outcome& outcome) {
    for (auto& effect : effects) {
      if (auto* send = std::get_if<enroll::SendBytes>(&effect)) {
        ++outcome.messages;
        say(wire, GattWire::kPeripheral, send->bytes);
      } else if (auto* installed = std::get_if<enroll::Installed>(&effect)) {
        outcome.installed = *installed;
        finish(wire, GattWire::kPeripheral);
      } else if (auto* failed = std::get_if<enroll::Failed>(&effect)) {
        outcome.device_error = failed->error;
        finish(wire, GattWire::kPeripheral);
      }
    }
  }

  static constexpr std::uint32_t kIterations = 10000;
  FakeRandom random_;
  MemoryWindowLedger ledger_;
  pairing::PairingWindow window_;
  Bytes salt_ = Bytes(16, 5);
  pairing::PairingCode code_ = pairing::PairingCode::make(wire::CodeKind::kDigits8, random_);
  pairing::PasswordKey key_ = pairing::derive_password_key(code_, salt_, kIterations);

 public:
  MemoryDeviceLedger grants;
  enroll::DeviceIdentity identity{
      crypto::PrivateKey::generate(), "Cache", "media-cache", "", "1.0", {3}, 8443};
  std::optional<MemoryAgentDesk> desk;
};

}  // namespace latchkey::testing
