#include "agent/sentinel.h"

#include <algorithm>
#include <map>

namespace latchkey::agent {
namespace {

using attest::DeviceState;
using attest::OriginState;
using grant::AgentGrant;
using grant::Hold;
using grant::State;

bool every_provider_was_read(const attest::Trust& trust) {
  return std::none_of(trust.providers().begin(), trust.providers().end(),
                      [](const attest::ProviderView& view) { return view.snapshot == nullptr; });
}

// What was asked of one device or origin is not asked again for the next grant: judging a device
// means checking a chain of certificates.
class Judge {
 public:
  explicit Judge(GrantDesk& desk) : desk_(desk) {}

  std::optional<Hold> hold(const grant::Standing& grant) {
    const auto origin = origin_hold(desk_.trust(), grant.origin);
    if (origin == Hold::kOriginRevoked) {
      return origin;
    }
    auto known = devices_.find(grant.device);
    if (known == devices_.end()) {
      const auto binding = desk_.records().binding(grant.device);
      known = devices_.emplace(grant.device, is_device_revoked(desk_.trust(), binding)).first;
    }
    return known->second ? std::optional(Hold::kDeviceRevoked) : origin;
  }

  static std::optional<Hold> origin_hold(const attest::Trust& trust,
                                         const std::optional<Origin>& origin) {
    const auto state = origin ? trust.origin(*origin).state : OriginState::kKnown;
    if (state == OriginState::kRevoked) {
      return Hold::kOriginRevoked;
    }
    return state == OriginState::kSuspended ? std::optional(Hold::kOriginSuspended) : std::nullopt;
  }
  static bool is_device_revoked(const attest::Trust& trust,
                                const std::optional<grant::Binding>& binding) {
    const auto evidence = binding ? evidence_of(*binding) : std::nullopt;
    return evidence && trust.device(&*evidence).state == DeviceState::kRevoked;
  }

 private:
  GrantDesk& desk_;
  std::map<DeviceId, bool> devices_;
};

}  // namespace

std::optional<attest::Evidence> evidence_of(const grant::Binding& binding) {
  if (binding.evidence.empty()) {
    return std::nullopt;
  }
  auto evidence = attest::decode_evidence(binding.evidence);
  return evidence ? std::optional(*std::move(evidence)) : std::nullopt;
}

std::optional<Hold> demanded_hold(const attest::Trust& trust, const AgentGrant& grant,
                                  const std::optional<grant::Binding>& binding) {
  const auto origin = Judge::origin_hold(trust, grant.origin);
  if (origin == Hold::kOriginRevoked) {
    return origin;
  }
  return Judge::is_device_revoked(trust, binding) ? std::optional(Hold::kDeviceRevoked) : origin;
}

wire::ErrorCode code_of(Hold hold) {
  switch (hold) {
    case Hold::kOriginSuspended:
    case Hold::kOriginRevoked:
      return wire::ErrorCode::kOriginRevoked;
    case Hold::kDeviceRevoked:
      return wire::ErrorCode::kDeviceRevoked;
    case Hold::kDeviceReset:
    case Hold::kPaused:  // to a page it is as if it were taken back
      break;
  }
  return wire::ErrorCode::kNotGranted;
}

std::vector<AgentGrant> enforce(GrantDesk& desk, bool* complete) {
  Records& records = desk.records();
  const bool may_lift = every_provider_was_read(desk.trust());
  Judge judge(desk);
  std::vector<AgentGrant> changed;
  bool all = true;
  for (const grant::Standing& grant : records.standings()) {
    if (grant.hold == Hold::kDeviceReset) {
      continue;
    }
    const auto hold = judge.hold(grant);
    bool done = false;
    if (grant.state == State::kPending) {
      done = hold && desk.revoke(grant.id);
      all = all && (!hold || done || !records.grant(grant.id));
    } else if (hold && grant.hold != hold) {
      done = records.suspend(grant.id, *hold);
      all = all && done;
    } else if (!hold && grant.state == State::kSuspended && grant.hold != Hold::kPaused &&
               may_lift) {
      done = records.resume(grant.id);
      all = all && done;
    }
    if (auto now = done ? records.grant(grant.id) : std::nullopt) {
      changed.push_back(*std::move(now));
    }
  }
  if (complete != nullptr) {
    *complete = all;
  }
  return changed;
}

}  // namespace latchkey::agent
