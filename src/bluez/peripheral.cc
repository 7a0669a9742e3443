#include "bluez/peripheral.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <deque>
#include <utility>
#include <vector>

#include "bluez/exported.h"
#include "bluez/notify_socket.h"
#include "bluez/watcher.h"

namespace latchkey::bluez {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMaxValue = 512;  // of a characteristic, Core 5.4 Vol 3 Part F 3.2.9
constexpr std::size_t kMaxWrites = 4;   // ATT has one request under way; others are not honest
constexpr std::size_t kMinMtu = 23;
// bluetoothd 5.66 counts the handle in when it compares a write with the longest value, 512 bytes:
// what is longer than 510 is refused as too long, and we never hear of it.
constexpr std::size_t kMaxMtu = 513;
constexpr std::chrono::milliseconds kAnswer = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kAgain = std::chrono::seconds(5);

}  // namespace

class Peripheral::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(const net::Executor& executor, Options options, Listener& listener)
      : executor_(executor),
        options_(std::move(options)),
        listener_(&listener),
        watcher_(executor, options_.adapter, kAdvertisingManager, events()),
        notify_(executor, {.sent = [this] { on_sent(); },
                           .drained = [this] { on_drained(); },
                           .closed = [this] { dismiss(); }}),
        again_(executor) {}

  void start() {
    asio::post(executor_, [self = shared_from_this()] {
      if (self->listener_ != nullptr) {
        self->watcher_.start();
      }
    });
  }
  void close() {
    listener_ = nullptr;
    again_.cancel();
    notify_.close();
    refuse_writes();
    // BlueZ forgets our objects when our name leaves the bus; the objects must not outlive it.
    asio::post(executor_, [self = shared_from_this()] {
      self->adverts_.clear();
      self->objects_.clear();
      self->watcher_.stop();
    });
  }

  void advertise(std::optional<Rid> rid) {
    if (rid && !wanted_) {
      power_tried_ = false;
    }
    wanted_ = rid;
    step();
  }
  void send(Bytes value) {
    if (central_.empty() || dismissing_ || !notify_.is_open()) {
      return;
    }
    if (!notify_.send(std::move(value))) {
      notify_.clear();
      dismiss();
    }
  }
  void taken() {
    if (!writes_.empty()) {
      const auto call = std::move(writes_.front());
      writes_.pop_front();
      answer(watcher_.bus(), call);
    }
  }
  void dismiss() {
    if (!central_.empty() && !std::exchange(dismissing_, true) && notify_.empty()) {
      hang_up();
    }
  }
  [[nodiscard]] const Condition& condition() const { return watcher_.condition(); }

 private:
  AdapterWatcher::Events events() {
    return {.adapter =
                [this](const std::string& path) {
                  if (path.empty()) {
                    forget();
                  }
                  step();
                },
            .changed =
                [this](const std::string& path, const std::string& interface,
                       const Properties& properties) {
                  if (path == central_ && interface == kDevice &&
                      property<bool>(properties, "Connected") == false) {
                    end_central();
                  }
                },
            .added = [](const std::string&, const Interfaces&) {},
            .removed =
                [this](const std::string& path, const std::vector<std::string>& interfaces) {
                  for (const std::string& gone : interfaces) {
                    if (path == central_ && gone == kDevice) {
                      end_central();
                    }
                  }
                },
            .condition =
                [this] {
                  if (listener_ != nullptr) {
                    listener_->on_condition(watcher_.condition());
                  }
                }};
  }

  // Everything BlueZ knew of us is gone.
  void forget() {
    ++epoch_;
    busy_ = false;
    registered_ = false;
    shown_.reset();
    adverts_.clear();
    notify_.close();
    if (!central_.empty()) {
      end_central();
    }
    if (watcher_.bus() == nullptr) {
      objects_.clear();
    }
  }

  // The next thing that has to be asked of BlueZ, one after the other, until all is as wanted.
  void step() {
    if (busy_ || watcher_.adapter().empty() || listener_ == nullptr) {
      return;
    }
    const bool needed = wanted_.has_value() || !central_.empty();
    if (wanted_ && !watcher_.powered() && !std::exchange(power_tried_, true)) {
      ask(kProperties, "Set",
          [](sdbus::MethodCall& call) { call << kAdapter << "Powered" << sdbus::Variant(true); });
    } else if (needed && !registered_) {
      register_application();
    } else if (shown_ && shown_ != wanted_) {
      withdraw_next();
    } else if (wanted_ && (!shown_ || visible_ < adverts_.size())) {
      show_next();
    } else if (!needed && registered_) {
      registered_ = false;
      ask(kGattManager, "UnregisterApplication",
          [](sdbus::MethodCall& call) { call << sdbus::ObjectPath(kApplication); });
    }
  }

  // Asks the adapter, one call at a time, and goes on. What fails is said, and tried again after a
  // while.
  using Done = std::function<void(const sdbus::Error*)>;
  void ask(const char* interface, const char* method, const Bus::Write& write, Done done) {
    busy_ = true;
    watcher_.bus()->call(
        watcher_.adapter(), interface, method, write,
        [self = shared_from_this(), epoch = epoch_, done = std::move(done)](
            sdbus::MethodReply&, const sdbus::Error* error) {
          if (epoch == self->epoch_ && self->listener_ != nullptr) {
            self->busy_ = false;
            done(error);
          }
        },
        kAnswer);
  }
  void ask(const char* interface, const char* method, const Bus::Write& write) {
    ask(interface, method, write, [this](const sdbus::Error* error) {
      if (error != nullptr) {
        failed(*error);
      } else {
        step();
      }
    });
  }
  void failed(const sdbus::Error& error) {
    watcher_.set_condition(condition_of(error));
    again_.expires_after(kAgain);
    again_.async_wait([self = shared_from_this()](const boost::system::error_code& cut) {
      if (!cut) {
        self->power_tried_ = false;
        self->step();
      }
    });
  }

  void register_application() {
    try {
      if (objects_.empty()) {
        objects_ = export_application(
            *watcher_.bus(), options_.names,
            {.write = [this](sdbus::MethodCall call) { on_write(std::move(call)); },
             .acquire = [this](sdbus::MethodCall call) { on_acquire(std::move(call)); },
             .read = [this](sdbus::MethodCall call) { on_read(std::move(call)); }});
      }
    } catch (const sdbus::Error& error) {
      failed(error);
      return;
    }
    ask(
        kGattManager, "RegisterApplication",
        [](sdbus::MethodCall& call) { call << sdbus::ObjectPath(kApplication) << Properties(); },
        [this](const sdbus::Error* error) {
          if (error != nullptr) {
            failed(*error);
            return;
          }
          registered_ = true;
          watcher_.set_condition({Condition::Kind::kReady, ""});
          step();
        });
  }

  // --- what BlueZ calls ---

  void refuse(const sdbus::MethodCall& call, const char* why) {
    const auto error = att_error(why);
    answer(watcher_.bus(), call, &error);
  }
  void refuse_writes() {
    for (const auto& call : std::exchange(writes_, {})) {
      refuse(call, "Failed");
    }
  }

  void on_write(sdbus::MethodCall call) {
    std::vector<std::uint8_t> value;
    Properties with;
    call >> value >> with;
    const auto from = property<sdbus::ObjectPath>(with, "device");
    if (!from || from->empty() || listener_ == nullptr) {
      refuse(call, "NotSupported");
    } else if (property<std::uint16_t>(with, "offset").value_or(0) != 0) {
      refuse(call, "InvalidOffset");
    } else if (value.empty() || value.size() > kMaxValue) {
      refuse(call, "InvalidValueLength");
    } else if (!may_write(*from)) {
      refuse(call, "NotPermitted");
    } else if (writes_.size() >= kMaxWrites) {
      refuse(call, "InProgress");
    } else {
      if (central_.empty()) {
        central_ = *from;
        const std::size_t mtu = property<std::uint16_t>(with, "mtu").value_or(kMinMtu);
        listener_->on_connected(std::clamp(mtu, kMinMtu, kMaxMtu));
      }
      writes_.push_back(std::move(call));
      listener_->on_value(Bytes(value.begin(), value.end()));
    }
  }
  // Whoever is served, or anybody while we can be seen and nobody is. Who has not subscribed would
  // hear no answer.
  [[nodiscard]] bool may_write(const std::string& device) const {
    if (dismissing_ || !notify_.is_open()) {
      return false;
    }
    return central_.empty() ? wanted_.has_value() : central_ == device;
  }

  void on_acquire(sdbus::MethodCall call) {
    Properties with;
    call >> with;
    const int end = listener_ != nullptr ? notify_.open() : -1;
    if (end < 0) {
      refuse(call, "NotSupported");
      return;
    }
    const sdbus::UnixFd fd(end, sdbus::adopt_fd);
    auto reply = call.createReply();
    reply << fd << property<std::uint16_t>(with, "mtu").value_or(kMinMtu);
    reply.send();
    watcher_.bus()->nudge();
  }

  void on_read(sdbus::MethodCall call) {
    Properties with;
    call >> with;
    const std::size_t offset = property<std::uint16_t>(with, "offset").value_or(0);
    if (!wanted_ || offset > wanted_->size()) {
      refuse(call, wanted_ ? "InvalidOffset" : "NotPermitted");
      return;
    }
    auto reply = call.createReply();
    reply << std::vector<std::uint8_t>(wanted_->begin() + static_cast<std::ptrdiff_t>(offset),
                                       wanted_->end());
    reply.send();
    watcher_.bus()->nudge();
  }

  // --- the central ---

  void on_sent() {
    if (listener_ != nullptr && !central_.empty()) {
      listener_->on_sent();
    }
  }
  void on_drained() {
    if (dismissing_ && notify_.empty()) {
      hang_up();
    }
  }
  void hang_up() {
    if (watcher_.bus() == nullptr) {
      return;
    }
    watcher_.bus()->call(
        central_, kDevice, "Disconnect", {},
        [self = shared_from_this(), who = central_](sdbus::MethodReply&, const sdbus::Error*) {
          if (self->central_ == who && self->dismissing_) {
            self->end_central();
          }
        },
        kAnswer);
  }
  void end_central() {
    central_.clear();
    dismissing_ = false;
    notify_.clear();
    refuse_writes();
    if (listener_ != nullptr) {
      listener_->on_disconnected();
    }
    step();
  }

  // --- advertisements ---

  void show_next() {
    if (!shown_) {
      try {
        adverts_ =
            export_adverts(*watcher_.bus(), options_.names.service, *wanted_, next_advert_++);
      } catch (const sdbus::Error& error) {
        adverts_.clear();
        failed(error);
        return;
      }
      shown_ = wanted_;
      visible_ = 0;
    }
    ask(
        kAdvertisingManager, "RegisterAdvertisement",
        [path = adverts_[visible_].path](sdbus::MethodCall& call) {
          call << sdbus::ObjectPath(path) << Properties();
        },
        [this](const sdbus::Error* error) {
          if (error != nullptr && visible_ == 0) {
            shown_.reset();
            adverts_.clear();
            failed(*error);
            return;
          }
          if (error != nullptr) {
            // An adapter with room for one: found all the same, but not recognised before it is
            // connected to.
            adverts_.pop_back();
          } else {
            ++visible_;
          }
          step();
        });
  }
  void withdraw_next() {
    if (visible_ == 0) {
      adverts_.clear();
      shown_.reset();
      step();
      return;
    }
    --visible_;
    // One that BlueZ does not know any more is as good as withdrawn.
    ask(
        kAdvertisingManager, "UnregisterAdvertisement",
        [path = adverts_[visible_].path](sdbus::MethodCall& call) {
          call << sdbus::ObjectPath(path);
        },
        [this](const sdbus::Error*) { step(); });
  }

  net::Executor executor_;
  Options options_;
  Listener* listener_;
  AdapterWatcher watcher_;
  Exported objects_;
  std::vector<Advert> adverts_;
  NotifySocket notify_;
  asio::steady_timer again_;
  std::optional<Rid> wanted_;
  std::optional<Rid> shown_;  // what BlueZ was asked to show
  std::size_t visible_ = 0;   // of adverts_, how many it shows
  std::size_t next_advert_ = 0;
  std::string central_;
  std::deque<sdbus::MethodCall> writes_;
  std::uint64_t epoch_ = 0;
  bool busy_ = false;
  bool registered_ = false;
  bool power_tried_ = false;
  bool dismissing_ = false;
};

Peripheral::Peripheral(net::Executor executor, Options options, Listener& listener)
    : core_(std::make_shared<Core>(executor, std::move(options), listener)) {
  core_->start();
}

Peripheral::~Peripheral() {
  core_->close();
}

void Peripheral::advertise(std::optional<Rid> rid) {
  core_->advertise(rid);
}
void Peripheral::send(Bytes value) {
  core_->send(std::move(value));
}
void Peripheral::taken() {
  core_->taken();
}
void Peripheral::dismiss() {
  core_->dismiss();
}
const Condition& Peripheral::condition() const {
  return core_->condition();
}

}  // namespace latchkey::bluez
