// Looks for Latchkey devices on the link, and for the addresses of a granted host.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/host_name.h"
#include "discovery/network.h"
#include "discovery/service.h"

namespace latchkey::discovery {

// What strangers announce is bounded and judged by ServiceTable; at most kMaxUnanswered questions
// about single services are open at a time; events come in bursts at most every 100 ms, one for a
// service. Same thread as the Network's.
class Browser final : public DeviceSource, private Network::User {
 public:
  explicit Browser(Network& network);
  ~Browser() override;
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;
  Browser(Browser&&) = delete;
  Browser& operator=(Browser&&) = delete;

  // The first event is Looking. Refused: a type that is none.
  Result<void, Error> start(std::string_view type, SourceSink sink) override;
  void stop() override;

 private:
  void backend_up() override;
  void backend_down() override;
  struct State;
  std::shared_ptr<State> state_;
};

// Asks once for the addresses of one granted host: how an agent finds a device that it lost track
// of. Calls back once from the loop, with candidate addresses (port 0, best first) or with none
// after `timeout`. Destroying it cancels; the handler may do so.
class HostLookup final : private Network::User {
 public:
  using OnDone = std::function<void(const std::vector<Endpoint>&)>;
  HostLookup(Network& network, const HostName& host, std::chrono::milliseconds timeout,
             OnDone on_done);
  ~HostLookup() override;
  HostLookup(const HostLookup&) = delete;
  HostLookup& operator=(const HostLookup&) = delete;
  HostLookup(HostLookup&&) = delete;
  HostLookup& operator=(HostLookup&&) = delete;

 private:
  void backend_up() override;
  void backend_down() override;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::discovery
