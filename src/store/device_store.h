// What a device remembers: who it is, the agents bound to it, their grants, the pairing window's
// counters, an audit trail. `device.db` in the device's state folder (docs/protocol.md sections 3,
// 4 and 7).
//
// Every change is one durable transaction: true, or a value, means that it survives a power cut;
// false, or an error, that nothing changed. After kIo from a change the store must be opened anew:
// until then every call fails. One thread; one process (kBusy).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "enroll/device.h"
#include "grant/grant.h"
#include "pairing/window.h"
#include "store/error.h"
#include "store/sealer.h"
#include "store/witness.h"

namespace latchkey::store {

// What a device is, from one factory reset to the next. Model and firmware come with the program.
struct DeviceProfile {
  crypto::PrivateKey boot_key;
  ByteArray<32> discovery_key{};
  std::string name;
  std::string type;
};

struct AuditEvent {
  std::uint64_t number = 0;  // given by the store, counts up
  WallTime time;
  std::optional<SpkiHash> agent;
  std::string kind;  // at most 32 bytes: "paired", "granted", "renewed", "deleted" ...
  std::optional<GrantId> grant;
  std::string detail;  // at most 200 bytes; never a secret, a path or a query
};

// As whom the device registered itself at an identity provider.
struct SsoClient {
  std::string issuer, redirect_uri;  // what it is looked up by; at most 2048 bytes each
  std::string id;                    // at most 255 bytes
  std::string auth;                  // "none", "basic" or "post"
  SecretBytes secret{};              // empty with "none"; at most 512 bytes
};

using grant::GrantKey;

class DeviceStore final : public enroll::DeviceLedger, public pairing::WindowLedger {
 public:
  static constexpr std::string_view kFile = "device.db";  // in the state's folder
  static constexpr std::size_t kMaxAuditEvents = 10000;   // the oldest goes when one more comes
  // last_seen is written when it has moved on by this much, and kept exactly while running.
  static constexpr seconds kSeenStep{60};

  // `sealer` and `random` must outlive the store.
  static Result<std::unique_ptr<DeviceStore>> open(const std::filesystem::path& folder,
                                                   Sealer& sealer, Random& random);
  // `vfs`: SQLite's name of the file layer, for tests that cut the power.
  static Result<std::unique_ptr<DeviceStore>> open(const std::filesystem::path& folder,
                                                   Sealer& sealer, Random& random, std::string vfs);
  DeviceStore(const DeviceStore&) = delete;
  DeviceStore& operator=(const DeviceStore&) = delete;
  ~DeviceStore() override;

  // --- the store itself (vault.h says more) ---
  [[nodiscard]] const Seal& sealed() const;
  [[nodiscard]] const ByteArray<16>& id() const;
  [[nodiscard]] std::uint64_t generation() const;
  // Seals everything anew with `next`, which must outlive the store.
  Result<void> reseal(Sealer& next);
  // Unless the store is current, nothing of it should be used before accept(). `witness` must
  // outlive the store.
  Standing watch(Witness& witness);
  Result<void> accept(Witness& witness);
  [[nodiscard]] bool witness_failed() const;

  // --- who the device is ---
  Result<std::optional<DeviceProfile>> profile();
  Result<void> create_profile(const DeviceProfile& profile);  // kConflict: there is one
  Result<void> rename(std::string_view name);
  // The printed key of 128 bits, in its canonical spelling.
  Result<std::optional<SecretBytes>> label_key();
  Result<void> set_label_key(const std::optional<SecretBytes>& key);
  Result<std::vector<SsoClient>> sso_clients();
  Result<void> save_sso_client(const SsoClient& client);
  // Harmless where there is none.
  Result<void> forget_sso_client(std::string_view issuer, std::string_view redirect_uri);
  // Everything goes, counters and label key too, and `fresh` is who the device is from now on: with
  // another store id and, where the store is sealed, another data key. What SQLite wrote is
  // overwritten in the file; flash memory may still hold old blocks. kIo: open the store anew to
  // see whether it was done.
  Result<void> factory_reset(const DeviceProfile& fresh);

  // --- enroll::DeviceLedger ---
  // A read that fails looks like "not there"; last_error() says so, and add_pending still refuses a
  // second grant for one host.
  std::optional<grant::DeviceGrant> find(const SpkiHash& agent, const GrantId& id) override;
  std::optional<grant::DeviceGrant> find_host(const HostName& host) override;
  bool add_pending(const grant::BoundAgent& agent, const grant::DeviceGrant& grant) override;
  bool update(const grant::DeviceGrant& grant) override;
  std::size_t count(const SpkiHash& agent) override;

  // --- pairing::WindowLedger ---
  pairing::WindowRecord load() override;
  bool save(const pairing::WindowRecord& record) override;

  // Why the last call of the two ledgers failed; nothing after one that did not.
  [[nodiscard]] const std::optional<Error>& last_error() const;

  // --- agents and grants ---
  Result<std::optional<grant::BoundAgent>> agent(const SpkiHash& key_hash);
  Result<std::vector<grant::BoundAgent>> agents();
  // The agent's clock said `agent_now` on its management channel. Never goes back.
  Result<void> seen(const SpkiHash& key_hash, WallTime agent_now);
  Result<std::vector<grant::DeviceGrant>> grants_of(const SpkiHash& agent);
  // To be served at start, apart from those that are suspended.
  Result<std::vector<grant::DeviceGrant>> active_grants();
  // A management contact has named the grant. kNotFound.
  Result<void> confirm(const GrantKey& key);
  // Takes a grant out of service, or back. kNotFound.
  Result<void> set_suspended(const GrantKey& key, bool suspended);
  // With whom its people sign in. kNotFound.
  Result<void> set_sign_in(const GrantKey& key, const SignInOffer& sso);
  Result<void> delete_grant(const GrantKey& key);  // kNotFound
  // The binding and all its grants; the discovery key is replaced in the same step. kNotFound.
  Result<void> delete_agent(const SpkiHash& agent, const ByteArray<32>& new_discovery_key);
  // Drops grants that were made before `created_before` and that no management contact has
  // confirmed, and bindings that are left without a grant and never had a confirmed one. Where a
  // binding went the discovery key is replaced. Gives what was dropped.
  Result<std::vector<grant::DeviceGrant>> drop_unconfirmed(WallTime created_before,
                                                           const ByteArray<32>& new_discovery_key);

  // --- audit ---
  Result<void> record(const AuditEvent& event);
  // Newest first.
  Result<std::vector<AuditEvent>> audit(std::size_t at_most);

 private:
  struct State;
  explicit DeviceStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::store
