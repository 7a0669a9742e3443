#include "nearby_scan.h"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>
#include <vector>

#include "gatt/names.h"

namespace latchkey::agentd {
namespace {

constexpr std::chrono::milliseconds kAgain = std::chrono::seconds(1);
// Connecting fails now and then; a device that is not there fails each time.
constexpr int kMaxFailures = 5;

std::string service_of(const std::string& key) {
  return "r:" + key;
}

agent::Announced announced_of(const bluez::Nearby& nearby) {
  agent::Announced announced;
  announced.service = service_of(nearby.key);
  announced.window_open = true;  // else it would not be seen
  announced.rid = nearby.rid;
  announced.nearby = agent::Nearby::kSeen;
  if (nearby.rssi) {
    announced.signal = agent::signal_of(*nearby.rssi);
  }
  return announced;
}

// Carries a link with connections of BlueZ's. Everything is on the loop's thread.
class BluezCarrier : public bluez::Connection::Listener,
                     public std::enable_shared_from_this<BluezCarrier> {
 public:
  BluezCarrier(net::Executor executor, std::shared_ptr<bluez::Central> central, std::string key)
      : executor_(std::move(executor)),
        central_(std::move(central)),
        key_(std::move(key)),
        again_(executor_) {}
  ~BluezCarrier() override { connection_.reset(); }

  void serve(std::shared_ptr<CarriedLink> link) { link_ = std::move(link); }
  void connect() {
    wanted_ = true;
    try_now();
  }
  void send(Bytes value) {
    if (connection_) {
      connection_->send(std::move(value));
    }
  }
  void hang_up() {
    wanted_ = false;
    if (connection_) {
      connection_->hang_up();
    }
  }
  void close() {
    wanted_ = false;
    again_.cancel();
    connection_.reset();
    link_.reset();
  }

 private:
  void try_now() {
    if (connection_ || !wanted_) {
      return;
    }
    connection_ = central_->connect(key_, *this);
    if (!connection_) {
      give_up();
    }
  }
  void give_up() {
    wanted_ = false;
    boost::asio::post(executor_, [link = link_] {
      if (link) {
        link->on_gone();
      }
    });
  }
  void on_connected(std::size_t mtu) override {
    wanted_ = false;
    connected_ = true;
    failures_ = 0;
    if (link_) {
      link_->on_connected(mtu);
    }
  }
  void on_value(ByteSpan value) override {
    if (link_) {
      link_->on_value(value);
    }
  }
  void on_value_taken() override {
    if (link_) {
      link_->on_taken();
    }
  }
  void on_disconnected(const std::string& why) override {
    spdlog::debug("nearby: {}", why.empty() ? "hung up" : why);
    // Not from inside of its own call.
    boost::asio::post(executor_,
                      [gone = std::shared_ptr(std::move(connection_))]() mutable { gone.reset(); });
    if (std::exchange(connected_, false)) {
      if (link_) {
        link_->on_lost();  // which may ask for another
      }
    } else if (wanted_ && ++failures_ >= kMaxFailures) {
      give_up();
    }
    if (wanted_) {
      again_.expires_after(kAgain);
      again_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        if (const auto self = weak.lock(); self && !error) {
          self->try_now();
        }
      });
    }
  }

  net::Executor executor_;
  std::shared_ptr<bluez::Central> central_;
  std::string key_;
  boost::asio::steady_timer again_;
  std::shared_ptr<CarriedLink> link_;
  std::unique_ptr<bluez::Connection> connection_;
  bool wanted_ = false;
  bool connected_ = false;
  int failures_ = 0;
};

class BluezWay final : public NearbyWay {
 public:
  BluezWay(const net::Executor& executor, Random& random, std::shared_ptr<bluez::Central> central,
           std::string key)
      : carrier_(std::make_shared<BluezCarrier>(executor, std::move(central), std::move(key))),
        link_(std::make_shared<CarriedLink>(executor, random, carry(carrier_))) {
    carrier_->serve(link_);
  }
  ~BluezWay() override {
    link_->on_gone();
    carrier_->close();
  }
  net::Task<net::Result<std::shared_ptr<net::GattStream>>> open() override { return link_->open(); }

