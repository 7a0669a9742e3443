// The device while it runs: who it is, the grants it serves, sessions, the pairing window.
// Decisions are the libraries'; this holds their state together and says what changed. One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "device/open_streams.h"
#include "device/records.h"
#include "enroll/device.h"
#include "enroll/session.h"
#include "front/desk.h"
#include "front/management.h"
#include "grant/session.h"
#include "grant/ticket.h"
#include "net/tls_server.h"
#include "pairing/window.h"
#include "store/device_store.h"

namespace latchkey::device {

// What the TLS connections of pairing and management are tagged with; grants count up from above.
inline constexpr std::uint64_t kPairTag = 1;
inline constexpr std::uint64_t kManageTag = 2;

struct LiveGrant {
  grant::DeviceGrant grant;
  std::shared_ptr<const net::TlsIdentity> identity;
  std::shared_ptr<const net::TicketKey> tickets;  // the grant's own; gone when it is
  std::uint64_t tag = 0;
};

// Who wants to know what changed. Called after the fact.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void host_added(const HostName& host, bool direct) = 0;
  virtual void host_removed(const HostName& host) = 0;
  virtual void announcement_changed() = 0;  // window state or discovery key
  virtual void deadline_changed() = 0;      // next_deadline() may be earlier
  virtual void window_closed() = 0;         // sessions that have not proved the code are to end
};

class Device {
 public:
  struct Parts {
    store::DeviceStore& store;
    Random& random;
    const Clock& clock;
    std::string model{};                   // what its maker calls it; may be empty
    attest::Attester* attester = nullptr;  // proves the make; null: there is no such key
    oidc::RelyingParty* party = nullptr;   // null: no single sign-on
  };
  // Loads what is stored. kIo and so on where that fails.
  static store::Result<std::unique_ptr<Device>> open(Parts parts, store::DeviceProfile profile,
                                                     std::uint16_t port);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  void watch(Watcher* watcher) { watcher_ = watcher; }
  // Told of sessions that are over, whatever ended them.
  using SessionsEnded = std::function<void(const std::vector<grant::SessionId>&)>;
  void on_sessions_ended(SessionsEnded told) { sessions_ended_ = std::move(told); }

  // --- for connections ---
  std::variant<net::Persona, net::HelloRefusal> choose(const net::ClientHello& hello);
  // The grant a connection was opened for, if it lives.
  [[nodiscard]] std::shared_ptr<const LiveGrant> live(const std::string& host,
                                                      std::uint64_t tag) const;
  front::Decision decide(const front::Request& request, const grant::DeviceGrant& grant);
  // The Set-Cookie that gives this cookie's session a new one; nothing where it is over.
  std::optional<std::string> renewed_cookie(const std::string& cookie,
                                            const grant::DeviceGrant& grant);
  // What time it is: this agent's word, where it has said.
  [[nodiscard]] WallTime best_time(const SpkiHash& agent) const;
  front::Answer manage(const front::ManagementRequest& request);
  std::unique_ptr<enroll::DeviceSession> pairing_session(const Digest256& channel_binding);
  void on_paired();
  void on_installed(const enroll::Installed& installed);
  OpenStreams& streams() { return streams_; }
  // From now on connections of this grant speak HTTP/1.1, until the process ends.
  void leave_http2(std::uint64_t tag) { http1_only_.insert(tag); }

  // --- for the person at the device ---
  pairing::PairingWindow& window() { return window_; }
  wire::Result<void> open_window(pairing::PairingWindow::Secret secret,
                                 std::chrono::milliseconds length,
                                 const std::optional<SpkiHash>& by = {});
  void close_window();
  // Who opened the open window from the device's page; nobody: it was opened at the device.
  [[nodiscard]] const std::optional<SpkiHash>& window_opener() const { return opener_; }
  // Everything of one agent ends. False: could not be stored.
  bool remove_agent(const SpkiHash& agent, std::string kind = "agent_removed");
  void audit(std::string kind, std::optional<SpkiHash> agent = {},
             std::optional<GrantId> grant = {}, std::string detail = {});

  // --- time ---
  void on_time();
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;

  [[nodiscard]] const enroll::DeviceIdentity& identity() const { return identity_; }
  [[nodiscard]] DeviceId id() const;
  [[nodiscard]] bool window_is_open() const { return window_.is_open(clock_.mono_now()); }
  [[nodiscard]] std::vector<std::shared_ptr<const LiveGrant>> live_grants() const;
  store::DeviceStore& store() { return store_; }
  Records& records() { return records_; }
  [[nodiscard]] bool is_live(const grant::GrantKey& key) const;
  [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }
  const Clock& clock() const { return clock_; }
  Random& random() { return random_; }

 private:
  Device(Parts parts, store::DeviceProfile profile, std::uint16_t port);
  bool install(const grant::DeviceGrant& grant);
  // No longer served: sessions, open answers, tickets of TLS and the announced name go.
  void withdraw(const grant::GrantKey& key);
  void end(const grant::GrantKey& key);  // for good
  void apply(const SpkiHash& agent, const front::ManagementEffects& effects);
  void reload_discovery_key();
  void end_sessions(const std::vector<grant::SessionId>& sessions);
  void note_window();
  void drop_unconfirmed();

  store::DeviceStore& store_;
  Random& random_;
  const Clock& clock_;
  Watcher* watcher_ = nullptr;
  SessionsEnded sessions_ended_;
  enroll::DeviceIdentity identity_;
  std::shared_ptr<const net::TlsIdentity> bootstrap_;
  Ledger ledger_;
  Records records_;
  enroll::DeviceEnrollment enrollment_;
  grant::TicketGate gate_;
  grant::SessionTable sessions_;
  pairing::PairingWindow window_;
  front::Desk desk_;
  front::ManagementDesk management_;
  OpenStreams streams_;
  std::map<std::string, std::shared_ptr<const LiveGrant>, std::less<>> live_;  // by host
  std::uint64_t next_tag_ = 16;
  std::set<std::uint64_t> http1_only_;  // tags of live_
  bool window_was_open_ = false;
  std::optional<SpkiHash> opener_;
  MonoTime next_sweep_;
};

}  // namespace latchkey::device
