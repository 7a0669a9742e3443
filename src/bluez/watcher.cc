#include "bluez/watcher.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace latchkey::bluez {
namespace {

constexpr std::chrono::milliseconds kRetry = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kAnswer = std::chrono::seconds(10);

}  // namespace

Condition condition_of(const sdbus::Error& error) {
  using Kind = Condition::Kind;
  const std::string& name = error.getName();
  const auto ends = [&](const char* end) { return name.ends_with(end); };
  Kind kind = Kind::kRefused;
  if (ends(".ServiceUnknown") || ends(".NameHasNoOwner") || ends(".Spawn.ChildExited") ||
      ends(".NoReply")) {
    kind = Kind::kNoDaemon;
  } else if (ends(".AccessDenied") || ends(".NotAuthorized") || ends(".NotPermitted")) {
    kind = Kind::kNotPermitted;
  } else if (ends(".Blocked") || ends(".NotReady")) {
    kind = Kind::kOff;
  }
  return {kind, error.getMessage().empty() ? name : error.getMessage()};
}

AdapterWatcher::AdapterWatcher(net::Executor executor, std::string wanted, std::string needs,
                               Events events)
    : executor_(executor),
      wanted_(std::move(wanted)),
      needs_(std::move(needs)),
      events_(std::move(events)),
      retry_(std::move(executor)),
      alive_(std::make_shared<int>(0)),
      epoch_(std::make_shared<int>(0)) {}

AdapterWatcher::~AdapterWatcher() {
  stop();
}

void AdapterWatcher::stop() {
  alive_.reset();
  retry_.cancel();
  close();
}

void AdapterWatcher::start() {
  open();
}

// Not at once: this may be called from inside one of the Bus's own callbacks.
void AdapterWatcher::close() {
  epoch_ = std::make_shared<int>(0);
  if (bus_) {
    bus_->mute();
  }
  boost::asio::post(executor_, [bus = std::shared_ptr(std::move(bus_))]() mutable { bus.reset(); });
}

void AdapterWatcher::retry() {
  retry_.expires_after(kRetry);
  // A timer that has run out cannot be cancelled any more.
  retry_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) {
      open();
    }
  });
}

void AdapterWatcher::open() {
  auto opened = Bus::open(executor_, [this] {
    close();
    adapter_.clear();
    events_.adapter("");  // also where there was none: objects on this bus go before it
    lose_adapter(Condition::Kind::kNoBus, "it went away");
    retry();
  });
  if (!opened) {
    lose_adapter(Condition::Kind::kNoBus, opened.error());
    retry();
    return;
  }
  bus_ = *std::move(opened);
  if (!match_signals()) {
    close();
    lose_adapter(Condition::Kind::kNoBus, "the bus takes no more watches");
    retry();
    return;
  }
  look();
}

bool AdapterWatcher::match_signals() {
  const bool owner = bus_->match(
      "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
      "member='NameOwnerChanged',arg0='org.bluez'",
      [this](sdbus::Message& message) {
        std::string name;
        std::string before;
        std::string after;
        message >> name >> before >> after;
        epoch_ = std::make_shared<int>(0);
        // Whoever has the name now knows nothing of us.
        lose_adapter(after.empty() ? Condition::Kind::kNoDaemon : Condition::Kind::kStarting, "");
        if (!after.empty()) {
          look();
        }
      });
  const bool changed = bus_->match(
      "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties',"
      "member='PropertiesChanged',path_namespace='/org/bluez'",
      [this](sdbus::Message& message) {
        std::string interface;
        Properties properties;
        message >> interface >> properties;
        const std::string path = message.getPath();
        if (path == adapter_ && interface == kAdapter) {
          if (const auto on = property<bool>(properties, "Powered")) {
            powered_ = *on;
          }
        }
        events_.changed(path, interface, properties);
      });
  const bool added = bus_->match(
      "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager',"
      "member='InterfacesAdded'",
      [this](sdbus::Message& message) {
        sdbus::ObjectPath path;
        Interfaces interfaces;
        message >> path >> interfaces;
        if (adapter_.empty() && interfaces.contains(needs_)) {
          look();
        }
        events_.added(path, interfaces);
      });
  const bool removed = bus_->match(
      "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.ObjectManager',"
      "member='InterfacesRemoved'",
      [this](sdbus::Message& message) {
        sdbus::ObjectPath path;
        std::vector<std::string> interfaces;
        message >> path >> interfaces;
        if (path == adapter_) {
          lose_adapter(Condition::Kind::kNoAdapter, "");
          look();
        }
        events_.removed(path, interfaces);
      });
  return owner && changed && added && removed;
}

void AdapterWatcher::list(std::function<void(const Objects&)> then) {
  if (!bus_) {
    return;
  }
  bus_->call(
      "/", kObjectManager, "GetManagedObjects", {},
      [this, epoch = std::weak_ptr(epoch_), then = std::move(then)](sdbus::MethodReply& reply,
                                                                    const sdbus::Error* error) {
        if (epoch.expired()) {
          return;
        }
        if (error != nullptr) {
          const Condition why = condition_of(*error);
          lose_adapter(why.kind, why.detail);
          return;
        }
        Objects objects;
        reply >> objects;
        then(objects);
      },
      kAnswer);
}

void AdapterWatcher::look() {
  list([this](const Objects& objects) { choose(objects); });
}

void AdapterWatcher::choose(const Objects& objects) {
  if (!adapter_.empty()) {
    return;
  }
  for (const auto& [path, interfaces] : objects) {
    const auto adapter = interfaces.find(kAdapter);
    const bool fits = wanted_.empty() || path.ends_with("/" + wanted_);
    if (fits && adapter != interfaces.end() && interfaces.contains(needs_)) {
      adapter_ = path;
      powered_ = property<bool>(adapter->second, "Powered").value_or(false);
      condition_ = {Condition::Kind::kReady, ""};
      events_.adapter(adapter_);
      events_.condition();
      return;
    }
  }
  lose_adapter(Condition::Kind::kNoAdapter, wanted_);
}

void AdapterWatcher::lose_adapter(Condition::Kind why, std::string detail) {
  powered_ = false;
  if (!std::exchange(adapter_, "").empty()) {
    events_.adapter("");
  }
  const Condition now{why, std::move(detail)};
  if (!(now == condition_)) {
    condition_ = now;
    events_.condition();
  }
}

void AdapterWatcher::set_condition(Condition condition) {
  if (!adapter_.empty() && !(condition == condition_)) {
    condition_ = std::move(condition);
    events_.condition();
  }
}

}  // namespace latchkey::bluez
