// The keys of a store that is open: how it is sealed, and sealing it in another way.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/connection.h"
#include "agent/store_state.h"
#include "base/clock.h"
#include "net/worker.h"

namespace latchkey::agentd {

class StoreRecords;

class KeysDesk {
 public:
  using Reply = agent::Result<nlohmann::json>;
  // All of them outlive it. `opened`: what the gate said when it opened the store.
  KeysDesk(net::Executor executor, const Clock& clock, net::Worker& worker, StoreRecords& records,
           agent::StoreStanding opened);
  [[nodiscard]] agent::StoreStanding standing() const;
  [[nodiscard]] Reply status() const;
  // The answer to accept and start_anew.
  [[nodiscard]] static Reply nothing_to_do();
  // One at a time. A store that a passphrase seals wants the current one first.
  net::Task<Reply> seal(agent::StoreSeal seal);

 private:
  net::Task<Reply> seal_alone(agent::StoreSeal seal);
  net::Executor executor_;
  const Clock& clock_;
  net::Worker& worker_;
  StoreRecords& records_;
  agent::StoreStanding opened_;
  agent::RateLimit tries_{{5, std::chrono::seconds(2)}};
  bool sealing_ = false;
};

}  // namespace latchkey::agentd
