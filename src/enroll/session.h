// One connection of ALPN latchkey-pair/1, both ends: frames, pairing, then enrolment inside the
// sealed channel. Bytes and times in, effects out; over TLS and over Bluetooth alike.
//
// agent:  start -> CodeNeeded -> on_password_key -> Paired (-> NetworkTold) -> Enrolled
//                               any of them -> Failed; nothing follows Failed or Enrolled
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "enroll/agent.h"
#include "enroll/device.h"
#include "pairing/session.h"
#include "wire/frame.h"
#include "wire/network_messages.h"

namespace latchkey::enroll {

struct SendBytes {
  Bytes bytes;
};
// Ask the person, run pairing::derive_password_key off the loop, call on_password_key.
using pairing::CodeNeeded;
// The code was right.
struct Paired {};
// What became of the network the device was told, or whether it wants one. Where it neither joined
// nor cannot be told, the session waits for on_network().
struct NetworkTold {
  wire::NetworkState state = wire::NetworkState::kFailed;
};
struct Enrolled {
  GrantId grant;
  std::uint16_t port = 0;
};
// The session is over; send what came before, then close.
struct Failed {
  wire::Error error;
};

// What an agent decides and remembers during a session; implemented over its store. Each call that
// stores is durable when it returns a value.
class AgentDesk {
 public:
  virtual ~AgentDesk() = default;
  struct Planned {
    wire::Offer offer;  // nonce and now are filled in by the desk
    std::string type;   // the device type that was asked for
    std::vector<SpkiHash> forbidden;
  };
  // Makes ids and keys for a grant on this device and stores it as pending. Called again for the
  // same device after a lost connection it may return the same pending grant.
  virtual wire::Result<Planned> plan(const DeviceId& device) = 0;
  // Issues the certificate for an accepted CSR and stores binding and certificate.
  virtual wire::Result<wire::CertMessage> issue(const GrantId& grant,
                                                const wire::CsrMessage& message,
                                                const AcceptedCsr& accepted) = 0;
  // The device has installed it.
  virtual wire::Result<void> installed(const GrantId& grant, std::uint16_t port) = 0;
};

using AgentEffect = std::variant<SendBytes, CodeNeeded, Paired, NetworkTold, Enrolled, Failed>;

class AgentSession {
 public:
  AgentSession(AgentDesk& desk, Random& random, const Digest256& channel_binding,
               std::optional<DeviceId> tls_key, std::optional<DeviceId> expected);
  // Over Bluetooth: a network for the device to join once the code is proved, before it is offered
  // anything. To be called before Paired; are_sound().
  void give_network(wire::NetworkCredentials network) { network_ = std::move(network); }
  // Over Bluetooth: asks the device then whether it can be told one; NetworkTold is the answer. To
  // be called before Paired.
  void ask_for_network() { asks_ = true; }
  std::vector<AgentEffect> start(MonoTime now);
  std::vector<AgentEffect> on_bytes(MonoTime now, ByteSpan bytes);
  std::vector<AgentEffect> on_password_key(MonoTime now, pairing::PasswordKey key);
  // After a NetworkTold that was no success: a network, or nothing to go on without. A device hears
  // of kMaxNetworks, and waits kRetryTime for each.
  std::vector<AgentEffect> on_network(MonoTime now,
                                      std::optional<wire::NetworkCredentials> network);
  std::vector<AgentEffect> on_time(MonoTime now);
  // Nothing while a person is being asked.
  [[nodiscard]] std::optional<MonoTime> deadline() const { return deadline_; }

