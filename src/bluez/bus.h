// Inside bluez: a connection to the system's message bus, on an Asio loop of one thread.
//
// sdbus-c++ throws; nothing of that leaves this folder. Its callbacks come from the loop, never
// from inside the call that asked for them. A Bus must not be destroyed inside one of its own
// callbacks: whoever wants that posts it.
#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/task.h"

namespace latchkey::bluez {

using Properties = std::map<std::string, sdbus::Variant>;
using Interfaces = std::map<std::string, Properties>;
using Objects = std::map<sdbus::ObjectPath, Interfaces>;

inline constexpr const char* kService = "org.bluez";
inline constexpr const char* kAdapter = "org.bluez.Adapter1";
inline constexpr const char* kDevice = "org.bluez.Device1";
inline constexpr const char* kGattService = "org.bluez.GattService1";
inline constexpr const char* kCharacteristic = "org.bluez.GattCharacteristic1";
inline constexpr const char* kGattManager = "org.bluez.GattManager1";
inline constexpr const char* kAdvertisingManager = "org.bluez.LEAdvertisingManager1";
inline constexpr const char* kAdvertisement = "org.bluez.LEAdvertisement1";
inline constexpr const char* kProperties = "org.freedesktop.DBus.Properties";
inline constexpr const char* kObjectManager = "org.freedesktop.DBus.ObjectManager";

// A property of a type; nothing where it is not there or of another type.
template <class T>
std::optional<T> property(const Properties& from, const std::string& name) {
  const auto found = from.find(name);
  if (found == from.end() || !found->second.containsValueOfType<T>()) {
    return std::nullopt;
  }
  return found->second.get<T>();
}

class Bus {
 public:
  // `lost`: the bus is gone, from the loop; nothing works any more.
  static Result<std::unique_ptr<Bus>, std::string> open(const net::Executor& executor,
                                                        std::function<void()> lost);
  ~Bus();
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  // Nothing is called back any more, whatever comes: its users may go before it.
  void mute();

  // Calls a method of BlueZ. `write` puts the arguments in; `done` gets the reply, or the error and
  // a reply that must not be read. Both may throw sdbus::Error; what `done` throws (a reply of
  // another shape) is dropped.
  using Write = std::function<void(sdbus::MethodCall&)>;
  using Done = std::function<void(sdbus::MethodReply&, const sdbus::Error*)>;
  void call(const std::string& path, const std::string& interface, const std::string& method,
            const Write& write, Done done, std::chrono::milliseconds timeout);
  // What nobody waits for.
  void tell(const std::string& path, const std::string& interface, const std::string& method,
            const Write& write = {});
  // Messages that fit the rule, until the bus goes. False: the bus refused it.
  bool match(const std::string& rule, std::function<void(sdbus::Message&)> on);
  // An object of ours; methods and properties are then registered on it. Throws sdbus::Error.
  std::unique_ptr<sdbus::IObject> object(const std::string& path);
  // After anything was sent or asked for outside of call().
  void nudge();
  // Our own name on the bus.
  [[nodiscard]] std::string name() const;

 private:
  Bus(const net::Executor& executor, std::unique_ptr<sdbus::IConnection> connection,
      std::function<void()> lost);
  struct Life;
  void pump();
  void arm();
  void watch(short events);
  void fall();
  net::Executor executor_;
  std::shared_ptr<Life> life_;
  std::unique_ptr<sdbus::IConnection> connection_;
  std::function<void()> lost_;
  std::map<std::string, std::unique_ptr<sdbus::IProxy>> proxies_;  // by path
  std::vector<sdbus::Slot> matches_;
  boost::asio::posix::stream_descriptor descriptor_;
  boost::asio::steady_timer timer_;
  bool reading_ = false;
  bool writing_ = false;
  bool nudged_ = false;
  bool fallen_ = false;
};

}  // namespace latchkey::bluez
