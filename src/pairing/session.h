// The pairing exchange of docs/protocol.md section 3, both roles, and the channel it opens. No
// sockets: payloads in, payloads out.
//
//   agent:  hello ->         <- hello      | code needed: the caller derives the password key
//           share ->         <- share, confirmV (the device has spent an attempt)
//           confirm ->       established
#pragma once

#include <optional>
#include <variant>

#include "base/ids.h"
#include "base/random.h"
#include "crypto/aead.h"
#include "pairing/spake2plus.h"
#include "pairing/window.h"
#include "wire/messages.h"

namespace latchkey::pairing {

// A sealed channel and the hash of what was said to open it.
struct Established {
  crypto::CounterAead send;
  crypto::CounterAead receive;
  Digest256 transcript{};  // th
};

struct CodeNeeded {
  DeviceId device;
  wire::CodeKind kind;
  std::uint32_t attempts_left;
  Bytes salt;
  std::uint32_t iterations;
};

class AgentPairing {
 public:
  // `tls_key`: hash of the bootstrap key the TLS connection showed (nothing over Bluetooth);
  // `expected`: the device that a pairing link named. Another id ends the exchange.
  AgentPairing(Random& random, const Digest256& channel_binding, std::optional<DeviceId> tls_key,
               std::optional<DeviceId> expected);
  Bytes start();
  struct Reply {
    Bytes send;
    Established channel;
  };
  // After hello: CodeNeeded. After share: Reply. kWrongCode when the confirmation does not match.
  wire::Result<std::variant<CodeNeeded, Reply>> on_message(ByteSpan payload);
  Bytes on_password_key(PasswordKey key);
  [[nodiscard]] bool waits_for_code() const { return state_ == State::kCode; }

 private:
  enum class State { kStart, kHello, kCode, kShare, kDone };
  wire::Result<CodeNeeded> on_hello(ByteSpan payload);
  wire::Result<Reply> on_share(ByteSpan payload);
  Random& random_;
  Digest256 channel_binding_;
  std::optional<DeviceId> tls_key_;
  std::optional<DeviceId> expected_;
  State state_ = State::kStart;
  Bytes hello_;
  Bytes device_hello_;
  std::optional<Spake2Prover> prover_;
};

class DevicePairing {
 public:
  DevicePairing(PairingWindow& window, Random& random, const Digest256& channel_binding,
                const DeviceId& self);
  ~DevicePairing();  // an attempt that was spent and not confirmed is lost
  DevicePairing(const DevicePairing&) = delete;
  DevicePairing& operator=(const DevicePairing&) = delete;

  struct Reply {
    Bytes send;                          // empty after step 5
    std::optional<Established> channel;  // after step 5
  };
  wire::Result<Reply> on_message(ByteSpan payload, MonoTime now);
  // When an unconfirmed attempt ends.
  [[nodiscard]] std::optional<MonoTime> deadline() const { return deadline_; }

 private:
  enum class State { kHello, kShare, kConfirm, kDone };
  wire::Result<Reply> on_hello(ByteSpan payload, MonoTime now);
  wire::Result<Reply> on_share(ByteSpan payload, MonoTime now);
  wire::Result<Reply> on_confirm(ByteSpan payload, MonoTime now);
  PairingWindow& window_;
  Random& random_;
  Digest256 channel_binding_;
  DeviceId self_;
  State state_ = State::kHello;
  std::uint64_t generation_ = 0;
  bool spent_ = false;
  std::optional<MonoTime> deadline_;
  MonoTime last_seen_;
  std::optional<Verifier> verifier_;
  Bytes agent_hello_;
  Bytes hello_;
  std::optional<Spake2Keys> keys_;
  Digest256 transcript_{};
};

}  // namespace latchkey::pairing
