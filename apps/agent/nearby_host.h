// The Bluetooth link of one client: requests `nearby.*` in, events `nearby.*` out
// (docs/protocol.md section 10). One link at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "agent/error.h"
#include "agent/nearby_request.h"
#include "agent/neighbours.h"
#include "base/random.h"
#include "nearby.h"

namespace latchkey::agentd {

class NearbyHost {
 public:
  struct Client {
    std::function<void(std::string_view event, const nlohmann::json& params)> event;
    // A device is there, or is not any more; its `service` is what find() takes.
    std::function<void(const agent::Announced& device)> seen;
    std::function<void(const std::string& service)> lost;
  };
  NearbyHost(net::Executor executor, Random& random, Client client);
  ~NearbyHost();

  // Opens a link, or connects the one there is again; go_on() once that was answered.
  agent::Result<nlohmann::json> open(const agent::NearbyOpen& open);
  void go_on();
  // What is not for the link there is, is for one that has just ended, and is nothing.
  void on_value(const agent::NearbyValue& value);
  void on_taken(const agent::NearbyTaken& taken);
  void on_lost(const agent::NearbyLost& lost);
  void on_close(const agent::NearbyClose& close);

  // Says again what is there.
  void announce();
  [[nodiscard]] std::shared_ptr<NearbyWay> find(std::string_view service) const;
  void stop();

 private:
  [[nodiscard]] CarriedLink* link(const std::string& name) const;
  [[nodiscard]] CarriedLink::Carrier carrier() const;

  net::Executor executor_;
  Random& random_;
  Client client_;
  std::shared_ptr<CarriedLink> link_;
  std::string name_;
  ByteArray<12> rid_{};
  std::uint64_t next_ = 1;
};

}  // namespace latchkey::agentd
