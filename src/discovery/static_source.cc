#include "discovery/static_source.h"

#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "base/host_name.h"
#include "base/text.h"

namespace latchkey::discovery {

Result<FoundService, Error> parse_static_device(std::string_view text) {
  const auto refuse = [](const char* why) {
    return fail(Error{Error::Code::kMisuse, std::string("\"type,name,addr,port\": ") + why});
  };
  std::array<std::string_view, 4> parts;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto comma = text.find(',');
    if (comma == std::string_view::npos) {
      return refuse("four parts are needed");
    }
    parts.at(i) = text.substr(0, comma);
    text.remove_prefix(comma + 1);
  }
  parts[3] = text;
  const std::string name = clean_display_name(parts[1], kMaxNameBytes);
  if (!is_device_type(parts[0]) || name.empty()) {
    return refuse("the type is lower-case words joined by '-', the name is not empty");
  }
  const auto address = IpAddress::parse(parts[2]);
  if (!address) {
    return refuse("the address is an IPv4 or IPv6 address");
  }
  std::uint16_t port = 0;
  const auto [end, error] =
      std::from_chars(parts[3].data(), parts[3].data() + parts[3].size(), port);
  if (error != std::errc() || end != parts[3].data() + parts[3].size() || port == 0) {
    return refuse("the port is 1 to 65535");
  }
  FoundService service;
  service.key = "static " + std::string(parts[2]) + " " + std::to_string(port);
  service.name = name;
  service.type = parts[0];
  service.window_open = true;
  service.endpoints = {Endpoint{*address, 0, port}};
  return service;
}

struct StaticSource::State : std::enable_shared_from_this<StaticSource::State> {
  State(boost::asio::io_context& io, std::vector<FoundService> given)
      : devices(std::move(given)), poll(io), timer(poll, [this] { tell(); }) {}

  void tell() {
    const auto self = shared_from_this();
    const auto this_turn = turn;
    const SourceSink to = sink;
    to(Looking{true, {}});
    for (const FoundService& device : devices) {
      if (turn != this_turn) {
        return;
      }
      if (type.empty() || device.type == type) {
        to(Found{device});
      }
    }
  }

  std::vector<FoundService> devices;
  Poll poll;
  Timer timer;
  std::string type;
  SourceSink sink;
  std::uint64_t turn = 0;
};

StaticSource::StaticSource(boost::asio::io_context& io, std::vector<FoundService> devices)
    : state_(std::make_shared<State>(io, std::move(devices))) {
  LATCHKEY_CHECK(state_->devices.size() <= kMaxServices);
}
StaticSource::~StaticSource() {
  stop();
}

Result<void, Error> StaticSource::start(std::string_view type, SourceSink sink) {
  if (!sink || (!type.empty() && !is_device_type(type))) {
    return fail(Error{Error::Code::kMisuse, "no such type of device"});
  }
  stop();
  state_->type = type;
  state_->sink = std::move(sink);
  state_->timer.start(std::chrono::milliseconds(0));
  return {};
}

void StaticSource::stop() {
  ++state_->turn;
  state_->timer.stop();
  state_->sink = nullptr;
}

}  // namespace latchkey::discovery