 private:
  static CarriedLink::Carrier carry(const std::weak_ptr<BluezCarrier>& weak) {
    const auto with = [weak](auto call) {
      if (const auto carrier = weak.lock()) {
        call(*carrier);
      }
    };
    return {.send =
                [with](const Bytes& value) {
                  with([&](BluezCarrier& carrier) { carrier.send(value); });
                },
            .connect = [with] { with([](BluezCarrier& carrier) { carrier.connect(); }); },
            .hang_up = [with] { with([](BluezCarrier& carrier) { carrier.hang_up(); }); },
            .over =
                [with](std::optional<wire::ErrorCode>) {
                  with([](BluezCarrier& carrier) { carrier.hang_up(); });
                }};
  }
  std::shared_ptr<BluezCarrier> carrier_;
  std::shared_ptr<CarriedLink> link_;
};

}  // namespace

NearbyScan::NearbyScan(net::Executor executor, Random& random, std::string adapter)
    : executor_(std::move(executor)), random_(random), adapter_(std::move(adapter)) {}

std::unique_ptr<NearbyScan::Subscription> NearbyScan::listen(Listener listener) {
  const std::uint64_t id = next_++;
  listeners_.emplace(id, std::move(listener));
  if (!central_) {
    start();
  } else {
    // Whoever comes later is told what the others know.
    boost::asio::post(executor_, [this, id, seen = seen_, state = state_] {
      if (const auto found = listeners_.find(id); state && found != listeners_.end()) {
        found->second.state(state->looking, state->why);
      }
      for (const auto& [service, nearby] : seen) {
        if (const auto found = listeners_.find(id); found != listeners_.end()) {
          found->second.seen(announced_of(nearby));
        }
      }
    });
  }
  return std::make_unique<Subscription>(this, id);
}

void NearbyScan::start() {
  bluez::Central::Options options{adapter_,
                                  {std::string(gatt::kService), std::string(gatt::kToDevice),
                                   std::string(gatt::kFromDevice), std::string(gatt::kRid)}};
  bluez::Central::Events events{
      .found =
          [this](const bluez::Nearby& nearby) {
            seen_.insert_or_assign(service_of(nearby.key), nearby);
            each([&](const Listener& one) { one.seen(announced_of(nearby)); });
          },
      .lost =
          [this](const std::string& key) {
            seen_.erase(service_of(key));
            each([&](const Listener& one) { one.lost(service_of(key)); });
          },
      .condition =
          [this](const bluez::Condition& condition) {
            const bool looking = condition.kind == bluez::Condition::Kind::kReady;
            state_ = State{looking, looking ? "" : bluez::text_of(condition)};
            each([&](const Listener& one) { one.state(looking, state_->why); });
          }};
  central_ = std::make_shared<bluez::Central>(executor_, std::move(options), std::move(events));
  central_->scan(true);
}

void NearbyScan::leave(std::uint64_t id) {
  listeners_.erase(id);
  if (listeners_.empty() && central_) {
    seen_.clear();
    state_.reset();
    central_->scan(false);
    central_->quiet();
    central_.reset();  // whoever pairs holds it still
  }
}

void NearbyScan::each(const std::function<void(const Listener&)>& call) {
  for (const auto& [id, listener] : std::map(listeners_)) {
    if (listeners_.contains(id)) {
      call(listener);
    }
  }
}

std::shared_ptr<NearbyWay> NearbyScan::find(std::string_view service) {
  const auto found = seen_.find(std::string(service));
  if (found == seen_.end() || !central_) {
    return nullptr;
  }
  return std::make_shared<BluezWay>(executor_, random_, central_, found->second.key);
}

}  // namespace latchkey::agentd
