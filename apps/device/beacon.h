// The device on the home network: its service and the names of its hosts.
#pragma once

#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "base/host_name.h"
#include "device/current_rid.h"
#include "device/device.h"
#include "discovery/publisher.h"

namespace latchkey::device {

// Announces the device and its hosts. Avahi's libraries are loaded by the Network when it starts.
class Beacon {
 public:
  Beacon(boost::asio::io_context& io, Device& device, const CurrentRid& rid,
         discovery::NetworkOptions options)
      : device_(device),
        rid_(rid),
        network_(io, std::move(options)),
        publisher_(network_, &Beacon::on_event) {
    announce();
    for (const auto& live : device_.live_grants()) {
      add(live->grant.host, !live->grant.origin);
    }
  }

  void announce() {
    const auto& identity = device_.identity();
    const auto done = publisher_.announce(
        {identity.name, identity.port, {identity.type, device_.window_is_open(), rid_.value()}});
    if (!done) {
      spdlog::warn("announcing: {}", done.error().message);
    }
  }
  void add(const HostName& host, bool direct) {
    publisher_.add_host(host, direct ? discovery::HostKind::kProbed : discovery::HostKind::kQuiet);
  }
  void remove(const HostName& host) { publisher_.remove_host(host); }
  [[nodiscard]] nlohmann::json status() const {
    using Kind = discovery::Network::Kind;
    const Kind kind = network_.kind();
    return {{"through", kind == Kind::kSystem    ? "system"
                        : kind == Kind::kBuiltin ? "builtin"
                                                 : "none"},
            {"running", network_.running()},
            {"reason", network_.reason()}};
  }

 private:
  static void on_event(const discovery::PublisherEvent& event) {
    if (const auto* service = std::get_if<discovery::ServicePublished>(&event)) {
      spdlog::info("announced as \"{}\"", service->name);
    } else if (const auto* conflict = std::get_if<discovery::HostConflict>(&event)) {
      spdlog::warn("{} is taken by another machine on the network", conflict->host.text());
    } else if (const auto* failed = std::get_if<discovery::PublishFailed>(&event)) {
      spdlog::warn("announcing: {}", failed->error.message);
    }
  }
  Device& device_;
  const CurrentRid& rid_;
  discovery::Network network_;
  discovery::Publisher publisher_;
};

}  // namespace latchkey::device
