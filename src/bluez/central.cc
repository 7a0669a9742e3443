#include "bluez/central.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "bluez/connection.h"
#include "bluez/watcher.h"

namespace latchkey::bluez {
namespace {

namespace asio = boost::asio;

// Devices advertise several times a second.
constexpr std::chrono::milliseconds kForget = std::chrono::seconds(20);
constexpr std::chrono::milliseconds kSweep = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kAnswer = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kAgain = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kSoon = std::chrono::seconds(1);
// Whoever floods the air with addresses makes no more rows than this.
constexpr std::size_t kMaxNearby = 64;
// The controller does not know (Core 5.4, Vol 4, Part E, 7.7.65.2).
constexpr std::int16_t kNoRssi = 127;

}  // namespace

class Central::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(const net::Executor& executor, Options options, Events events)
      : executor_(executor),
        options_(std::move(options)),
        events_(std::move(events)),
        watcher_(executor, options_.adapter, kAdapter, watched()),
        sweep_(executor),
        again_(executor),
        round_(executor) {}

  void start() {
    asio::post(executor_, [self = shared_from_this()] {
      if (self->alive_) {
        self->watcher_.start();
      }
    });
  }
  void close() {
    alive_ = false;
    sweep_.cancel();
    again_.cancel();
    round_.cancel();
    for (const auto& weak : links_) {
      if (const auto link = weak.lock()) {
        link->drop();
      }
    }
    // Whoever leaves the bus while bluetoothd 5.66 still ends their search leaves it unable to
    // begin another one for anybody.
    if (!busy_) {
      leave();
      return;
    }
    again_.expires_after(kAnswer);
    again_.async_wait([self = shared_from_this()](const boost::system::error_code& answered) {
      if (!answered) {
        self->leave();
      }
    });
  }
  void leave() {
    asio::post(executor_, [self = shared_from_this()] {
      self->again_.cancel();
      self->watcher_.stop();
    });
  }

  void scan(bool on) {
    if (std::exchange(wanted_, on) != on) {
      step();
    }
  }

  std::shared_ptr<Link> connect(const std::string& key, Connection::Listener& listener) {
    const auto found = seen_.find(key);
    if (found == seen_.end() || watcher_.bus() == nullptr) {
      return nullptr;
    }
    auto link = std::make_shared<Link>(executor_, watcher_, options_.names, key, listener);
    std::erase_if(links_, [](const auto& weak) { return weak.expired(); });
    links_.push_back(link);
    link->start();
    return link;
  }
  void quiet() {
    events_ = {.found = [](const Nearby&) {},
               .lost = [](const std::string&) {},
               .condition = [](const Condition&) {}};
  }
  [[nodiscard]] const Condition& condition() const { return watcher_.condition(); }

 private:
  struct Seen {
    Nearby nearby;
    net::Deadline until;
    bool told = false;
  };

  AdapterWatcher::Events watched() {
    return {
        .adapter =
            [this](const std::string& path) {
              if (path.empty()) {
                forget();
              }
              step();
            },
        .changed =
            [this](const std::string& path, const std::string& interface,
                   const Properties& changed) {
              each_link([&](Link& link) { link.on_changed(path, interface, changed); });
              if (interface == kDevice) {
                on_device(path, changed, is_from_the_air(changed));
              } else if (path == watcher_.adapter() && changed.contains("Powered")) {
                scanning_ = false;
                step();
              }
            },
        .added =
            [this](const std::string& path, const Interfaces& interfaces) {
              if (const auto found = interfaces.find(kDevice); found != interfaces.end()) {
                on_device(path, found->second, true);
              }
            },
        .removed =
            [this](const std::string& path, const std::vector<std::string>& interfaces) {
              each_link([&](Link& link) { link.on_removed(path, interfaces); });
              if (std::find(interfaces.begin(), interfaces.end(), kDevice) != interfaces.end()) {
                lose(path);
              }
            },
        .condition =
            [this] {
              if (alive_) {
                events_.condition(watcher_.condition());
              }
            }};
  }

  void each_link(const std::function<void(Link&)>& call) {
    for (const auto& weak : std::vector(links_)) {
      if (const auto link = weak.lock()) {
        call(*link);
      }
    }
  }

  void forget() {
    ++epoch_;
    busy_ = false;
    scanning_ = false;
    round_.cancel();
    each_link([](Link& link) { link.on_adapter_lost(); });
    lose_all();
  }

  // --- scanning ---

