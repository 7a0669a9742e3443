#include "agent/upkeep.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "agent/desk.h"

namespace latchkey::agent {
namespace {

// How long a device keeps a grant that no management contact has confirmed.
constexpr seconds kUnconfirmedLife{86400};

// Over one connection go at most so many renewals: another device waits for its turn.
constexpr std::size_t kMaxRenewals = 64;
constexpr std::chrono::milliseconds kTryAgain = std::chrono::minutes(1);

bool may_be_visited(const std::optional<grant::Binding>& binding) {
  return binding && !binding->reset && binding->bound_at != WallTime{};
}

}  // namespace

// What is due, by device, in the order of urgency.
struct Upkeep::Work {
  std::map<DeviceId, Visit> visits;
  std::vector<DeviceId> order;

  // Nothing for a device that cannot be visited.
  Visit* of(Records& records, const DeviceId& device) {
    const auto known = visits.find(device);
    if (known != visits.end()) {
      return &known->second;
    }
    if (unusable.contains(device)) {
      return nullptr;
    }
    auto binding = records.binding(device);
    if (!may_be_visited(binding)) {
      unusable.insert(device);
      return nullptr;
    }
    order.push_back(device);
    return &visits.emplace(device, Visit{*std::move(binding), {}, {}, {}, {}, {}, false})
                .first->second;
  }

 private:
  std::set<DeviceId> unusable;
};

Upkeep::Work Upkeep::collect(Records& records, WallTime wall) const {
  Work work;
  for (const OwedDeletion& owed : records.owed()) {
    if (auto* visit = work.of(records, owed.device)) {
      visit->tell_ended.push_back(owed);
    }
  }
  for (const grant::Standing& grant : records.news(wall - kUnconfirmedLife)) {
    const auto past = visits_.find(grant.device);
    const WallTime checked = past == visits_.end() ? WallTime{} : past->second.checked;
    const bool active = grant.state == grant::State::kActive;
    // Remembered longer than it is news.
    const bool young =
        active && grant.created >= checked && wall - grant.created < kUnconfirmedLife;
    const bool told = grant.told_held != active;
    if (young || !told) {
      if (auto* visit = work.of(records, grant.device)) {
        visit->check_in = visit->check_in || young;
        if (!told) {
          (active ? visit->release : visit->hold).push_back(grant.id);
        }
      }
    }
  }
  if (records.oldest_pending()) {
    for (const grant::AgentGrant& grant : records.pending()) {
      if (auto* visit = work.of(records, grant.device)) {
        visit->complete.push_back(grant.id);
      }
    }
  }
  for (const grant::Standing& grant : records.renewals_due(wall)) {
    auto* visit = work.of(records, grant.device);
    if (visit != nullptr && visit->renew.size() < kMaxRenewals) {
      visit->renew.push_back(grant.id);
    }
  }
  return work;
}

std::optional<Visit> Upkeep::due_for(Records& records, const DeviceId& device, WallTime wall) {
  Work work = collect(records, wall);
  const auto found = work.visits.find(device);
  return found == work.visits.end() ? std::nullopt : std::optional(std::move(found->second));
}

std::size_t Upkeep::busy() const {
  return static_cast<std::size_t>(std::count_if(visits_.begin(), visits_.end(),
                                                [](const auto& one) { return one.second.busy; }));
}

std::vector<Visit> Upkeep::due(Records& records, WallTime wall, MonoTime mono) {
  std::vector<Visit> visits;
  std::size_t busy = this->busy();
  crowded_ = false;
  Work work = collect(records, wall);
  for (const DeviceId& device : work.order) {
    const auto past = visits_.find(device);
    if (past != visits_.end() && past->second.busy) {
      past->second.missed = true;
    } else if (past != visits_.end() && past->second.next > mono) {
      continue;
    } else if (busy >= kMaxVisits) {
      crowded_ = true;
    } else {
      ++busy;
      visits.push_back(std::move(work.visits.at(device)));
    }
  }
  for (OwedForgetting& owed : records.owed_forgettings()) {
    const DeviceId& device = owed.binding.device;
    const auto past = visits_.find(device);
    const bool visited = std::any_of(visits.begin(), visits.end(), [&](const Visit& visit) {
      return visit.binding.device == device;
    });
    // One visit to a device at a time: it may have been paired anew since.
    if (visited || (past != visits_.end() && past->second.busy)) {
      visits_[device].missed = true;
    } else if (past != visits_.end() && past->second.next > mono) {
      continue;
    } else if (busy >= kMaxVisits) {
      crowded_ = true;
    } else {
      ++busy;
      const grant::Binding binding = owed.binding;
      visits.push_back({binding, {}, {}, {}, {}, {}, false, std::move(owed)});
    }
  }
  return visits;
}

std::chrono::milliseconds Upkeep::idle(Records& records, WallTime wall, MonoTime mono) const {
  std::chrono::milliseconds wait = kLongestSleep;
  const auto until = [&](std::chrono::milliseconds time) {
    // What should be over already could not be stored.
    wait = std::min(wait, time.count() > 0 ? time : kTryAgain);
  };
  // What is due by now is under way, or waits for a device that was away, or for a turn.
  if (const auto next = records.next_renewal(wall)) {
    until(*next - wall);
  }
  if (const auto oldest = records.oldest_pending()) {
    until(*oldest + kPendingLife - wall);
  }
  if (const auto first = records.next_purge()) {
    until(*first - wall);
  }
  for (const auto& [device, past] : visits_) {
    if (!past.busy && past.next > mono) {
      until(past.next - mono);
    }
  }
  return wait;
}

bool Upkeep::end(const DeviceId& device, bool well, MonoTime mono) {
  Past& past = visits_[device];
  past.busy = false;
  past.wait =
      well ? std::chrono::milliseconds(0) : std::clamp(past.wait * 2, kFirstRetry, kLastRetry);
  past.next = mono + past.wait;
  // One that did not go well comes again when its time has come.
  const bool missed = std::exchange(past.missed, false) && well;
  return std::exchange(crowded_, false) || missed;
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
