// What the agent remembers: the user's root and secret, devices, grants, and what it still owes to
// devices that were out of reach. `agent.db` in the agent's state folder (docs/protocol.md
// sections 4, 5, 7 and 9).
//
// Every change is one durable transaction: when it returns a value it survives a power cut, when it
// returns an error nothing changed. After kIo from a change the store must be opened anew. Only
// touch() waits for flush(). One thread; one process (kBusy).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "grant/grant.h"
#include "grant/unconfirmed.h"
#include "store/backup.h"
#include "store/error.h"
#include "store/sealer.h"
#include "store/witness.h"

namespace latchkey::store {

class Vault;

// Whose grants a look-up may see: those of one browser profile, or all (command line without one,
// and the agent's own work).
class Scope {
 public:
  static Scope of(const ProfileId& profile) { return Scope(profile); }
  static Scope everything() { return Scope(std::nullopt); }
  [[nodiscard]] bool contains(const ProfileId& profile) const {
    return !profile_ || *profile_ == profile;
  }
  [[nodiscard]] const std::optional<ProfileId>& profile() const { return profile_; }

 private:
  explicit Scope(const std::optional<ProfileId>& profile) : profile_(profile) {}
  std::optional<ProfileId> profile_;
};

struct User {
  SecretBytes secret;  // 32 random bytes: host tags and pairwise subjects come from it
  crypto::PrivateKey root_key;
  Bytes root_certificate;  // DER
  WallTime created;
};

// Something a device must still be told to forget.
struct Deletion {
  std::int64_t id = 0;
  grant::Binding binding;        // as it was, with the newest address known
  std::optional<GrantId> grant;  // nothing: the whole binding
  WallTime created;
  std::uint32_t tries = 0;
  WallTime last_try;
};

struct Ending {
  WallTime now;
  WallTime block_until;  // the host stays blocked until then: last notAfter plus a day
};

// What became of one profile's grants when another took them over.
struct Adopted {
  std::vector<GrantId> grants;  // that changed hands
  std::size_t kept = 0;         // that did not: the other profile has the same already
};

class AgentStore {
 public:
  static constexpr std::size_t kMaxSettingBytes = 4096;

  // `sealer` and `random` must outlive the store.
  static Result<AgentStore> open(const std::filesystem::path& folder, Sealer& sealer,
                                 Random& random);
  // `vfs`: SQLite's name of the file layer, for tests that cut the power.
  static Result<AgentStore> open(const std::filesystem::path& folder, Sealer& sealer,
                                 Random& random, std::string vfs);
  // The same without looking at everything first: that it is today's rows and no others is known,
  // the rest is found out by look_on(), which must be called until it says true (vault.h).
  static Result<AgentStore> open_quickly(const std::filesystem::path& folder, Sealer& sealer,
                                         Random& random);
  Result<bool> look_on();
  AgentStore(AgentStore&&) noexcept;
  AgentStore& operator=(AgentStore&&) noexcept;
  AgentStore(const AgentStore&) = delete;
  AgentStore& operator=(const AgentStore&) = delete;
  ~AgentStore();

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

  // --- the user ---
  Result<std::optional<User>> user();
  Result<void> create_user(const User& user);  // kConflict: there is one
  // A new root; the secret stays, so hosts and subjects do not change.
  Result<void> replace_root(const crypto::PrivateKey& key, ByteSpan certificate);
  Result<std::optional<WallTime>> root_installed_at();
  Result<void> set_root_installed_at(std::optional<WallTime> time);
  // Small settings by name, at most 64 bytes.
  Result<std::optional<std::string>> setting(std::string_view name);
  struct Setting {
    std::string name;
    std::optional<std::string> value;  // nothing: erased
  };
  Result<void> set_setting(const Setting& setting);

  // --- devices ---
  Result<std::optional<grant::Binding>> binding(const DeviceId& device);
  Result<std::vector<grant::Binding>> bindings();
  Result<void> update_binding(const grant::Binding& binding);  // kNotFound
  // The device answered not_granted: it was reset. Its grants are suspended in the same step.
  Result<void> mark_reset(const DeviceId& device);
  // Ends all grants and the binding; one deletion of the whole binding is owed.
  Result<void> forget_device(const DeviceId& device, const Ending& ending);

