// How grants end, rest and come back; desk.cc makes and renews them.
#include <algorithm>
#include <utility>

#include "agent/desk.h"
#include "agent/sentinel.h"

namespace latchkey::agent {

using grant::AgentGrant;
using grant::State;
using wire::ErrorCode;

std::optional<AgentGrant> GrantDesk::revoke(const GrantId& id) {
  const auto grant = records_.grant(id);
  if (!grant || grant->state == State::kRevoked) {
    return std::nullopt;
  }
  if (grant->state == State::kPending && grant->leaf.empty()) {
    records_.discard(id);
    return std::nullopt;
  }
  return records_.revoke(id, block_until(*grant)) ? records_.grant(id) : std::nullopt;
}

Result<AgentGrant> GrantDesk::set_paused(const GrantId& id, bool paused) {
  const auto grant = records_.grant(id);
  if (!grant || (grant->state != State::kActive && grant->state != State::kSuspended) ||
      grant->hold == grant::Hold::kDeviceReset) {
    return fail(error(ErrorCode::kNotGranted));
  }
  // A revocation that could not be stored when it came must not be skipped by going on now.
  const auto demanded = demanded_hold(trust(), *grant, records_.binding(grant->device));
  if ((!paused && demanded && grant->hold != demanded && !records_.suspend(id, *demanded)) ||
      (grant->paused != paused && !records_.set_paused(id, paused))) {
    return fail(error(ErrorCode::kInternal));
  }
  return *records_.grant(id);
}

std::optional<AgentGrant> GrantDesk::unpause(const Wish& wish, const DeviceId& device) {
  for (const AgentGrant& grant : records_.grants_of_device(device)) {
    if (grant.hold == grant::Hold::kPaused && is_for(grant, wish, device)) {
      const auto back = set_paused(grant.id, false);
      return back ? std::optional(*back) : std::nullopt;
    }
  }
  return std::nullopt;
}

Result<std::vector<AgentGrant>> GrantDesk::forget(const DeviceId& device, const Sight& sight) {
  std::vector<GrantId> ending;
  bool others = false;
  WallTime blocked = now();
  for (const AgentGrant& grant : records_.grants_of_device(device)) {
    if (grant.state == State::kRevoked) {
      continue;
    }
    if (!sight.sees(grant::standing_of(grant))) {
      others = true;
    } else {
      ending.push_back(grant.id);
      blocked = std::max(blocked, block_until(grant));
    }
  }
  if (!records_.binding(device) || (!sight.everything && ending.empty())) {
    return fail(error(ErrorCode::kNotGranted));
  }
  if (!others && !records_.forget_device(device, blocked)) {
    return fail(error(ErrorCode::kInternal));
  }
  std::vector<AgentGrant> ended;
  for (const GrantId& id : ending) {
    if (others) {
      revoke(id);
    }
    if (auto gone = records_.grant(id)) {
      if (gone->state != State::kRevoked) {
        return fail(error(ErrorCode::kInternal));
      }
      ended.push_back(*std::move(gone));
    }
  }
  return ended;
}

std::vector<AgentGrant> GrantDesk::device_forgot(const DeviceId& device) {
  std::vector<AgentGrant> suspended;
  const auto before = records_.grants_of_device(device);
  if (!records_.mark_reset(device)) {
    return suspended;
  }
  for (const AgentGrant& grant : before) {
    if (has_ended(grant)) {
      continue;
    }
    if (grant.state == State::kPending) {
      revoke(grant.id);
    }
    if (auto after = records_.grant(grant.id)) {
      suspended.push_back(*std::move(after));
    }
  }
  for (const OwedDeletion& owed : records_.owed()) {
    if (owed.device == device) {
      records_.settle(owed);
    }
  }
  return suspended;
}

std::optional<AgentGrant> GrantDesk::device_dropped(const GrantId& id) {
  const auto grant = records_.grant(id);
  if (!grant || has_ended(*grant)) {
    return std::nullopt;
  }
  if (grant->state == State::kPending) {
    revoke(id);
  } else if (!records_.suspend(id, grant::Hold::kDeviceReset)) {
    return std::nullopt;
  }
  return records_.grant(id);
}

void GrantDesk::sweep() {
  if (const auto oldest = records_.oldest_pending(); oldest && now() - *oldest >= kPendingLife) {
    for (const AgentGrant& grant : records_.pending()) {
      if (now() - grant.created >= kPendingLife) {
        revoke(grant.id);
      }
    }
  }
  if (const auto first = records_.next_purge(); first && *first <= now()) {
    records_.purge();
  }
}

}  // namespace latchkey::agent
