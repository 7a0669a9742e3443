#include "lookout.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace latchkey::agentd {

namespace ip = boost::asio::ip;

net::Endpoint endpoint_of(const discovery::Endpoint& found) {
  const ByteSpan bytes = found.address.bytes();
  if (bytes.size() == 4) {
    ip::address_v4::bytes_type raw{};
    std::copy(bytes.begin(), bytes.end(), raw.begin());
    return {ip::address_v4(raw), found.port};
  }
  ip::address_v6::bytes_type raw{};
  std::copy(bytes.begin(), bytes.end(), raw.begin());
  const bool scoped = found.address.is_link_local();
  return {ip::address_v6(raw, scoped ? found.interface : 0), found.port};
}

net::Endpoints endpoints_of(const discovery::FoundService& service) {
  net::Endpoints endpoints;
  for (const discovery::Endpoint& endpoint : service.endpoints) {
    endpoints.push_back(endpoint_of(endpoint));
  }
  return endpoints;
}

agent::Announced announced_of(const discovery::FoundService& service) {
  agent::Announced announced{.service = service.key,
                             .name = service.name,
                             .type = service.type,
                             .window_open = service.window_open,
                             .rid = std::nullopt,
                             .address = {},
                             .port = 0};
  if (service.rid) {
    announced.rid = service.rid->bytes();
  }
  if (!service.endpoints.empty()) {
    const net::Endpoint first = endpoint_of(service.endpoints.front());
    announced.address = first.address().to_string();
    announced.port = first.port();
  }
  return announced;
}

Lookout::Lookout(boost::asio::io_context& io, LookoutOptions options)
    : io_(io), options_(std::move(options)) {}

std::unique_ptr<Lookout::Subscription> Lookout::listen(Listener listener) {
  const std::uint64_t id = next_++;
  listeners_.emplace(id, std::move(listener));
  if (listeners_.size() == 1) {
    start();
  } else {
    boost::asio::post(io_, [this, id, services = services_, looking = looking_] {
      const auto tell_one = [this, id](const discovery::SourceEvent& event) {
        // It may leave between two events.
        if (const auto found = listeners_.find(id); found != listeners_.end()) {
          const Listener call = found->second;
          call(event);
        }
      };
      if (looking) {
        tell_one(*looking);
      }
      for (const auto& [key, service] : services) {
        tell_one(discovery::Found{service});
      }
    });
  }
  return std::make_unique<Subscription>(this, id);
}

void Lookout::start() {
  if (!options_.static_devices.empty()) {
    fixed_ = std::make_unique<discovery::StaticSource>(io_, options_.static_devices);
    (void)fixed_->start("", [this](const auto& event) { on_event(event, "s:"); });
  }
  if (options_.network.mode != discovery::Mode::kOff || !fixed_) {
    network_ = std::make_unique<discovery::Network>(io_, options_.network);
    browser_ = std::make_unique<discovery::Browser>(*network_);
    (void)browser_->start("", [this](const auto& event) { on_event(event, "n:"); });
  }
}

void Lookout::leave(std::uint64_t id) {
  listeners_.erase(id);
  if (!listeners_.empty()) {
    return;
  }
  services_.clear();
  looking_.reset();
  // Not now: this may be called from inside their own event.
  if (browser_) {
    browser_->stop();
  }
  if (fixed_) {
    fixed_->stop();
  }
  boost::asio::post(io_, [fixed = std::shared_ptr(std::move(fixed_)),
                          network = std::shared_ptr(std::move(network_)),
                          browser = std::shared_ptr(std::move(browser_))]() mutable {
    browser.reset();
    network.reset();
    fixed.reset();
  });
}

const discovery::FoundService* Lookout::find(const std::string& key) const {
  const auto found = services_.find(key);
  return found == services_.end() ? nullptr : &found->second;
}

void Lookout::on_event(const discovery::SourceEvent& event, const std::string& prefix) {
  if (const auto* looking = std::get_if<discovery::Looking>(&event)) {
    // The operator's own list needs no network: it does not say whether there is one.
    if (prefix == "n:" || !browser_) {
      looking_ = *looking;
      tell(event);
    }
    return;
  }
  if (const auto* lost = std::get_if<discovery::Lost>(&event)) {
    services_.erase(prefix + lost->key);
    tell(discovery::Lost{prefix + lost->key});
    return;
  }
  const auto* found = std::get_if<discovery::Found>(&event);
  discovery::FoundService service =
      found != nullptr ? found->service : std::get<discovery::Changed>(event).service;
  service.key = prefix + service.key;
  services_.insert_or_assign(service.key, service);
  tell(discovery::Found{std::move(service)});
}

void Lookout::tell(const discovery::SourceEvent& event) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, listener] : listeners_) {
    ids.push_back(id);
  }
  for (const std::uint64_t id : ids) {
    if (const auto found = listeners_.find(id); found != listeners_.end()) {
      const Listener call = found->second;
      call(event);
    }
  }
}

}  // namespace latchkey::agentd
