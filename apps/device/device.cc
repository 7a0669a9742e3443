#include "device/device.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "crypto/x509.h"
#include "front/connection_rules.h"

namespace latchkey::device {

namespace {

constexpr std::chrono::milliseconds kSweep = std::chrono::hours(1);
constexpr seconds kUnconfirmedLife{24 * 3600};

enroll::DeviceIdentity make_identity(store::DeviceProfile profile, const Device::Parts& parts,
                                     std::uint16_t port) {
  return {profile.boot_key,
          std::move(profile.name),
          std::move(profile.type),
          parts.model,
          LATCHKEY_VERSION,
          profile.discovery_key,
          port,
          parts.attester};
}

}  // namespace

Device::Device(Parts parts, store::DeviceProfile profile, std::uint16_t port)
    : store_(parts.store),
      random_(parts.random),
      clock_(parts.clock),
      identity_(make_identity(std::move(profile), parts, port)),
      ledger_(store_),
      records_(store_, random_),
      enrollment_(ledger_, identity_),
      gate_(random_),
      sessions_(random_),
      window_(store_, clock_.mono_now()),
      desk_(gate_, sessions_, identity_.type),
      management_(records_, enrollment_, gate_),
      next_sweep_(clock_.mono_now()) {
  desk_.use_sso(parts.party);
}

store::Result<std::unique_ptr<Device>> Device::open(Parts parts, store::DeviceProfile profile,
                                                    std::uint16_t port) {
  std::unique_ptr<Device> device(new Device(parts, std::move(profile), port));
  const auto& key = device->identity_.boot_key;
  auto bootstrap = net::TlsIdentity::make(key, {crypto::make_bare_certificate(key)});
  if (!bootstrap) {
    return fail(store::Error{store::ErrorCode::kCorrupt, bootstrap.error().detail});
  }
  device->bootstrap_ = *std::move(bootstrap);
  auto grants = parts.store.active_grants();
  if (!grants) {
    return fail(std::move(grants).error());
  }
  for (const grant::DeviceGrant& grant : *grants) {
    if (!grant.suspended && !device->install(grant)) {
      spdlog::error("the permission for {} cannot be served: its certificate does not fit its key",
                    grant.host.text());
    }
  }
  return device;
}

DeviceId Device::id() const {
  return DeviceId(identity_.boot_key.public_key().spki_hash().bytes());
}

std::variant<net::Persona, net::HelloRefusal> Device::choose(const net::ClientHello& hello) {
  const MonoTime now = clock_.mono_now();
  const front::HelloFacts facts{hello.sni, hello.offers_alpn, hello.alpn, window_.is_open(now)};
  const auto find = [this, now](const HostName& host) -> std::optional<front::Service> {
    const auto at = live_.find(host.text());
    if (at == live_.end() ||
        !front::is_servable(at->second->grant, gate_.trusted_now(at->second->grant.agent, now))) {
      return std::nullopt;
    }
    return http1_only_.contains(at->second->tag) ? front::Service::kHttp1Only
                                                 : front::Service::kBothVersions;
  };
  const front::Route route = front::route(facts, find);
  if (const auto* alert = std::get_if<front::HelloAlert>(&route)) {
    return *alert == front::HelloAlert::kUnrecognizedName
               ? net::HelloRefusal::kUnrecognizedName
               : net::HelloRefusal::kNoApplicationProtocol;
  }
  net::Persona persona;
  if (const auto* granted = std::get_if<front::GrantRoute>(&route)) {
    const auto& live = live_.find(granted->host.text())->second;
    persona.identity = live->identity;
    persona.tickets = live->tickets;
    persona.tag = live->tag;
    persona.alpn = granted->alpn;
    return persona;
  }
  const bool manages = std::holds_alternative<front::ManageRoute>(route);
  persona.identity = bootstrap_;
  persona.alpn = manages ? wire::kAlpnManage : wire::kAlpnPair;
  persona.asks_client_certificate = manages;
  persona.tag = manages ? kManageTag : kPairTag;
  return persona;
}

std::shared_ptr<const LiveGrant> Device::live(const std::string& host, std::uint64_t tag) const {
  const auto at = live_.find(host);
  if (at == live_.end() || at->second->tag != tag ||
      !front::is_servable(at->second->grant,
                          gate_.trusted_now(at->second->grant.agent, clock_.mono_now()))) {
    return nullptr;
  }
  return at->second;
}

bool Device::is_live(const grant::GrantKey& key) const {
  return std::any_of(live_.begin(), live_.end(),
                     [&key](const auto& entry) { return entry.second->grant.grant_key() == key; });
}

std::vector<std::shared_ptr<const LiveGrant>> Device::live_grants() const {
  std::vector<std::shared_ptr<const LiveGrant>> all;
  for (const auto& [host, grant] : live_) {
    all.push_back(grant);
  }
  return all;
}

front::Decision Device::decide(const front::Request& request, const grant::DeviceGrant& grant) {
  const MonoTime now = clock_.mono_now();
  end_sessions(sessions_.expire(now));
  auto decision = desk_.decide(request, grant, now);
  if (const auto* answer = std::get_if<front::Answer>(&decision)) {
    end_sessions(answer->ended);
    if (watcher_ != nullptr) {
      watcher_->deadline_changed();
    }
  }
  return decision;
}

void Device::end_sessions(const std::vector<grant::SessionId>& sessions) {
  streams_.cut_sessions(sessions);
  if (sessions_ended_ && !sessions.empty()) {
    sessions_ended_(sessions);
  }
}

std::optional<std::string> Device::renewed_cookie(const std::string& cookie,
                                                  const grant::DeviceGrant& grant) {
  return desk_.renewed_cookie(cookie, grant, clock_.mono_now());
}

WallTime Device::best_time(const SpkiHash& agent) const {
  return gate_.trusted_now(agent, clock_.mono_now()).value_or(clock_.wall_now());
}

front::Answer Device::manage(const front::ManagementRequest& request) {
  auto outcome = management_.handle(request, clock_.wall_now(), clock_.mono_now());
  apply(request.agent, outcome.effects);
  return std::move(outcome.answer);
}

void Device::apply(const SpkiHash& agent, const front::ManagementEffects& effects) {
  if (effects.installed) {
    const auto grant = store_.find(agent, *effects.installed);
    if (grant && install(*grant)) {
      audit("granted", agent, effects.installed, grant->host.text());
    }
  }
  if (effects.suspended) {
    withdraw({agent, *effects.suspended});
    audit("suspended", agent, effects.suspended);
  }
  if (effects.resumed) {
    const auto grant = store_.find(agent, *effects.resumed);
    if (grant && grant->state == grant::State::kActive && !install(*grant)) {
      spdlog::error("the permission for {} cannot be served: its certificate does not fit its key",
                    grant->host.text());
    }
    audit("resumed", agent, effects.resumed);
  }
  if (effects.signs_in_anew) {
    // Whoever is signed in now did so elsewhere than was agreed.
    end_sessions(sessions_.close_all({agent, *effects.signs_in_anew}));
    const auto grant = store_.find(agent, *effects.signs_in_anew);
    if (grant && is_live(grant->grant_key()) && !install(*grant)) {
      withdraw(grant->grant_key());
    }
    audit("sign_in_agreed", agent, effects.signs_in_anew,
          grant && grant->sso ? grant->sso->issuer.text().substr(0, 200) : "");
  }
  for (const GrantId& grant : effects.ended) {
    end({agent, grant});
    audit("deleted", agent, grant);
  }
  if (effects.agent_ended) {
    reload_discovery_key();
    audit("agent_left", agent);
  }
}

std::unique_ptr<enroll::DeviceSession> Device::pairing_session(const Digest256& channel_binding) {
  return std::make_unique<enroll::DeviceSession>(window_, ledger_, identity_, random_,
                                                 channel_binding, clock_.mono_now());
}

void Device::on_paired() {
  note_window();
}

void Device::on_installed(const enroll::Installed& installed) {
  gate_.on_trusted_time(installed.agent, installed.agent_time, clock_.mono_now());
  if (!records_.seen(installed.agent, installed.agent_time)) {
    spdlog::error("the time of an agent could not be stored");
  }
  const auto grant = store_.find(installed.agent, installed.grant);
  if (grant && install(*grant)) {
    audit("paired", installed.agent, installed.grant, grant->host.text());
    spdlog::info("paired; {} is served", grant->host.text());
  }
}

bool Device::install(const grant::DeviceGrant& grant) {
  if (grant.state != grant::State::kActive || grant.suspended || grant.leaf.empty()) {
    return false;
  }
  auto identity = net::TlsIdentity::make(grant.key, {grant.leaf, grant.grant_ca});
  if (!identity) {
    spdlog::error("{}: {}", grant.host.text(), identity.error().detail);
    return false;
  }
  auto live = std::make_shared<LiveGrant>(LiveGrant{grant, *std::move(identity), nullptr, 0});
  const auto at = live_.find(grant.host.text());
  const bool renewed = at != live_.end() && at->second->grant.grant_key() == grant.grant_key();
  live->tickets = renewed ? at->second->tickets : net::TicketKey::make(random_);
  live->tag = renewed ? at->second->tag : next_tag_++;
  live_[grant.host.text()] = std::move(live);
  if (!renewed && watcher_ != nullptr) {
    watcher_->host_added(grant.host, !grant.origin);
  }
  return true;
}

// What the gate knows of used tickets stays: a grant that comes back takes none of them again.
void Device::withdraw(const grant::GrantKey& key) {
  end_sessions(sessions_.close_all(key));
  const auto at = std::find_if(live_.begin(), live_.end(), [&key](const auto& entry) {
    return entry.second->grant.grant_key() == key;
  });
  if (at == live_.end()) {
    return;
  }
  const auto ended = at->second;
  live_.erase(at);
  http1_only_.erase(ended->tag);
  streams_.cut_grant(ended->tag);
  if (watcher_ != nullptr) {
    watcher_->host_removed(ended->grant.host);
  }
  spdlog::info("the permission for {} is not served any more", ended->grant.host.text());
}

void Device::end(const grant::GrantKey& key) {
  withdraw(key);
  gate_.forget(key);
}

bool Device::remove_agent(const SpkiHash& agent, std::string kind) {
  const auto grants = records_.grants_of(agent);
  if (!records_.delete_agent(agent)) {
    return false;
  }
  for (const grant::DeviceGrant& grant : grants) {
    end(grant.grant_key());
  }
  reload_discovery_key();
  audit(std::move(kind), agent);
  return true;
}

void Device::reload_discovery_key() {
  const auto profile = store_.profile();
  if (profile && *profile) {
    identity_.discovery_key = (*profile)->discovery_key;
  }
  if (watcher_ != nullptr) {
    watcher_->announcement_changed();
  }
}

wire::Result<void> Device::open_window(pairing::PairingWindow::Secret secret,
                                       std::chrono::milliseconds length,
                                       const std::optional<SpkiHash>& by) {
  auto opened = window_.open(std::move(secret), length, clock_.mono_now());
  if (opened) {
    opener_ = by;
    audit("window_opened", by);
  }
  note_window();
  return opened;
}

void Device::close_window() {
  window_.close(clock_.mono_now());
  note_window();
}

void Device::note_window() {
  const bool open = window_.is_open(clock_.mono_now());
  const bool changed = open != window_was_open_;
  window_was_open_ = open;
  if (!open) {
    opener_.reset();
  }
  if (watcher_ == nullptr) {
    return;
  }
  watcher_->deadline_changed();
  if (changed) {
    watcher_->announcement_changed();
    if (!open) {
      watcher_->window_closed();
    }
  }
}

void Device::on_time() {
  const MonoTime now = clock_.mono_now();
  end_sessions(sessions_.expire(now));
  if (window_.deadline() && now >= *window_.deadline()) {
    window_.close(now);
  }
  note_window();
  if (now >= next_sweep_) {
    next_sweep_ = now + kSweep;
    drop_unconfirmed();
  }
}

void Device::drop_unconfirmed() {
  const auto dropped =
      store_.drop_unconfirmed(clock_.wall_now() - kUnconfirmedLife, random_.bytes<32>());
  if (!dropped) {
    spdlog::error("permissions that nobody confirmed could not be dropped: {}",
                  dropped.error().detail);
    return;
  }
  for (const grant::DeviceGrant& grant : *dropped) {
    end(grant.grant_key());
  }
  if (!dropped->empty()) {
    reload_discovery_key();
  }
}

std::optional<MonoTime> Device::next_deadline() const {
  MonoTime next = next_sweep_;
  for (const auto& other : {sessions_.deadline(), window_.deadline()}) {
    if (other) {
      next = std::min(next, *other);
    }
  }
  return next;
}

void Device::audit(std::string kind, std::optional<SpkiHash> agent, std::optional<GrantId> grant,
                   std::string detail) {
  const auto done = store_.record({0, clock_.wall_now(), std::move(agent), std::move(kind),
                                   std::move(grant), std::move(detail)});
  if (!done) {
    spdlog::error("the audit trail could not be written: {}", done.error().detail);
  }
}

}  // namespace latchkey::device
