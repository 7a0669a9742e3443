// A DeviceLedger in memory that outlives sessions, as a disk would.
#pragma once

#include <map>
#include <utility>

#include "enroll/device.h"

namespace latchkey::testing {

class MemoryDeviceLedger final : public enroll::DeviceLedger {
 public:
  std::optional<grant::DeviceGrant> find(const SpkiHash& agent, const GrantId& id) override {
    const auto it = grants.find({agent, id});
    return it == grants.end() ? std::nullopt : std::optional(it->second);
  }
  std::optional<grant::DeviceGrant> find_host(const HostName& host) override {
    for (const auto& [key, grant] : grants) {
      if (grant.host == host) {
        return grant;
      }
    }
    return std::nullopt;
  }
  bool add_pending(const grant::BoundAgent& agent, const grant::DeviceGrant& grant) override {
    if (broken) {
      return false;
    }
    agents.insert_or_assign(agent.key_hash, agent);
    return grants.emplace(std::pair(grant.agent, grant.id), grant).second;
  }
  bool update(const grant::DeviceGrant& grant) override {
    if (broken) {
      return false;
    }
    grants.insert_or_assign({grant.agent, grant.id}, grant);
    return true;
  }
  std::size_t count(const SpkiHash& agent) override {
    std::size_t number = 0;
    for (const auto& [key, grant] : grants) {
      number += key.first == agent ? std::size_t{1} : 0;
    }
    return number;
  }

  std::map<SpkiHash, grant::BoundAgent> agents;
  std::map<std::pair<SpkiHash, GrantId>, grant::DeviceGrant> grants;
  bool broken = false;
};

}  // namespace latchkey::testing
