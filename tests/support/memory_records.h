// The agent's records in memory, with the same rules as its store: one live grant per host, a host
// for one (device, origin), revoked grants stay until their block is over.
#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "agent/ports.h"
#include "grant/renewal_time.h"

namespace latchkey::testing {

class FixedClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall_now() const override { return wall; }
  [[nodiscard]] MonoTime mono_now() const override { return mono; }
  void pass(seconds time) {
    wall = wall + time;
    mono = mono + time;
  }
  WallTime wall{1'800'000'000};
  MonoTime mono{1000};
};

class MemoryRecords final : public agent::Records {
 public:
  MemoryRecords(Random& random, const Clock& clock)
      : clock_(clock),
        root_(pki::make_user_root(crypto::PrivateKey::generate(), {}, clock.wall_now(), random)
                  .value()) {
    random.fill(secret_.writable());
  }

  ByteSpan user_secret() override { return secret_.span(); }
  const pki::Authority& user_root() override { return root_; }
  std::vector<grant::Binding> bindings() override { return bindings_; }
  std::optional<grant::Binding> binding(const DeviceId& device) override {
    for (const auto& one : bindings_) {
      if (one.device == device) {
        return one;
      }
    }
    return std::nullopt;
  }
  bool update_binding(const grant::Binding& binding) override {
    for (auto& one : bindings_) {
      if (one.device == binding.device) {
        one = binding;
        return !broken;
      }
    }
    return false;
  }
  bool mark_reset(const DeviceId& device) override {
    auto known = binding(device);
    if (!known || broken) {
      return false;
    }
    known->reset = true;
    update_binding(*known);
    for (auto& one : grants_) {
      if (one.device == device &&
          (one.state == grant::State::kActive || one.state == grant::State::kSuspended)) {
        grant::hold_back(one, grant::Hold::kDeviceReset);
        one.told_held = false;
      }
    }
    return true;
  }
  std::vector<grant::AgentGrant> grants() {
    rows_read += grants_.size();
    return grants_;
  }
  std::vector<grant::AgentGrant> grants_of_device(const DeviceId& device) override {
    return those([&](const auto& one) { return one.device == device; });
  }
  std::vector<grant::AgentGrant> grants_of_host(const HostName& host) override {
    return those([&](const auto& one) { return one.host == host; });
  }
  std::optional<std::vector<grant::AgentGrant>> grants_page(const Page& page) override {
    if (page.after && find(*page.after) == nullptr) {
      return std::nullopt;
    }
    bool begun = !page.after;
    auto found = those([&](const auto& one) {
      const bool now = begun;
      begun = begun || one.id == *page.after;
      return now;
    });
    found.erase(found.begin() + static_cast<std::ptrdiff_t>(std::min(found.size(), page.at_most)),
                found.end());
    return found;
  }
  std::size_t grant_count() override { return grants_.size(); }
  std::vector<grant::Standing> renewals_due(WallTime now) override {
    auto due = standing([&](const auto& one) {
      return one.state == grant::State::kActive &&
             (one.renew_at <= now || one.renew_at > now + grant::kLongestWait);
    });
    std::stable_sort(due.begin(), due.end(),
                     [](const auto& a, const auto& b) { return a.renew_at < b.renew_at; });
    return due;
  }
  std::optional<WallTime> next_renewal(WallTime after) override {
    return earliest([&](const auto& one) {
      return one.state == grant::State::kActive && one.renew_at > after ? one.renew_at : WallTime{};
    });
  }
  std::vector<grant::AgentGrant> pending() override {
    return those([](const auto& one) { return one.state == grant::State::kPending; });
  }
  std::optional<WallTime> oldest_pending() override {
    return earliest([](const auto& one) {
      return one.state == grant::State::kPending ? one.created : WallTime{};
    });
  }
  std::optional<WallTime> next_purge() override {
    return earliest([](const auto& one) {
      return one.state == grant::State::kRevoked ? one.block_until : WallTime{};
    });
  }
  std::vector<grant::Standing> news(WallTime since) override {
    return standing([&](const auto& one) {
      const bool active = one.state == grant::State::kActive;
      const bool held =
          one.state == grant::State::kSuspended && one.hold != grant::Hold::kDeviceReset;
      return (active || one.state == grant::State::kSuspended) &&
             ((active && one.created > since) || held != one.told_held);
    });
  }
  std::vector<grant::Standing> standings() override {
    return standing([](const auto& one) { return one.state != grant::State::kRevoked; });
  }
  std::optional<grant::AgentGrant> grant(const GrantId& id) override {
    const auto* found = find(id);
    return found == nullptr ? std::nullopt : std::optional(*found);
  }
  bool save_pending(const grant::Binding& binding, const grant::AgentGrant& grant) override {
    for (const auto& one : grants_) {
      if (one.host == grant.host && one.id != grant.id &&
          (one.state != grant::State::kRevoked || one.device != grant.device ||
           one.origin != grant.origin)) {
        return false;
      }
    }
    if (broken) {
      return false;
    }
    if (!update_binding(binding)) {
      bindings_.push_back(binding);
    }
    if (auto* found = find(grant.id)) {
      *found = grant;
    } else {
      grants_.push_back(grant);
    }
    return true;
  }
  bool save_issued(const grant::Binding& binding, const grant::AgentGrant& grant) override {
    return save_pending(binding, grant);
  }
  bool activate(const GrantId& id, std::uint16_t port) override {
    return change(id, [&](grant::AgentGrant& one) {
      one.state = grant::State::kActive;
      one.port = port;
    });
  }
  bool save_renewed(const grant::AgentGrant& grant) override {
    return change(grant.id, [&](grant::AgentGrant& one) {
      unconfirmed_[grant.id] = grant::carry_over(unconfirmed_[grant.id], one, grant);
      one.ca_key = grant.ca_key;
      one.ca_certificate = grant.ca_certificate;
      one.leaf = grant.leaf;
      one.not_after = grant.not_after;
      one.renew_at = grant.renew_at;
      one.port = grant.port;
    });
  }
  grant::Unconfirmed unconfirmed(const GrantId& id) override {
    const auto found = unconfirmed_.find(id);
    return found == unconfirmed_.end() ? grant::Unconfirmed{} : found->second;
  }
  bool suspend(const GrantId& id, grant::Hold hold) override {
    return change(id, [&](grant::AgentGrant& one) { return grant::hold_back(one, hold); });
  }
  bool resume(const GrantId& id) override {
    return change(id, [&](grant::AgentGrant& one) { return grant::lift_hold(one); });
  }
  bool set_paused(const GrantId& id, bool paused) override {
    return change(id, [&](grant::AgentGrant& one) { return grant::set_paused(one, paused); });
  }
  bool told_held(const GrantId& id, bool held) override {
    return change(id, [&](grant::AgentGrant& one) { one.told_held = held; });
  }
  bool revoke(const GrantId& id, WallTime block_until) override {
    const bool changed = change(id, [&](grant::AgentGrant& one) {
      one.state = grant::State::kRevoked;
      one.block_until = block_until;
      one.paused = false;
    });
    if (changed) {
      owed_.push_back({next_owed_++, find(id)->device, id});
    }
    return changed;
  }
  bool discard(const GrantId& id) override {
    const auto before = grants_.size();
    std::erase_if(grants_, [&](const auto& one) { return one.id == id; });
    return grants_.size() != before;
  }
  void touch(const GrantId& id, WallTime used) override {
    change(id, [&](grant::AgentGrant& one) { one.last_used = used; });
  }
  void purge() override {
    std::erase_if(grants_, [&](const auto& one) {
      return one.state == grant::State::kRevoked && one.block_until < clock_.wall_now();
    });
  }
  std::vector<agent::OwedDeletion> owed() override { return owed_; }
  bool settle(const agent::OwedDeletion& owed) override {
    return std::erase_if(owed_, [&](const auto& one) { return one.id == owed.id; }) > 0;
  }
  bool forget_device(const DeviceId& device, WallTime block_until) override {
    const auto known = binding(device);
    if (!known || broken) {
      return false;
    }
    for (auto& one : grants_) {
      if (one.device == device && one.state != grant::State::kRevoked) {
        one.state = grant::State::kRevoked;
        one.block_until = block_until;
        one.paused = false;
      }
    }
    std::erase_if(owed_, [&](const auto& one) { return one.device == device; });
    if (!known->reset) {
      forgotten_.push_back({next_owed_++, *known});
    }
    std::erase_if(bindings_, [&](const auto& one) { return one.device == device; });
    return true;
  }
  std::vector<agent::OwedForgetting> owed_forgettings() override { return forgotten_; }
  bool settle(const agent::OwedForgetting& owed) override {
    return std::erase_if(forgotten_, [&](const auto& one) { return one.id == owed.id; }) > 0;
  }

