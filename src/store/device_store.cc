#include "store/device_store.h"

#include <algorithm>
#include <map>

#include "store/device_tables.h"

namespace latchkey::store {

namespace tables = device_tables;

struct DeviceStore::State {
  Vault vault;
  pairing::WindowRecord window;       // as it is on disk
  std::map<SpkiHash, WallTime> seen;  // exact, since the start
  std::uint64_t last_audit = 0;
  std::optional<Error> error;

  // All of these throw.
  void load_counters();
  std::optional<tables::StoredAgent> find_agent(const SpkiHash& key_hash);
  std::vector<grant::DeviceGrant> select_grants(const std::string& where, const Row& arguments);
  grant::DeviceGrant need_grant(const GrantKey& key);
  void replace_discovery_key(const ByteArray<32>& key);
  void add_pending(const grant::BoundAgent& agent, const grant::DeviceGrant& grant);
  std::vector<grant::DeviceGrant> drop_unconfirmed(WallTime created_before,
                                                   const ByteArray<32>& new_discovery_key);

  // The ledgers' way to say no.
  template <class T>
  std::optional<T> remember(Result<T> result) {
    if (!result) {
      error = std::move(result).error();
      return std::nullopt;
    }
    error.reset();
    return *std::move(result);
  }
  bool remember(Result<void> result) {
    error = result ? std::nullopt : std::optional(std::move(result).error());
    return !error;
  }
};

void DeviceStore::State::load_counters() {
  window = {};
  if (const auto row = vault.find(tables::kWindow, tables::only_row())) {
    window = tables::window_from(vault, *row);
  }
  last_audit = static_cast<std::uint64_t>(vault.number("SELECT max(number) FROM audit", {}));
}

std::optional<tables::StoredAgent> DeviceStore::State::find_agent(const SpkiHash& key_hash) {
  const auto row = vault.find(tables::kAgent, {cell(key_hash.span())});
  return row ? std::optional(tables::agent_from(vault, *row)) : std::nullopt;
}

std::vector<grant::DeviceGrant> DeviceStore::State::select_grants(const std::string& where,
                                                                  const Row& arguments) {
  std::vector<grant::DeviceGrant> grants;
  for (const Row& row : vault.select(tables::kGrant, where, arguments)) {
    grants.push_back(tables::grant_from(vault, row));
  }
  return grants;
}

grant::DeviceGrant DeviceStore::State::need_grant(const GrantKey& key) {
  const auto row = vault.find(tables::kGrant, {cell(key.agent.span()), cell(key.grant.span())});
  if (!row) {
    throw_failure(ErrorCode::kNotFound, "no such grant");
  }
  return tables::grant_from(vault, *row);
}

void DeviceStore::State::replace_discovery_key(const ByteArray<32>& key) {
  if (const auto row = vault.find(tables::kProfile, tables::only_row())) {
    DeviceProfile profile = tables::profile_from(vault, *row);
    profile.discovery_key = key;
    vault.update(tables::kProfile, tables::row_of(vault, profile));
  }
}

void DeviceStore::State::add_pending(const grant::BoundAgent& agent,
                                     const grant::DeviceGrant& grant) {
  LATCHKEY_CHECK(grant.agent == agent.key_hash && grant.state == grant::State::kPending);
  const auto known = find_agent(agent.key_hash);
  if (!known) {
    vault.insert(tables::kAgent, tables::row_of(vault, tables::StoredAgent{agent, false}));
  } else if (known->agent.spki != agent.spki) {
    throw_failure(ErrorCode::kConflict, "another key under the agent's hash");
  }
  vault.insert(tables::kGrant, tables::row_of(vault, grant));
}

std::vector<grant::DeviceGrant> DeviceStore::State::drop_unconfirmed(
    WallTime created_before, const ByteArray<32>& new_discovery_key) {
  auto dropped = select_grants("confirmed = 0 AND created < ?1", {cell(created_before)});
  for (const grant::DeviceGrant& grant : dropped) {
    vault.erase(tables::kGrant, {cell(grant.agent.span()), cell(grant.id.span())});
  }
  const std::size_t bindings = vault.erase_where(
      tables::kAgent,
      "confirmed = 0 AND NOT EXISTS (SELECT 1 FROM device_grant WHERE device_grant.agent = "
      "key_hash)",
      {});
  if (bindings > 0) {
    replace_discovery_key(new_discovery_key);
  }
  return dropped;
}

DeviceStore::DeviceStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
DeviceStore::~DeviceStore() = default;

Result<std::unique_ptr<DeviceStore>> DeviceStore::open(const std::filesystem::path& folder,
                                                       Sealer& sealer, Random& random) {
  return open(folder, sealer, random, std::string());
}

Result<std::unique_ptr<DeviceStore>> DeviceStore::open(const std::filesystem::path& folder,
                                                       Sealer& sealer, Random& random,
                                                       std::string vfs) {
  auto vault = Vault::open(tables::options(folder, std::move(vfs)), sealer, random);
  if (!vault) {
    return fail(std::move(vault).error());
  }
  auto state = std::make_unique<State>(State{*std::move(vault), {}, {}, 0, {}});
  if (auto loaded = state->vault.read([&] { state->load_counters(); }); !loaded) {
    return fail(std::move(loaded).error());
  }
  return std::unique_ptr<DeviceStore>(new DeviceStore(std::move(state)));
}

// --- the store itself ---

const Seal& DeviceStore::sealed() const {
  return state_->vault.seal_kind();
}
const ByteArray<16>& DeviceStore::id() const {
  return state_->vault.id();
}
std::uint64_t DeviceStore::generation() const {
  return state_->vault.generation();
}
Result<void> DeviceStore::reseal(Sealer& next) {
  return state_->vault.reseal(next);
}
Standing DeviceStore::watch(Witness& witness) {
  return state_->vault.watch(witness);
}
Result<void> DeviceStore::accept(Witness& witness) {
  return state_->vault.accept(witness);
}
bool DeviceStore::witness_failed() const {
  return state_->vault.witness_failed();
}

// --- who the device is ---

Result<std::optional<DeviceProfile>> DeviceStore::profile() {
  return state_->vault.read([&] {
    const auto row = state_->vault.find(tables::kProfile, tables::only_row());
    return row ? std::optional(tables::profile_from(state_->vault, *row)) : std::nullopt;
  });
}

Result<void> DeviceStore::create_profile(const DeviceProfile& profile) {
  return state_->vault.write(
      [&] { state_->vault.insert(tables::kProfile, tables::row_of(state_->vault, profile)); });
}

Result<void> DeviceStore::rename(std::string_view name) {
  return state_->vault.write([&] {
    const auto row = state_->vault.find(tables::kProfile, tables::only_row());
    if (!row) {
      throw_failure(ErrorCode::kNotFound, "the device has no profile yet");
    }
    DeviceProfile profile = tables::profile_from(state_->vault, *row);
    profile.name = name;
    state_->vault.update(tables::kProfile, tables::row_of(state_->vault, profile));
  });
}

Result<std::optional<SecretBytes>> DeviceStore::label_key() {
  return state_->vault.read([&]() -> std::optional<SecretBytes> {
    const auto row = state_->vault.find(tables::kLabel, tables::only_row());
    if (!row) {
      return std::nullopt;
    }
    RowReader reader(state_->vault, tables::kLabel, *row);
    reader.skip();
    return reader.secret();
  });
}

Result<void> DeviceStore::set_label_key(const std::optional<SecretBytes>& key) {
  return state_->vault.write([&] {
    if (key) {
      state_->vault.put(
          tables::kLabel,
          RowWriter(state_->vault, tables::kLabel).number(1).secret(key->span()).row());
    } else {
      state_->vault.erase(tables::kLabel, tables::only_row());
    }
  });
}

Result<std::vector<SsoClient>> DeviceStore::sso_clients() {
  return state_->vault.read([&] {
    std::vector<SsoClient> clients;
    for (const Row& row : state_->vault.select(tables::kSsoClient, "TRUE", {})) {
      clients.push_back(tables::sso_client_from(state_->vault, row));
    }
    return clients;
  });
}

Result<void> DeviceStore::save_sso_client(const SsoClient& client) {
  return state_->vault.write(
      [&] { state_->vault.put(tables::kSsoClient, tables::row_of(state_->vault, client)); });
}

Result<void> DeviceStore::forget_sso_client(std::string_view issuer,
                                            std::string_view redirect_uri) {
  return state_->vault.write(
      [&] { (void)state_->vault.erase(tables::kSsoClient, {cell(issuer), cell(redirect_uri)}); });
}

Result<void> DeviceStore::factory_reset(const DeviceProfile& fresh) {
  const auto before = state_->vault.id();
  auto done = state_->vault.begin_anew(
      [&] { state_->vault.insert(tables::kProfile, tables::row_of(state_->vault, fresh)); });
  if (state_->vault.id() != before) {
    state_->window = {};
    state_->seen.clear();
    state_->last_audit = 0;
  }
  return done;
}

// --- enroll::DeviceLedger ---

std::optional<grant::DeviceGrant> DeviceStore::find(const SpkiHash& agent, const GrantId& id) {
  auto found = state_->remember(state_->vault.read([&] {
    return state_->select_grants("agent = ?1 AND id = ?2", {cell(agent.span()), cell(id.span())});
  }));
  return found && !found->empty() ? std::optional(std::move(found->front())) : std::nullopt;
}

std::optional<grant::DeviceGrant> DeviceStore::find_host(const HostName& host) {
  auto found = state_->remember(
      state_->vault.read([&] { return state_->select_grants("host = ?1", {cell(host.text())}); }));
  return found && !found->empty() ? std::optional(std::move(found->front())) : std::nullopt;
}

bool DeviceStore::add_pending(const grant::BoundAgent& agent, const grant::DeviceGrant& grant) {
  return state_->remember(state_->vault.write([&] { state_->add_pending(agent, grant); }));
}

bool DeviceStore::update(const grant::DeviceGrant& grant) {
  return state_->remember(state_->vault.write(
      [&] { state_->vault.update(tables::kGrant, tables::row_of(state_->vault, grant)); }));
}

std::size_t DeviceStore::count(const SpkiHash& agent) {
  const auto found = state_->remember(state_->vault.read([&] {
    return state_->vault.number("SELECT count(*) FROM device_grant WHERE agent = ?1",
                                {cell(agent.span())});
  }));
  // Unknown counts as full.
  return found ? static_cast<std::size_t>(*found) : SIZE_MAX;
}

// --- pairing::WindowLedger ---

pairing::WindowRecord DeviceStore::load() {
  return state_->window;
}

bool DeviceStore::save(const pairing::WindowRecord& record) {
  const bool saved = state_->remember(state_->vault.write(
      [&] { state_->vault.put(tables::kWindow, tables::row_of(state_->vault, record)); }));
  if (saved) {
    state_->window = record;
  }
  return saved;
}

const std::optional<Error>& DeviceStore::last_error() const {
  return state_->error;
}

// --- agents and grants ---

Result<std::optional<grant::BoundAgent>> DeviceStore::agent(const SpkiHash& key_hash) {
  return state_->vault.read([&]() -> std::optional<grant::BoundAgent> {
    auto found = state_->find_agent(key_hash);
    if (!found) {
      return std::nullopt;
    }
    if (const auto seen = state_->seen.find(key_hash); seen != state_->seen.end()) {
      found->agent.last_seen = std::max(found->agent.last_seen, seen->second);
    }
    return std::move(found->agent);
  });
}

Result<std::vector<grant::BoundAgent>> DeviceStore::agents() {
  return state_->vault.read([&] {
    std::vector<grant::BoundAgent> agents;
    for (const Row& row : state_->vault.select(tables::kAgent, "TRUE ORDER BY bound_at", {})) {
      agents.push_back(tables::agent_from(state_->vault, row).agent);
    }
    return agents;
  });
}

Result<void> DeviceStore::seen(const SpkiHash& key_hash, WallTime agent_now) {
  auto stored = state_->vault.read([&] { return state_->find_agent(key_hash); });
  if (!stored) {
    return fail(std::move(stored).error());
  }
  std::optional<tables::StoredAgent>& found = *stored;
  if (!found) {
    return fail(Error{ErrorCode::kNotFound, "no such agent"});
  }
  tables::StoredAgent& agent = *found;
  if (agent_now - agent.agent.last_seen >= kSeenStep) {
    agent.agent.last_seen = agent_now;
    if (auto done = state_->vault.write_quietly(
            [&] { state_->vault.update(tables::kAgent, tables::row_of(state_->vault, agent)); });
        !done) {
      return done;
    }
  }
  WallTime& exact = state_->seen[key_hash];
  exact = std::max({exact, agent_now, agent.agent.last_seen});
  return {};
}

Result<std::vector<grant::DeviceGrant>> DeviceStore::grants_of(const SpkiHash& agent) {
  return state_->vault.read([&] {
    return state_->select_grants("agent = ?1 ORDER BY created, id", {cell(agent.span())});
  });
}

Result<std::vector<grant::DeviceGrant>> DeviceStore::active_grants() {
  return state_->vault.read([&] { return state_->select_grants("state = 'active'", {}); });
}

Result<void> DeviceStore::confirm(const GrantKey& key) {
  return state_->vault.write([&] {
    grant::DeviceGrant grant = state_->need_grant(key);
    auto agent = state_->find_agent(key.agent);
    if (!agent) {
      throw_failure(ErrorCode::kCorrupt, "a grant without its agent");
    }
    if (!agent->confirmed) {
      agent->confirmed = true;
      state_->vault.update(tables::kAgent, tables::row_of(state_->vault, *agent));
    }
    if (!grant.confirmed) {
      grant.confirmed = true;
      state_->vault.update(tables::kGrant, tables::row_of(state_->vault, grant));
    }
  });
}

Result<void> DeviceStore::set_suspended(const GrantKey& key, bool suspended) {
  return state_->vault.write([&] {
    grant::DeviceGrant grant = state_->need_grant(key);
    if (grant.suspended != suspended) {
      grant.suspended = suspended;
      state_->vault.update(tables::kGrant, tables::row_of(state_->vault, grant));
    }
  });
}

Result<void> DeviceStore::set_sign_in(const GrantKey& key, const SignInOffer& sso) {
  return state_->vault.write([&] {
    grant::DeviceGrant grant = state_->need_grant(key);
    if (grant.sso != sso) {
      grant.sso = sso;
      state_->vault.update(tables::kGrant, tables::row_of(state_->vault, grant));
    }
  });
}

Result<void> DeviceStore::delete_grant(const GrantKey& key) {
  return state_->vault.write([&] {
    if (!state_->vault.erase(tables::kGrant, {cell(key.agent.span()), cell(key.grant.span())})) {
      throw_failure(ErrorCode::kNotFound, "no such grant");
    }
  });
}

Result<void> DeviceStore::delete_agent(const SpkiHash& agent,
                                       const ByteArray<32>& new_discovery_key) {
  auto done = state_->vault.write([&] {
    state_->vault.erase_where(tables::kGrant, "agent = ?1", {cell(agent.span())});
    if (!state_->vault.erase(tables::kAgent, {cell(agent.span())})) {
      throw_failure(ErrorCode::kNotFound, "no such agent");
    }
    state_->replace_discovery_key(new_discovery_key);
  });
  if (done) {
    state_->seen.erase(agent);
  }
  return done;
}

Result<std::vector<grant::DeviceGrant>> DeviceStore::drop_unconfirmed(
    WallTime created_before, const ByteArray<32>& new_discovery_key) {
  return state_->vault.write(
      [&] { return state_->drop_unconfirmed(created_before, new_discovery_key); });
}

// --- audit ---

Result<void> DeviceStore::record(const AuditEvent& event) {
  AuditEvent numbered = event;
  numbered.number = state_->last_audit + 1;
  auto done = state_->vault.write_quietly([&] {
    state_->vault.insert(tables::kAudit, tables::row_of(state_->vault, numbered));
    const auto newest = static_cast<std::int64_t>(numbered.number);
    state_->vault.erase_where(tables::kAudit, "number <= ?1",
                              {Value(newest - static_cast<std::int64_t>(kMaxAuditEvents))});
  });
  if (done) {
    state_->last_audit = numbered.number;
  }
  return done;
}

Result<std::vector<AuditEvent>> DeviceStore::audit(std::size_t at_most) {
  return state_->vault.read([&] {
    std::vector<AuditEvent> events;
    const auto limit = static_cast<std::int64_t>(std::min(at_most, kMaxAuditEvents));
    for (const Row& row : state_->vault.select(tables::kAudit, "TRUE ORDER BY number DESC LIMIT ?1",
                                               {Value(limit)})) {
      events.push_back(tables::event_from(state_->vault, row));
    }
    return events;
  });
}

}  // namespace latchkey::store
