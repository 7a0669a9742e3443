#include "store_records.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace latchkey::agentd {
namespace {

const store::Scope kAll = store::Scope::everything();
// So much of when a grant was last used may be forgotten.
constexpr std::chrono::milliseconds kUseLoss = std::chrono::minutes(5);

latchkey::Result<store::User, std::string> make_user(store::AgentStore& store, Random& random,
                                                     const Clock& clock) {
  const auto key = crypto::PrivateKey::generate();
  auto root = pki::make_user_root(key, {}, clock.wall_now(), random);
  if (!root) {
    return fail(root.error().detail);
  }
  store::User user{SecretBytes(32), key, root->certificate, clock.wall_now()};
  random.fill(user.secret.writable());
  if (const auto made = store.create_user(user); !made) {
    return fail(made.error().detail);
  }
  return user;
}

}  // namespace

latchkey::Result<std::unique_ptr<StoreRecords>, std::string> StoreRecords::over(
    OpenedStore opened, const Clock& clock) {
  auto user = opened.store->user();
  if (!user) {
    return fail(user.error().detail);
  }
  if (!*user) {
    auto made = make_user(*opened.store, opened.keys->random(), clock);
    if (!made) {
      return fail(made.error());
    }
    *user = *std::move(made);
  }
  return std::unique_ptr<StoreRecords>(
      new StoreRecords(std::move(opened), **std::move(user), clock));
}

StoreRecords::StoreRecords(OpenedStore opened, store::User user, const Clock& clock)
    : opened_(std::move(opened)),
      store_(*opened_.store),
      user_(std::make_unique<store::User>(std::move(user))),
      root_{user_->root_key, user_->root_certificate},
      clock_(clock) {}

// Look-ups that fail come out empty, changes as false; the log says why.
template <class T>
void StoreRecords::look_at(const store::Result<T>& result) {
  if (!result) {
    spdlog::error("store: {}", result.error().detail);
    if (result.error().code == store::ErrorCode::kCorrupt && damaged_) {
      damaged_();
    }
  }
}

template <class T>
T StoreRecords::or_empty(store::Result<T> result) {
  look_at(result);
  return result ? *std::move(result) : T{};
}

bool StoreRecords::is_done(const store::Result<void>& result) {
  look_at(result);
  return result.has_value();
}

bool StoreRecords::look_on() {
  opened_.checked = opened_.checked || or_empty(store_.look_on());
  return opened_.checked;
}

store::Result<void> StoreRecords::reseal(std::unique_ptr<store::KeptSealer> next) {
  const Bytes before = store_.sealed().key;
  const std::string kind = store_.sealed().kind;
  auto done = store_.reseal(*next);
  // Which of the two the store works with now; the other one is not needed any more.
  if (done || store_.sealed().key != before || store_.sealed().kind != kind) {
    opened_.sealer = std::move(next);
  }
  return done;
}