  void step() {
    if (busy_ || watcher_.adapter().empty() || !alive_) {
      return;
    }
    if (!wanted_) {
      again_.cancel();
      rest();
      if (std::exchange(scanning_, false)) {
        ask("StopDiscovery", {}, [this](const sdbus::Error*) { step(); });
      }
      return;
    }
    if (scanning_) {
      return;
    }
    if (!watcher_.powered()) {
      watcher_.set_condition({Condition::Kind::kOff, ""});
      return;
    }
    ask(
        "SetDiscoveryFilter",
        [](sdbus::MethodCall& call) {
          call << Properties{{"Transport", sdbus::Variant(std::string("le"))},
                             {"DuplicateData", sdbus::Variant(true)}};
        },
        [this](const sdbus::Error* error) {
          if (error != nullptr) {
            failed(*error);
          } else {
            begin();
          }
        });
  }
  void begin() {
    ask("StartDiscovery", {}, [this](const sdbus::Error* error) {
      scanning_ = false;
      if (error != nullptr && error->getName().ends_with(".InProgress")) {
        // BlueZ is still ending a search, somebody else's or one of ours: there is none now.
        ask("StopDiscovery", {}, [this](const sdbus::Error*) { later(kSoon); });
        return;
      }
      if (error != nullptr) {
        failed(*error);
        return;
      }
      scanning_ = true;
      watcher_.set_condition({Condition::Kind::kReady, ""});
      // What BlueZ has from before is not told until it is heard again: a strength it has only of
      // what this search heard, or another program's that still goes on. What was told already has
      // to be heard anew, or whatever the other one heard long ago would stay for good.
      watcher_.list([this](const Objects& objects) {
        for (const auto& [path, interfaces] : objects) {
          if (const auto found = interfaces.find(kDevice); found != interfaces.end()) {
            on_device(path, found->second, found->second.contains("RSSI") && !is_told(path));
          }
        }
      });
      if (!std::exchange(sweeping_, true)) {
        sweep();
      }
      next_round();
      step();
    });
  }
  // A search that goes on is begun anew again and again. BlueZ's own rests for five seconds of
  // every fifteen; one that it joined to another program's is as deaf as that one; and controllers
  // that leave out what they have reported already do so until a search begins.
  void next_round() {
    round_.expires_after(options_.round);
    round_.async_wait([self = shared_from_this()](const boost::system::error_code& cut) {
      if (!cut && self->alive_ && self->wanted_ && self->scanning_) {
        self->begin_anew();
      }
    });
  }
  void begin_anew() {
    // Not under a connection that is being made or used: the radio has one thing to do at a time.
    if (busy_ || has_links()) {
      next_round();
      return;
    }
    ask("StopDiscovery", {}, [this](const sdbus::Error*) {
      if (wanted_ && scanning_) {
        begin();
        return;
      }
      scanning_ = false;
      step();
    });
  }
  [[nodiscard]] bool has_links() const {
    return std::any_of(links_.begin(), links_.end(),
                       [](const auto& weak) { return !weak.expired(); });
  }
  void rest() {
    sweep_.cancel();
    sweeping_ = false;
    round_.cancel();
    lose_all();
  }
  void ask(const char* method, const Bus::Write& write,
           std::function<void(const sdbus::Error*)> done) {
    busy_ = true;
    watcher_.bus()->call(
        watcher_.adapter(), kAdapter, method, write,
        [self = shared_from_this(), epoch = epoch_, done = std::move(done)](
            sdbus::MethodReply&, const sdbus::Error* error) {
          if (!self->alive_) {
            self->leave();
          } else if (epoch == self->epoch_) {
            self->busy_ = false;
            done(error);
          }
        },
        kAnswer);
  }
  void failed(const sdbus::Error& error) {
    scanning_ = false;
    watcher_.set_condition(condition_of(error));
    later(kAgain);
  }
  void later(std::chrono::milliseconds wait) {
    again_.expires_after(wait);
    again_.async_wait([self = shared_from_this()](const boost::system::error_code& cut) {
      if (!cut) {
        self->step();
      }
    });
  }

