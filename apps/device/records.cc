#include "device/records.h"

namespace latchkey::device {

std::optional<grant::DeviceGrant> Ledger::find(const SpkiHash& agent, const GrantId& id) {
  return store_.find(agent, id);
}

std::optional<grant::DeviceGrant> Ledger::find_host(const HostName& host) {
  return store_.find_host(host);
}

bool Ledger::add_pending(const grant::BoundAgent& agent, const grant::DeviceGrant& grant) {
  return store_.add_pending(agent, grant);
}

bool Ledger::update(const grant::DeviceGrant& grant) {
  return store_.update(grant);
}

std::size_t Ledger::count(const SpkiHash& agent) {
  return store_.count(agent);
}

std::optional<grant::BoundAgent> Records::agent(const SpkiHash& key) {
  return store_.agent(key).value_or(std::nullopt);
}

bool Records::seen(const SpkiHash& agent, WallTime agent_now) {
  return store_.seen(agent, agent_now).has_value();
}

std::vector<grant::BoundAgent> Records::agents() {
  return store_.agents().value_or(std::vector<grant::BoundAgent>());
}

std::vector<grant::DeviceGrant> Records::grants_of(const SpkiHash& agent) {
  return store_.grants_of(agent).value_or(std::vector<grant::DeviceGrant>());
}

bool Records::confirm(const SpkiHash& agent, const GrantId& grant) {
  return store_.confirm({agent, grant}).has_value();
}

bool Records::set_suspended(const SpkiHash& agent, const GrantId& grant, bool suspended) {
  return store_.set_suspended({agent, grant}, suspended).has_value();
}

bool Records::set_sign_in(const SpkiHash& agent, const GrantId& grant, const SignInOffer& sso) {
  return store_.set_sign_in({agent, grant}, sso).has_value();
}

bool Records::delete_grant(const SpkiHash& agent, const GrantId& grant) {
  const auto deleted = store_.delete_grant({agent, grant});
  return deleted || deleted.error().code == store::ErrorCode::kNotFound;
}

bool Records::delete_agent(const SpkiHash& agent) {
  const auto deleted = store_.delete_agent(agent, random_.bytes<32>());
  return deleted || deleted.error().code == store::ErrorCode::kNotFound;
}

std::vector<front::AuditLine> Records::audit(std::size_t at_most) {
  std::vector<front::AuditLine> lines;
  for (const store::AuditEvent& event :
       store_.audit(at_most).value_or(std::vector<store::AuditEvent>())) {
    lines.push_back({event.time, event.agent, event.kind, event.grant, event.detail});
  }
  return lines;
}

std::uint64_t Records::number(const SpkiHash& agent) {
  if (!people_) {
    std::vector<SpkiHash> bound;
    for (const auto& one : agents()) {
      bound.push_back(one.key_hash);
    }
    people_.emplace(bound, audit(store::DeviceStore::kMaxAuditEvents));
  }
  return people_->number(agent);
}

}  // namespace latchkey::device