std::vector<grant::Binding> StoreRecords::bindings() {
  return or_empty(store_.bindings());
}
std::optional<grant::Binding> StoreRecords::binding(const DeviceId& device) {
  return or_empty(store_.binding(device));
}
bool StoreRecords::update_binding(const grant::Binding& binding) {
  return is_done(store_.update_binding(binding));
}
bool StoreRecords::mark_reset(const DeviceId& device) {
  return is_done(store_.mark_reset(device));
}
std::optional<grant::AgentGrant> StoreRecords::grant(const GrantId& id) {
  return or_empty(store_.grant(kAll, id));
}
std::vector<grant::AgentGrant> StoreRecords::grants_of_device(const DeviceId& device) {
  return or_empty(store_.grants_of_device(device));
}
std::vector<grant::AgentGrant> StoreRecords::grants_of_host(const HostName& host) {
  return or_empty(store_.grants_of_host(host));
}
std::optional<std::vector<grant::AgentGrant>> StoreRecords::grants_page(const Page& page) {
  auto found = store_.grants_page(kAll, {page.after, page.at_most});
  if (!found && found.error().code == store::ErrorCode::kNotFound) {
    return std::nullopt;
  }
  return or_empty(std::move(found));
}
std::size_t StoreRecords::grant_count() {
  return or_empty(store_.grant_count());
}
std::vector<grant::Standing> StoreRecords::renewals_due(WallTime now) {
  return or_empty(store_.renewals_due(now));
}
std::optional<WallTime> StoreRecords::next_renewal(WallTime after) {
  return or_empty(store_.next_renewal(after));
}
std::vector<grant::AgentGrant> StoreRecords::pending() {
  return or_empty(store_.pending_grants());
}
std::optional<WallTime> StoreRecords::oldest_pending() {
  return or_empty(store_.oldest_pending());
}
std::optional<WallTime> StoreRecords::next_purge() {
  return or_empty(store_.next_purge());
}
std::vector<grant::Standing> StoreRecords::news(WallTime since) {
  return or_empty(store_.news(since));
}
std::vector<grant::Standing> StoreRecords::standings() {
  return or_empty(store_.standings());
}
bool StoreRecords::save_pending(const grant::Binding& binding, const grant::AgentGrant& grant) {
  return !moved_ && is_done(store_.save_pending(binding, grant, clock_.wall_now()));
}
bool StoreRecords::save_issued(const grant::Binding& binding, const grant::AgentGrant& grant) {
  return !moved_ && is_done(store_.save_issued(binding, grant, clock_.wall_now()));
}
bool StoreRecords::activate(const GrantId& id, std::uint16_t port) {
  return is_done(store_.activate(id, port));
}
bool StoreRecords::save_renewed(const grant::AgentGrant& grant) {
  return !moved_ && is_done(store_.save_renewed(grant));
}
grant::Unconfirmed StoreRecords::unconfirmed(const GrantId& id) {
  return or_empty(store_.unconfirmed(id));
}
bool StoreRecords::suspend(const GrantId& id, grant::Hold hold) {
  return is_done(store_.suspend(id, hold));
}
bool StoreRecords::resume(const GrantId& id) {
  return is_done(store_.resume(id));
}
bool StoreRecords::set_paused(const GrantId& id, bool paused) {
  return is_done(store_.set_paused(id, paused));
}
bool StoreRecords::told_held(const GrantId& id, bool held) {
  return is_done(store_.set_told_held(id, held));
}
bool StoreRecords::revoke(const GrantId& id, WallTime block_until) {
  return is_done(store_.revoke(id, {clock_.wall_now(), block_until}));
}
bool StoreRecords::discard(const GrantId& id) {
  return is_done(store_.discard(id));
}
void StoreRecords::touch(const GrantId& id, WallTime used) {
  store_.touch(id, used);
  // The next change writes it anyway; where nothing changes, it is not lost with the power.
  const MonoTime now = clock_.mono_now();
  if (!uses_written_ || now - *uses_written_ >= kUseLoss) {
    uses_written_ = now;
    flush();
  }
}
void StoreRecords::purge() {
  (void)is_done(store_.purge(clock_.wall_now()));
}

std::vector<agent::OwedDeletion> StoreRecords::owed() {
  std::vector<agent::OwedDeletion> owed;
  for (const store::Deletion& deletion : or_empty(store_.deletions())) {
    if (deletion.grant) {
      owed.push_back({deletion.id, deletion.binding.device, *deletion.grant});
    }
  }
  return owed;
}
bool StoreRecords::settle(const agent::OwedDeletion& owed) {
  return is_done(store_.deletion_done(owed.id));
}

bool StoreRecords::forget_device(const DeviceId& device, WallTime block_until) {
  return is_done(store_.forget_device(device, {clock_.wall_now(), block_until}));
}
std::vector<agent::OwedForgetting> StoreRecords::owed_forgettings() {
  std::vector<agent::OwedForgetting> owed;
  for (store::Deletion& deletion : or_empty(store_.deletions())) {
    if (!deletion.grant) {
      owed.push_back({deletion.id, std::move(deletion.binding)});
    }
  }
  return owed;
}
bool StoreRecords::settle(const agent::OwedForgetting& owed) {
  return is_done(store_.deletion_done(owed.id));
}

store::Result<store::Backup> StoreRecords::snapshot(const std::vector<std::string>& stay_behind) {
  auto snapshot = store_.snapshot(clock_.wall_now(), stay_behind);
  look_at(snapshot);
  return snapshot;
}
store::Result<void> StoreRecords::restore(const store::Backup& backup,
                                          const std::vector<std::string>& stay_here,
                                          const store::AgentStore::Merge& merge) {
  auto done = store_.restore(backup, stay_here, merge);
  moved_ = moved_ || done.has_value();
  return done;
}
store::Result<store::Adopted> StoreRecords::adopt(const ProfileId& from, const ProfileId& to) {
  auto adopted = store_.adopt(from, to);
  look_at(adopted);
  return adopted;
}

std::optional<std::string> StoreRecords::get(std::string_view name) {
  return or_empty(store_.setting(name));
}
bool StoreRecords::set(std::string_view name, const std::string& value) {
  return is_done(store_.set_setting({std::string(name), value}));
}

}  // namespace latchkey::agentd