  // A connection that came or went shows that it is there, too. What BlueZ forgets by itself when a
  // search ends (the strength) does not.
  static bool is_from_the_air(const Properties& changed) {
    return changed.contains("RSSI") || changed.contains("ServiceData") ||
           changed.contains("Connected");
  }
  [[nodiscard]] bool is_told(const std::string& path) const {
    const auto found = seen_.find(path);
    return found != seen_.end() && found->second.told;
  }
  // `heard`: at this moment.
  void on_device(const std::string& path, const Properties& properties, bool heard) {
    if (!alive_ || !scanning_ || !path.starts_with(watcher_.adapter() + "/")) {
      return;
    }
    const auto uuids = property<std::vector<std::string>>(properties, "UUIDs")
                           .value_or(std::vector<std::string>());
    const auto data = property<std::map<std::string, sdbus::Variant>>(properties, "ServiceData")
                          .value_or(std::map<std::string, sdbus::Variant>());
    const auto ours = data.find(options_.names.service);
    auto found = seen_.find(path);
    if (found == seen_.end()) {
      const bool shows =
          std::find(uuids.begin(), uuids.end(), options_.names.service) != uuids.end();
      if ((!shows && ours == data.end()) || !has_place(properties)) {
        return;
      }
      found = seen_.emplace(path, Seen{{path, std::nullopt, std::nullopt}, {}, false}).first;
    }
    Seen& seen = found->second;
    const Nearby before = seen.nearby;
    if (const auto rssi = property<std::int16_t>(properties, "RSSI")) {
      seen.nearby.rssi = *rssi == kNoRssi ? std::nullopt : rssi;
    }
    if (ours != data.end() && ours->second.containsValueOfType<std::vector<std::uint8_t>>()) {
      const auto bytes = ours->second.get<std::vector<std::uint8_t>>();
      if (bytes.size() == std::tuple_size_v<Rid>) {
        seen.nearby.rid.emplace();
        std::copy(bytes.begin(), bytes.end(), seen.nearby.rid->begin());
      }
    }
    if (heard) {
      seen.until = net::after(kForget);
      if (!seen.told || !(before == seen.nearby)) {
        seen.told = true;
        events_.found(seen.nearby);
      }
    }
  }
  // Where all places are taken the weakest gives way to a stronger one: whoever fills the air with
  // addresses from the street does not hide the device in front of the person.
  bool has_place(const Properties& properties) {
    if (seen_.size() < kMaxNearby) {
      return true;
    }
    const auto strength = [](const std::optional<std::int16_t>& rssi) {
      return rssi.value_or(kNoRssi) == kNoRssi ? std::numeric_limits<std::int16_t>::min() : *rssi;
    };
    const auto weakest =
        std::min_element(seen_.begin(), seen_.end(), [&](const auto& a, const auto& b) {
          const bool kept = is_linked(b.first);
          return is_linked(a.first) == kept
                     ? strength(a.second.nearby.rssi) < strength(b.second.nearby.rssi)
                     : kept;
        });
    if (is_linked(weakest->first) || strength(property<std::int16_t>(properties, "RSSI")) <=
                                         strength(weakest->second.nearby.rssi)) {
      return false;
    }
    lose(std::string(weakest->first));
    return true;
  }
  void lose_all() {
    while (!seen_.empty()) {
      lose(seen_.begin()->first);
    }
  }
  void lose(const std::string& path) {
    const auto found = seen_.find(path);
    if (found == seen_.end()) {
      return;
    }
    const std::string key = found->first;
    const bool told = found->second.told;
    seen_.erase(found);
    if (told && alive_) {
      events_.lost(key);
    }
  }
  void sweep() {
    sweep_.expires_after(kSweep);
    sweep_.async_wait([self = shared_from_this()](const boost::system::error_code& cut) {
      if (cut || !self->alive_) {
        return;
      }
      std::vector<std::string> old;
      for (const auto& [path, seen] : self->seen_) {
        if (seen.told && seen.until < std::chrono::steady_clock::now() && !self->is_linked(path)) {
          old.push_back(path);
        }
      }
      for (const std::string& path : old) {
        self->lose(path);
      }
      self->sweep();
    });
  }
  // A device that is connected to need not advertise.
  bool is_linked(const std::string& path) {
    bool linked = false;
    each_link([&](Link& link) { linked = linked || link.is_to(path); });
    return linked;
  }

  net::Executor executor_;
  Options options_;
  Events events_;
  AdapterWatcher watcher_;
  asio::steady_timer sweep_;
  asio::steady_timer again_;
  asio::steady_timer round_;
  std::map<std::string, Seen> seen_;  // by path
  std::vector<std::weak_ptr<Link>> links_;
  std::uint64_t epoch_ = 0;
  bool wanted_ = false;
  bool scanning_ = false;
  bool sweeping_ = false;
  bool busy_ = false;
  bool alive_ = true;
};

namespace {

class OwnedLink final : public Connection {
 public:
  explicit OwnedLink(std::shared_ptr<Link> link) : link_(std::move(link)) {}
  ~OwnedLink() override {
    link_->drop();
    link_->forget_listener();
  }
  void send(Bytes value) override { link_->send(std::move(value)); }
  void hang_up() override { link_->hang_up(); }

 private:
  std::shared_ptr<Link> link_;
};

}  // namespace

Central::Central(net::Executor executor, Options options, Events events)
    : core_(std::make_shared<Core>(executor, std::move(options), std::move(events))) {
  core_->start();
}

Central::~Central() {
  core_->close();
}

void Central::scan(bool on) {
  core_->scan(on);
}

std::unique_ptr<Connection> Central::connect(const std::string& key,
                                             Connection::Listener& listener) {
  auto link = core_->connect(key, listener);
  return link ? std::make_unique<OwnedLink>(std::move(link)) : nullptr;
}

void Central::quiet() {
  core_->quiet();
}

const Condition& Central::condition() const {
  return core_->condition();
}

}  // namespace latchkey::bluez