  // --- grants, changes ---
  // Stores the binding, new or changed, and the grant, new or changed, and claims the host for
  // (device, origin). kConflict: the host belongs to another (device, origin) whose last leaf has
  // not expired by `now`, another grant that has not ended holds it, or the grant has ended.
  // The same call stores what was planned (before the offer is sent) and what was issued (before
  // the certificate is sent).
  Result<void> save_pending(const grant::Binding& binding, const grant::AgentGrant& grant,
                            WallTime now);
  Result<void> save_issued(const grant::Binding& binding, const grant::AgentGrant& grant,
                           WallTime now);
  // The device has installed it: pending becomes active, at this port.
  Result<void> activate(const GrantId& id, std::uint16_t port);
  // A leaf was issued for a grant that is active or suspended: leaf, not_after, renew_at and port
  // are taken from `grant`. kConflict: it has ended or was never active.
  Result<void> save_renewed(const grant::AgentGrant& grant);
  // What save_renewed() has replaced and the device may still show; kept in the same transaction.
  Result<grant::Unconfirmed> unconfirmed(const GrantId& id);
  // active -> suspended, or another reason for it; repeating it is harmless. What a device that was
  // reset has forgotten stays so: kConflict.
  Result<void> suspend(const GrantId& id, grant::Hold hold);
  // No provider holds it any more: suspended -> active, or paused. kConflict as above.
  Result<void> resume(const GrantId& id);
  // The person pauses it, or lets it go on where nothing else holds it; repeating it is harmless.
  Result<void> set_paused(const GrantId& id, bool paused);  // kConflict as above
  // What the device heard last.
  Result<void> set_told_held(const GrantId& id, bool held);
  // Ends the grant; its deletion is owed to the device. Repeating it is harmless.
  Result<void> revoke(const GrantId& id, const Ending& ending);
  // Removes every trace of a pending grant for which no leaf was issued, and of its binding where
  // that has no other grant and was never bound (bound_at 0). kConflict: it got further.
  Result<void> discard(const GrantId& id);
  // Cheap: remembered here, seen by look-ups, written by flush() or with the next change.
  void touch(const GrantId& id, WallTime used);
  Result<void> flush();

  // --- grants, look-ups ---
  Result<std::optional<grant::AgentGrant>> grant(const Scope& scope, const GrantId& id);
  // The one that has not ended, else the one that ended last.
  Result<std::optional<grant::AgentGrant>> grant_of_host(const Scope& scope, const HostName& host);
  // Oldest first; ended ones too.
  Result<std::vector<grant::AgentGrant>> grants(const Scope& scope);
  Result<std::vector<grant::AgentGrant>> grants_of_device(const DeviceId& device);
  // Pending grants, oldest first: to be completed, or discarded after 24 h.
  Result<std::vector<grant::AgentGrant>> pending_grants();
  // Ended ones too, the one that ended last first.
  Result<std::vector<grant::AgentGrant>> grants_of_host(const HostName& host);
  // A page of grants() that begins after `after`. kNotFound: that grant is not there (any more).
  struct Page {
    std::optional<GrantId> after;
    std::size_t at_most = 0;
  };
  Result<std::vector<grant::AgentGrant>> grants_page(const Scope& scope, const Page& page);
  Result<std::size_t> grant_count();

  // --- grants, what is to be done ---
  // All by index: what is not due costs no row read. No secret is unsealed.
  // Active grants with renew_at <= `now`, most urgent first; then those that were renewed while the
  // clock was ahead (grant/renewal_time.h).
  Result<std::vector<grant::Standing>> renewals_due(WallTime now);
  Result<std::optional<WallTime>> next_renewal(WallTime after = {});
  // When the oldest pending grant was planned.
  Result<std::optional<WallTime>> oldest_pending();
  // When the first ended grant may be forgotten: see purge().
  Result<std::optional<WallTime>> next_purge();
  // Grants whose device has not heard yet that they rest or are back, and active ones made after
  // `since`. One scan, remembered until a grant changes other than by being renewed.
  Result<std::vector<grant::Standing>> news(WallTime since);
  // Every grant that has not ended, oldest first.
  Result<std::vector<grant::Standing>> standings();

  // --- what is owed to devices ---
  Result<std::vector<Deletion>> deletions();
  Result<void> deletion_tried(std::int64_t id, WallTime now);
  Result<void> deletion_done(std::int64_t id);  // repeating it is harmless

  // --- moving to another computer (backup.h) ---
  // Everything but what is half done, and but the settings named: those of this computer alone.
  Result<Backup> snapshot(WallTime now, const std::vector<std::string>& stay_behind);
  // Nothing is bound, granted or owed.
  Result<bool> is_unused();
  // Puts the backup in the place of everything that is there, as one change, but for the settings
  // named: those are as they were here. The store stays this one: its id, its seal and its witness
  // are its own, and its generation goes up as with any change. kTooNew; kCorrupt: not what this
  // program writes, and nothing changed. `merge`, where there is one, says what becomes of each
  // other setting that is here, in the backup or both; nothing: it is not there afterwards.
  using Merge = std::function<std::optional<std::string>(const std::string& name,
                                                         const std::optional<std::string>& here,
                                                         const std::optional<std::string>& there)>;
  Result<void> restore(const Backup& backup, const std::vector<std::string>& stay_here,
                       const Merge& merge = {});
  // Gives the grants of one profile to another. Hosts and subjects stay as they are.
  Result<Adopted> adopt(const ProfileId& from, const ProfileId& to);

  // Forgets ended grants whose block_until has passed, and claims on hosts that ended.
  Result<void> purge(WallTime now);

  struct State;  // internal to src/store

 private:
  explicit AgentStore(std::unique_ptr<State> state);
  static Result<AgentStore> over(Result<Vault> vault);
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::store
