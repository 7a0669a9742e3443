#include "agent/upkeep.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace latchkey::agent {
namespace {

// How long a device keeps a grant that no management contact has confirmed.
constexpr seconds kUnconfirmedLife{86400};

bool is_empty(const Visit& visit) {
  return visit.hold.empty() && visit.release.empty() && !visit.check_in &&
         visit.tell_ended.empty() && visit.complete.empty() && visit.renew.empty();
}

// The device must hear that a grant rests, or is back. What it has forgotten it need not be told.
bool is_told(const grant::AgentGrant& grant) {
  const bool held =
      grant.state == grant::State::kSuspended && grant.hold != grant::Hold::kDeviceReset;
  return held == grant.told_held;
}

}  // namespace

std::optional<Visit> Upkeep::due_for(Records& records, const DeviceId& device, WallTime wall) {
  const auto binding = records.binding(device);
  if (!binding || binding->reset || binding->bound_at == WallTime{}) {
    return std::nullopt;
  }
  Visit visit{*binding, {}, {}, {}, {}, {}, false};
  const auto past = visits_.find(device);
  const WallTime checked = past == visits_.end() ? WallTime{} : past->second.checked;
  for (const OwedDeletion& owed : records.owed()) {
    if (owed.device == device) {
      visit.tell_ended.push_back(owed);
    }
  }
  for (const grant::AgentGrant& grant : records.grants()) {
    if (grant.device != device) {
      continue;
    }
    if (grant.state == grant::State::kPending) {
      visit.complete.push_back(grant.id);
    } else if (grant.state == grant::State::kActive && grant.renew_at <= wall) {
      visit.renew.push_back(grant.id);
    }
    if (grant.state != grant::State::kRevoked && !is_told(grant)) {
      (grant.told_held ? visit.release : visit.hold).push_back(grant.id);
    }
    if (grant.state == grant::State::kActive && grant.created >= checked &&
        wall - grant.created < kUnconfirmedLife) {
      visit.check_in = true;
    }
  }
  return is_empty(visit) ? std::nullopt : std::optional(std::move(visit));
}

std::vector<Visit> Upkeep::due(Records& records, WallTime wall, MonoTime mono) {
  std::vector<Visit> visits;
  for (const grant::Binding& binding : records.bindings()) {
    const auto past = visits_.find(binding.device);
    if (past != visits_.end() && (past->second.busy || past->second.next > mono)) {
      past->second.missed = past->second.busy;
      continue;
    }
    if (auto visit = due_for(records, binding.device, wall)) {
      visits.push_back(*std::move(visit));
    }
  }
  for (OwedForgetting& owed : records.owed_forgettings()) {
    const DeviceId& device = owed.binding.device;
    const auto past = visits_.find(device);
    const bool waits = past != visits_.end() && (past->second.busy || past->second.next > mono);
    // One visit to a device at a time: it may have been paired anew since.
    if (!waits && std::none_of(visits.begin(), visits.end(), [&](const Visit& visit) {
          return visit.binding.device == device;
        })) {
      const grant::Binding binding = owed.binding;
      visits.push_back({binding, {}, {}, {}, {}, {}, false, std::move(owed)});
    }
  }
  return visits;
}

bool Upkeep::end(const DeviceId& device, bool well, MonoTime mono) {
  Past& past = visits_[device];
  past.busy = false;
  past.wait =
      well ? std::chrono::milliseconds(0) : std::clamp(past.wait * 2, kFirstRetry, kLastRetry);
  past.next = mono + past.wait;
  // One that did not go well comes again when its time has come.
  return std::exchange(past.missed, false) && well;
}

bool Upkeep::on_time(WallTime wall, MonoTime mono) {
  bool jumped = false;
  if (wall_ && mono_) {
    const std::chrono::milliseconds drift = (wall - *wall_) - (mono - *mono_);
    jumped = drift > kJump || drift < -kJump;
  }
  wall_ = wall;
  mono_ = mono;
  if (jumped) {
    for (auto& [device, past] : visits_) {
      past.wait = std::chrono::milliseconds(0);
      past.next = mono;
    }
  }
  return jumped;
}

}  // namespace latchkey::agent