  // As it stands, whatever it is.
  void add(const grant::AgentGrant& grant) { grants_.push_back(grant); }

  bool broken = false;        // the disk takes nothing more
  std::size_t rows_read = 0;  // grants that were handed out in lists

 private:
  template <class F>
  std::vector<grant::AgentGrant> those(F which) {
    std::vector<grant::AgentGrant> found;
    std::copy_if(grants_.begin(), grants_.end(), std::back_inserter(found), which);
    rows_read += found.size();
    return found;
  }
  template <class F>
  std::vector<grant::Standing> standing(F which) {
    std::vector<grant::Standing> found;
    for (const auto& one : grants_) {
      if (which(one)) {
        found.push_back(grant::standing_of(one));
      }
    }
    rows_read += found.size();
    return found;
  }
  template <class F>
  std::optional<WallTime> earliest(F time_of) {
    std::optional<WallTime> first;
    for (const auto& one : grants_) {
      const WallTime time = time_of(one);
      if (time != WallTime{} && (!first || time < *first)) {
        first = time;
      }
    }
    return first;
  }
  grant::AgentGrant* find(const GrantId& id) {
    const auto found =
        std::find_if(grants_.begin(), grants_.end(), [&](const auto& one) { return one.id == id; });
    return found == grants_.end() ? nullptr : &*found;
  }
  template <class F>
  bool change(const GrantId& id, F how) {
    auto* found = find(id);
    if (found == nullptr || broken) {
      return false;
    }
    if constexpr (std::is_void_v<decltype(how(*found))>) {
      how(*found);
      return true;
    } else {
      return how(*found);
    }
  }
  const Clock& clock_;
  SecretBytes secret_{32};
  pki::Authority root_;
  std::map<GrantId, grant::Unconfirmed> unconfirmed_;
  std::vector<grant::Binding> bindings_;
  std::vector<grant::AgentGrant> grants_;
  std::vector<agent::OwedDeletion> owed_;
  std::vector<agent::OwedForgetting> forgotten_;
  std::int64_t next_owed_ = 1;
};

}  // namespace latchkey::testing
