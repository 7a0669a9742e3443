#include "store/agent_store.h"

#include <cstdlib>

#include "store/agent_state.h"

namespace latchkey::store {

namespace tables = agent_tables;

namespace {
constexpr const char* kRootInstalledAt = "root_installed_at";
}  // namespace

AgentStore::AgentStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
AgentStore::AgentStore(AgentStore&&) noexcept = default;
AgentStore& AgentStore::operator=(AgentStore&&) noexcept = default;
AgentStore::~AgentStore() {
  if (state_ != nullptr) {
    // When a grant was last used is nice to know, and nothing depends on it.
    static_cast<void>(flush());
  }
}

Result<AgentStore> AgentStore::open(const std::filesystem::path& folder, Sealer& sealer,
                                    Random& random) {
  return open(folder, sealer, random, std::string());
}

Result<AgentStore> AgentStore::open(const std::filesystem::path& folder, Sealer& sealer,
                                    Random& random, std::string vfs) {
  return over(Vault::open(tables::options(folder, std::move(vfs)), sealer, random));
}

Result<AgentStore> AgentStore::open_quickly(const std::filesystem::path& folder, Sealer& sealer,
                                            Random& random) {
  auto options = tables::options(folder, std::string());
  options.check = Check::kLater;
  return over(Vault::open(std::move(options), sealer, random));
}

Result<bool> AgentStore::look_on() {
  return state_->vault.look_on();
}

Result<AgentStore> AgentStore::over(Result<Vault> vault) {
  if (!vault) {
    return fail(std::move(vault).error());
  }
  return AgentStore(std::make_unique<State>(State{*std::move(vault), {}, std::nullopt}));
}

// --- the store itself ---

const Seal& AgentStore::sealed() const {
  return state_->vault.seal_kind();
}
const ByteArray<16>& AgentStore::id() const {
  return state_->vault.id();
}
std::uint64_t AgentStore::generation() const {
  return state_->vault.generation();
}
Result<void> AgentStore::reseal(Sealer& next) {
  return state_->vault.reseal(next);
}
Standing AgentStore::watch(Witness& witness) {
  return state_->vault.watch(witness);
}
Result<void> AgentStore::accept(Witness& witness) {
  return state_->vault.accept(witness);
}
bool AgentStore::witness_failed() const {
  return state_->vault.witness_failed();
}

// --- the user ---

Result<std::optional<User>> AgentStore::user() {
  return state_->vault.read([&] {
    const auto row = state_->vault.find(tables::kUser, {Value(std::int64_t{1})});
    return row ? std::optional(tables::user_from(state_->vault, *row)) : std::nullopt;
  });
}

Result<void> AgentStore::create_user(const User& user) {
  return state_->change(
      [&] { state_->vault.insert(tables::kUser, tables::row_of(state_->vault, user)); });
}

Result<void> AgentStore::replace_root(const crypto::PrivateKey& key, ByteSpan certificate) {
  return state_->change([&] {
    const auto row = state_->vault.find(tables::kUser, {Value(std::int64_t{1})});
    if (!row) {
      throw_failure(ErrorCode::kNotFound, "there is no user yet");
    }
    User user = tables::user_from(state_->vault, *row);
    user.root_key = key;
    user.root_certificate = to_bytes(certificate);
    state_->vault.update(tables::kUser, tables::row_of(state_->vault, user));
  });
}

Result<std::optional<WallTime>> AgentStore::root_installed_at() {
  return state_->vault.read([&]() -> std::optional<WallTime> {
    const auto row = state_->vault.find(tables::kSetting, {cell(kRootInstalledAt)});
    if (!row) {
      return std::nullopt;
    }
    return WallTime{std::strtoll(std::get<std::string>(row->at(1)).c_str(), nullptr, 10)};
  });
}

Result<void> AgentStore::set_root_installed_at(std::optional<WallTime> time) {
  std::optional<std::string> value;
  if (time) {
    value = std::to_string(time->unix_seconds);
  }
  return set_setting({kRootInstalledAt, value});
}

Result<std::optional<std::string>> AgentStore::setting(std::string_view name) {
  return state_->vault.read([&]() -> std::optional<std::string> {
    const auto row = state_->vault.find(tables::kSetting, {cell(name)});
    return row ? std::optional(std::get<std::string>(row->at(1))) : std::nullopt;
  });
}

Result<void> AgentStore::set_setting(const Setting& setting) {
  return state_->change_quietly([&] {
    if (setting.value) {
      state_->vault.put(
          tables::kSetting,
          RowWriter(state_->vault, tables::kSetting).text(setting.name).text(*setting.value).row());
    } else {
      state_->vault.erase(tables::kSetting, {cell(setting.name)});
    }
  });
}

// --- devices ---

Result<std::optional<grant::Binding>> AgentStore::binding(const DeviceId& device) {
  return state_->vault.read([&] { return state_->find_binding(device); });
}

Result<std::vector<grant::Binding>> AgentStore::bindings() {
  return state_->vault.read([&] {
    std::vector<grant::Binding> bindings;
    for (const Row& row : state_->vault.select(tables::kBinding, "TRUE ORDER BY bound_at", {})) {
      bindings.push_back(tables::binding_from(state_->vault, row));
    }
    return bindings;
  });
}

Result<void> AgentStore::update_binding(const grant::Binding& binding) {
  return state_->change_quietly(
      [&] { state_->vault.update(tables::kBinding, tables::row_of(state_->vault, binding)); });
}

Result<void> AgentStore::mark_reset(const DeviceId& device) {
  return state_->change([&] {
    auto binding = state_->find_binding(device);
    if (!binding) {
      throw_failure(ErrorCode::kNotFound, "no such device");
    }
    binding->reset = true;
    state_->vault.update(tables::kBinding, tables::row_of(state_->vault, *binding));
    for (grant::AgentGrant& grant : state_->select_grants(
             "device = ?1 AND state IN ('active', 'suspended')", {cell(device.span())})) {
      grant::hold_back(grant, grant::Hold::kDeviceReset);
      grant.told_held = false;
      state_->put_held(grant);
    }
  });
}

Result<void> AgentStore::forget_device(const DeviceId& device, const Ending& ending) {
  return state_->change([&] { state_->forget_device(device, ending); });
}

// --- grants, changes ---

Result<void> AgentStore::save_pending(const grant::Binding& binding, const grant::AgentGrant& grant,
                                      WallTime now) {
  LATCHKEY_CHECK(grant.leaf.empty());
  return state_->change([&] { state_->save(binding, grant, now); });
}

Result<void> AgentStore::save_issued(const grant::Binding& binding, const grant::AgentGrant& grant,
                                     WallTime now) {
  LATCHKEY_CHECK(!grant.leaf.empty());
  return state_->change([&] { state_->save(binding, grant, now); });
}

Result<void> AgentStore::activate(const GrantId& id, std::uint16_t port) {
  return state_->change([&] {
    grant::AgentGrant grant = state_->need_grant(id);
    const bool again = grant.state == grant::State::kActive;
    if ((grant.state != grant::State::kPending && !again) || grant.leaf.empty()) {
      throw_failure(ErrorCode::kConflict, "the grant is not waiting to be installed");
    }
    grant.state = grant::State::kActive;
    grant.port = port;
    grant.offer.clear();
    state_->vault.update(tables::kGrant, tables::row_of(state_->vault, grant));
  });
}

Result<void> AgentStore::save_renewed(const grant::AgentGrant& grant) {
  return state_->change_quietly([&] {
    grant::AgentGrant stored = state_->need_grant(grant.id);
    if (stored.state != grant::State::kActive && stored.state != grant::State::kSuspended) {
      throw_failure(ErrorCode::kConflict, "only an active or suspended grant is renewed");
    }
    const auto before = state_->unconfirmed(grant.id);
    const auto after = grant::carry_over(before, stored, grant);
    if (!before.empty() || !after.empty()) {
      state_->keep_unconfirmed(grant.id, after);
    }
    stored.ca_key = grant.ca_key;
    stored.ca_certificate = grant.ca_certificate;
    stored.leaf = grant.leaf;
    stored.not_after = grant.not_after;
    stored.renew_at = grant.renew_at;
    stored.port = grant.port;
    state_->vault.update(tables::kGrant, tables::row_of(state_->vault, stored));
    // The grant is alive, so the host is its own whatever the time.
    state_->claim_host(stored, {});
  });
}

Result<grant::Unconfirmed> AgentStore::unconfirmed(const GrantId& id) {
  return state_->vault.read([&] { return state_->unconfirmed(id); });
}

Result<void> AgentStore::suspend(const GrantId& id, grant::Hold hold) {
  return state_->change([&] {
    grant::AgentGrant grant = state_->need_grant(id);
    if (!grant::hold_back(grant, hold)) {
      throw_failure(ErrorCode::kConflict,
                    "the grant is not in use, or the device has forgotten it");
    }
    state_->put_held(grant);
  });
}

Result<void> AgentStore::resume(const GrantId& id) {
  return state_->change([&] {
    grant::AgentGrant grant = state_->need_grant(id);
    if (!grant::lift_hold(grant)) {
      throw_failure(ErrorCode::kConflict, "the grant has ended, or the device has forgotten it");
    }
    state_->put_held(grant);
  });
}

Result<void> AgentStore::set_paused(const GrantId& id, bool paused) {
  return state_->change([&] {
    grant::AgentGrant grant = state_->need_grant(id);
    if (!grant::set_paused(grant, paused)) {
      throw_failure(ErrorCode::kConflict,
                    "the grant is not in use, or the device has forgotten it");
    }
    state_->put_held(grant);
  });
}

Result<void> AgentStore::set_told_held(const GrantId& id, bool held) {
  return state_->change([&] {
    grant::AgentGrant grant = state_->need_grant(id);
    if (grant.state == grant::State::kRevoked) {
      throw_failure(ErrorCode::kConflict, "the grant has ended");
    }
    grant.told_held = held;
    state_->vault.update(tables::kGrant, tables::row_of(state_->vault, grant));
  });
}

Result<void> AgentStore::revoke(const GrantId& id, const Ending& ending) {
  return state_->change([&] {
    grant::AgentGrant grant = state_->need_grant(id);
    if (grant.state == grant::State::kRevoked) {
      return;
    }
    if (const auto binding = state_->find_binding(grant.device)) {
      state_->owe_deletion(*binding, grant.id, ending.now);
    }
    state_->end_grant(std::move(grant), ending);
  });
}

Result<void> AgentStore::discard(const GrantId& id) {
  return state_->change([&] { state_->discard(id); });
}

void AgentStore::touch(const GrantId& id, WallTime used) {
  state_->touched[id] = used;
}

Result<void> AgentStore::flush() {
  return state_->touched.empty() ? Result<void>{} : state_->write_touches_only();
}

Result<void> AgentStore::purge(WallTime now) {
  return state_->change_quietly([&] { state_->purge(now); });
}

}  // namespace latchkey::store
