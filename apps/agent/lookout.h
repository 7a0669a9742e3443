// One look around the house for all who ask: discovery runs while somebody listens, and not longer.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/neighbours.h"
#include "discovery/browser.h"
#include "discovery/network.h"
#include "discovery/service.h"
#include "discovery/static_source.h"
#include "net/device_client.h"

namespace latchkey::agentd {

struct LookoutOptions {
  discovery::NetworkOptions network;
  std::vector<discovery::FoundService> static_devices;
};

net::Endpoint endpoint_of(const discovery::Endpoint& found);
net::Endpoints endpoints_of(const discovery::FoundService& service);
agent::Announced announced_of(const discovery::FoundService& service);

class Lookout {
 public:
  using Listener = std::function<void(const discovery::SourceEvent&)>;

  // Listens while it lives; first it is told what is known already.
  class Subscription {
   public:
    Subscription(Lookout* lookout, std::uint64_t id) : lookout_(lookout), id_(id) {}
    ~Subscription() { lookout_->leave(id_); }
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

   private:
    Lookout* lookout_;
    std::uint64_t id_;
  };

  Lookout(boost::asio::io_context& io, LookoutOptions options);
  // The listener is called from the loop, never from inside listen().
  std::unique_ptr<Subscription> listen(Listener listener);
  // Multicast DNS while somebody listens; null where it is switched off.
  [[nodiscard]] discovery::Network* network() const { return network_.get(); }
  [[nodiscard]] const discovery::FoundService* find(const std::string& key) const;
  [[nodiscard]] const std::map<std::string, discovery::FoundService>& services() const {
    return services_;
  }

 private:
  void start();
  void leave(std::uint64_t id);
  void on_event(const discovery::SourceEvent& event, const std::string& prefix);
  void tell(const discovery::SourceEvent& event);
  boost::asio::io_context& io_;
  LookoutOptions options_;
  std::map<std::uint64_t, Listener> listeners_;
  std::uint64_t next_ = 1;
  std::map<std::string, discovery::FoundService> services_;
  std::optional<discovery::Looking> looking_;
  std::unique_ptr<discovery::StaticSource> fixed_;
  std::unique_ptr<discovery::Network> network_;
  std::unique_ptr<discovery::Browser> browser_;
};

}  // namespace latchkey::agentd
