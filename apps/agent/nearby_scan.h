// Devices nearby by this computer's own Bluetooth (BlueZ), for whoever has no radio of its own: the
// command line, and browsers without Web Bluetooth. It looks while somebody listens, and not
// longer.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/neighbours.h"
#include "base/random.h"
#include "bluez/central.h"
#include "nearby.h"

namespace latchkey::agentd {

class NearbyScan {
 public:
  // Called from the loop, while the Subscription lives.
  struct Listener {
    std::function<void(const agent::Announced&)> seen;
    std::function<void(const std::string& service)> lost;
    // Whether it can look; if not, why, for people.
    std::function<void(bool looking, const std::string& why)> state;
  };
  class Subscription {
   public:
    Subscription(NearbyScan* scan, std::uint64_t id) : scan_(scan), id_(id) {}
    ~Subscription() { scan_->leave(id_); }
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

   private:
    NearbyScan* scan_;
    std::uint64_t id_;
  };

  // `adapter`: empty: any.
  NearbyScan(net::Executor executor, Random& random, std::string adapter);

  std::unique_ptr<Subscription> listen(Listener listener);
  // The way to what was seen and is not lost; null otherwise.
  [[nodiscard]] std::shared_ptr<NearbyWay> find(std::string_view service);

 private:
  void leave(std::uint64_t id);
  void start();
  void each(const std::function<void(const Listener&)>& call);
  net::Executor executor_;
  Random& random_;
  std::string adapter_;
  // Lives while somebody listens, or pairs.
  std::shared_ptr<bluez::Central> central_;
  std::map<std::string, bluez::Nearby> seen_;  // by service
  struct State {
    bool looking = false;
    std::string why;
  };
  std::optional<State> state_;
  std::map<std::uint64_t, Listener> listeners_;
  std::uint64_t next_ = 1;
};

}  // namespace latchkey::agentd
