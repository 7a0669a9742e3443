// The agent's records over its store. The first use makes the user: root and secret.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "agent/ports.h"
#include "base/clock.h"
#include "base/random.h"
#include "context.h"
#include "moving.h"
#include "store/agent_store.h"
#include "store_gate.h"

namespace latchkey::agentd {

class StoreRecords final : public agent::Records, public Settings, public Moving {
 public:
  // Of a store that the gate has opened.
  static latchkey::Result<std::unique_ptr<StoreRecords>, std::string> over(OpenedStore opened,
                                                                           const Clock& clock);

  ByteSpan user_secret() override { return user_->secret.span(); }
  const pki::Authority& user_root() override { return root_; }
  std::vector<grant::Binding> bindings() override;
  std::optional<grant::Binding> binding(const DeviceId& device) override;
  bool update_binding(const grant::Binding& binding) override;
  bool mark_reset(const DeviceId& device) override;
  std::optional<grant::AgentGrant> grant(const GrantId& id) override;
  std::vector<grant::AgentGrant> grants_of_device(const DeviceId& device) override;
  std::vector<grant::AgentGrant> grants_of_host(const HostName& host) override;
  std::optional<std::vector<grant::AgentGrant>> grants_page(const Page& page) override;
  std::size_t grant_count() override;
  std::vector<grant::Standing> renewals_due(WallTime now) override;
  std::optional<WallTime> next_renewal(WallTime after) override;
  std::vector<grant::AgentGrant> pending() override;
  std::optional<WallTime> oldest_pending() override;
  std::optional<WallTime> next_purge() override;
  std::vector<grant::Standing> news(WallTime since) override;
  std::vector<grant::Standing> standings() override;
  bool save_pending(const grant::Binding& binding, const grant::AgentGrant& grant) override;
  bool save_issued(const grant::Binding& binding, const grant::AgentGrant& grant) override;
  bool activate(const GrantId& id, std::uint16_t port) override;
  bool save_renewed(const grant::AgentGrant& grant) override;
  grant::Unconfirmed unconfirmed(const GrantId& id) override;
  bool suspend(const GrantId& id, grant::Hold hold) override;
  bool resume(const GrantId& id) override;
  bool set_paused(const GrantId& id, bool paused) override;
  bool told_held(const GrantId& id, bool held) override;
  bool revoke(const GrantId& id, WallTime block_until) override;
  bool discard(const GrantId& id) override;
  void touch(const GrantId& id, WallTime used) override;
  void purge() override;
  std::vector<agent::OwedDeletion> owed() override;
  bool settle(const agent::OwedDeletion& owed) override;
  bool forget_device(const DeviceId& device, WallTime block_until) override;
  std::vector<agent::OwedForgetting> owed_forgettings() override;
  bool settle(const agent::OwedForgetting& owed) override;

  std::optional<std::string> get(std::string_view name) override;
  bool set(std::string_view name, const std::string& value) override;

  store::Result<store::Backup> snapshot(const std::vector<std::string>& stay_behind) override;
  store::Result<bool> is_unused() override { return store_.is_unused(); }
  store::Result<void> restore(const store::Backup& backup,
                              const std::vector<std::string>& stay_here,
                              const store::AgentStore::Merge& merge) override;
  bool has_moved() const override { return moved_; }
  store::Result<store::Adopted> adopt(const ProfileId& from, const ProfileId& to) override;

  void flush() { (void)store_.flush(); }

  // Called whenever something that was read is not what this program wrote. It need not return.
  void on_damage(std::function<void()> damaged) { damaged_ = std::move(damaged); }
  // Looks at a part of what was not looked at yet (store::AgentStore::look_on). True: all is well.
  bool look_on();

  // --- the store itself ---
  [[nodiscard]] const store::Seal& sealed() const { return store_.sealed(); }
  [[nodiscard]] bool witness_failed() const { return store_.witness_failed(); }
  [[nodiscard]] const std::shared_ptr<Keys>& keys() const { return opened_.keys; }
  // Seals it anew with one that is prepared (store/sealer.h). The new seal may stand although an
  // error came back: sealed() tells.
  store::Result<void> reseal(std::unique_ptr<store::KeptSealer> next);

 private:
  StoreRecords(OpenedStore opened, store::User user, const Clock& clock);
  template <class T>
  void look_at(const store::Result<T>& result);
  template <class T>
  T or_empty(store::Result<T> result);
  bool is_done(const store::Result<void>& result);
  OpenedStore opened_;
  store::AgentStore& store_;
  std::unique_ptr<store::User> user_;
  pki::Authority root_;
  const Clock& clock_;
  // The store holds another user than the one in memory: nothing may be added any more.
  bool moved_ = false;
  std::function<void()> damaged_;
  std::optional<MonoTime> uses_written_;
};

}  // namespace latchkey::agentd
