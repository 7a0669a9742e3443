// The inside of AgentStore, shared by the files that implement it. Internal to src/store.
#pragma once

#include <map>

#include "store/agent_tables.h"

namespace latchkey::store {

struct AgentStore::State {
  Vault vault;
  std::map<GrantId, WallTime> touched;
  // What news() found: nothing until it is asked, and after each change that may make some.
  struct News {
    WallTime since;
    std::vector<grant::Standing> found;
  };
  std::optional<News> heard;

  // One transaction; what touch() remembers goes along.
  template <class F>
  Result<void> change(F&& work) {
    heard.reset();
    return change_quietly(std::forward<F>(work));
  }
  // The same for what makes no news.
  template <class F>
  Result<void> change_quietly(F&& work) {
    auto done = vault.write([&] {
      std::forward<F>(work)();
      write_touches();
    });
    if (done) {
      touched.clear();
    }
    return done;
  }

  Result<void> write_touches_only() {
    auto done = vault.write_quietly([&] { write_touches(); });
    if (done) {
      touched.clear();
    }
    return done;
  }

  // All of these throw.
  void write_touches();
  std::optional<grant::Binding> find_binding(const DeviceId& device);
  std::optional<grant::AgentGrant> find_grant(const GrantId& id);
  grant::AgentGrant need_grant(const GrantId& id);
  // With last_used filled in.
  std::vector<grant::AgentGrant> select_grants(const std::string& where, const Row& arguments);
  // The grant's row, and whether it is paused.
  void put_held(const grant::AgentGrant& grant);
  std::vector<grant::Standing> select_standings(const std::string& where, const Row& arguments);
  void save(const grant::Binding& binding, const grant::AgentGrant& grant, WallTime now);
  void claim_host(const grant::AgentGrant& grant, WallTime now);
  void owe_deletion(const grant::Binding& binding, const std::optional<GrantId>& grant,
                    WallTime now);
  void end_grant(grant::AgentGrant grant, const Ending& ending);
  void discard(const GrantId& id);
  grant::Unconfirmed unconfirmed(const GrantId& id);
  void keep_unconfirmed(const GrantId& id, const grant::Unconfirmed& unconfirmed);
  void forget_device(const DeviceId& device, const Ending& ending);
  void purge(WallTime now);
};

}  // namespace latchkey::store
