// Devices that the operator named himself, where multicast does not reach.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "discovery/poll.h"
#include "discovery/service.h"

namespace latchkey::discovery {

// "type,name,addr,port": a device type, a display name without commas, an IPv4 or IPv6 address (no
// brackets), a port. The window counts as open, since nobody says otherwise. Any address goes,
// since the operator said so; a stranger cannot.
Result<FoundService, Error> parse_static_device(std::string_view text);

class StaticSource final : public DeviceSource {
 public:
  // At most kMaxServices devices.
  StaticSource(boost::asio::io_context& io, std::vector<FoundService> devices);
  ~StaticSource() override;
  StaticSource(const StaticSource&) = delete;
  StaticSource& operator=(const StaticSource&) = delete;
  StaticSource(StaticSource&&) = delete;
  StaticSource& operator=(StaticSource&&) = delete;

  // Looking, then Found for each device of the type; nothing changes afterwards.
  Result<void, Error> start(std::string_view type, SourceSink sink) override;
  void stop() override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace latchkey::discovery
