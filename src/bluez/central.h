// The agent's end on BlueZ: looks for devices whose pairing window is open, and connects to one.
//
// Everything heard here is a hint: anybody may advertise anything. Scanning needs an adapter that
// is switched on; it is never switched on from here, that is the person's to do. Belongs to the
// thread of its executor.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "bluez/condition.h"
#include "bluez/peripheral.h"
#include "net/task.h"

namespace latchkey::bluez {

// A device that shows the service. `key` names it towards this folder; it is not shown.
struct Nearby {
  std::string key;
  std::optional<Rid> rid;
  std::optional<std::int16_t> rssi;  // dBm; the nearer the larger. Sorts a list, proves nothing
  friend bool operator==(const Nearby&, const Nearby&) = default;
};

// One connection of ours. At most 64 values wait to be written.
class Connection {
 public:
  // From the loop, never from inside of a call.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_connected(std::size_t mtu) = 0;
    virtual void on_value(ByteSpan value) = 0;
    virtual void on_value_taken() = 0;
    // The end of it, once: also where it never came to be. Then `why` says so, for logs.
    virtual void on_disconnected(const std::string& why) = 0;
  };
  // Nothing is told after this; the connection ends.
  virtual ~Connection() = default;
  virtual void send(Bytes value) = 0;
  // Ends when what was sent has gone out.
  virtual void hang_up() = 0;
};

class Central {
 public:
  // From the loop, until the Central is destroyed.
  struct Events {
    std::function<void(const Nearby&)> found;          // or heard again, with something new
    std::function<void(const std::string& key)> lost;  // not heard for a while
    std::function<void(const Condition&)> condition;
  };
  struct Options {
    std::string adapter;  // empty: any
    ServiceNames names;
    // How long a search goes on before it is begun anew.
    std::chrono::milliseconds round = std::chrono::seconds(4);
  };
  Central(net::Executor executor, Options options, Events events);
  ~Central();
  Central(const Central&) = delete;
  Central& operator=(const Central&) = delete;

  // Looks until it is told otherwise. Everything found is lost when it stops.
  void scan(bool on);
  // To something that was found. Null where it is not there any more. `listener` outlives the
  // connection. The Central must outlive it, too.
  std::unique_ptr<Connection> connect(const std::string& key, Connection::Listener& listener);
  // No more events: their users may go. Connections go on.
  void quiet();
  [[nodiscard]] const Condition& condition() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace latchkey::bluez