 private:
  enum class State { kPairing, kNetwork, kNetworkChoice, kCsr, kDone, kEnded };
  void on_payload(ByteSpan payload, std::vector<AgentEffect>& out);
  void on_established(pairing::AgentPairing::Reply reply, std::vector<AgentEffect>& out);
  void query_network(std::vector<AgentEffect>& out);
  void tell_network(std::vector<AgentEffect>& out);
  void on_network_reply(ByteSpan plaintext, std::vector<AgentEffect>& out);
  void send_offer(std::vector<AgentEffect>& out);
  void on_csr(ByteSpan plaintext, std::vector<AgentEffect>& out);
  void on_done(ByteSpan plaintext, std::vector<AgentEffect>& out);
  void send_sealed(ByteSpan plaintext, std::vector<AgentEffect>& out);
  void end(wire::Error error, std::vector<AgentEffect>& out);
  AgentDesk& desk_;
  pairing::AgentPairing pairing_;
  wire::FrameDecoder frames_;
  State state_ = State::kPairing;
  std::optional<MonoTime> deadline_;
  std::optional<DeviceId> device_;
  std::optional<pairing::Established> channel_;
  bool asks_ = false;  // whether the device can be told a network; while it is not answered
  std::optional<wire::NetworkCredentials> network_;
  std::optional<AgentDesk::Planned> planned_;
  Bytes offer_;  // as sent: what the device attests is this, not something equal to it
};

// An offer was answered: the caller stays connected; Installed means a grant is ready to be served.
struct Installed {
  SpkiHash agent;
  GrantId grant;
  WallTime agent_time;  // what the agent's clock said in its offer
};
// Join this network, then call on_network(). Nothing else happens meanwhile.
struct NetworkGiven {
  wire::NetworkCredentials credentials;
};
using DeviceEffect = std::variant<SendBytes, Paired, NetworkGiven, Installed, Failed>;

// Networks that one session tells or hears of, at most; how long joining one may take.
inline constexpr int kMaxNetworks = 5;
inline constexpr std::chrono::milliseconds kNetworkTime = std::chrono::seconds(60);
// How long a device waits for a person to type one, or to type it once more.
inline constexpr std::chrono::milliseconds kRetryTime = std::chrono::minutes(3);

class DeviceSession {
 public:
  // `wall_now` is passed on to the ledger as the time of creation.
  DeviceSession(pairing::PairingWindow& window, DeviceLedger& ledger,
                const DeviceIdentity& identity, Random& random, const Digest256& channel_binding,
                MonoTime now);
  // Whether it takes networks to join; else it answers that it does not.
  void take_networks(bool takes) { takes_networks_ = takes; }
  std::vector<DeviceEffect> on_bytes(MonoTime now, WallTime wall_now, ByteSpan bytes);
  // What became of NetworkGiven.
  std::vector<DeviceEffect> on_network(MonoTime now, wire::NetworkState state);
  // Ends the session when it takes too long: 30 s for each step but what a person types: the code,
  // which may take 10 minutes as long as the window is open, and a network (kRetryTime).
  std::vector<DeviceEffect> on_time(MonoTime now);
  [[nodiscard]] std::optional<MonoTime> deadline() const;

 private:
  enum class State { kPairing, kOffer, kNetwork, kCertificate, kEnded };
  void on_payload(MonoTime now, WallTime wall_now, ByteSpan payload,
                  std::vector<DeviceEffect>& out);
  void on_plaintext(MonoTime now, WallTime wall_now, ByteSpan plaintext,
                    std::vector<DeviceEffect>& out);
  // Answers whether it can be told a network: once, and before it is told any.
  void on_network_query(MonoTime now, std::vector<DeviceEffect>& out);
  // False: it is no network, but something else that belongs here.
  bool on_network_message(MonoTime now, ByteSpan plaintext, std::vector<DeviceEffect>& out);
  void send_sealed(ByteSpan plaintext, std::vector<DeviceEffect>& out);
  void end(wire::Error error, std::vector<DeviceEffect>& out);
  pairing::PairingWindow& window_;
  DeviceEnrollment enrollment_;
  pairing::DevicePairing pairing_;
  wire::FrameDecoder frames_;
  State state_ = State::kPairing;
  bool takes_networks_ = false;
  bool queried_ = false;
  int networks_ = 0;
  std::optional<MonoTime> deadline_;
  std::optional<pairing::Established> channel_;
  std::optional<SpkiHash> agent_;
  WallTime agent_time_;
};

}  // namespace latchkey::enroll
