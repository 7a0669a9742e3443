// The device's end on BlueZ: a GATT service with a characteristic that is written and one that
// notifies, and its advertisements (GattManager1, LEAdvertisingManager1 of BlueZ 5.48 and later).
//
// One central at a time: who writes first has the service until it is gone or dismissed; what
// others write is refused with ATT error 0x03 (write not permitted), and reaches nobody.
// Notifications go to everybody who has subscribed, that is how GATT works: what is said is
// protected by pairing, not by who hears it.
//
// What is sent waits in a queue of bounded length; a central's write is answered when it has been
// taken(), so that a central is never faster than we are. Survives bluetoothd's end and return, the
// bus's, and an adapter that comes and goes. Belongs to the thread of its executor.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "bluez/condition.h"
#include "net/task.h"

namespace latchkey::bluez {

struct ServiceNames {
  std::string service;      // UUIDs as text, small letters
  std::string to_device;    // written
  std::string from_device;  // notifies
  std::string rid;          // read
};

// 4 random bytes and 8 of a MAC, as in the announcement of DNS-SD.
using Rid = ByteArray<12>;

class Peripheral {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // A central has begun. `mtu` is ATT's, 23 to 517.
    virtual void on_connected(std::size_t mtu) = 0;
    virtual void on_disconnected() = 0;
    // At most 512 bytes. taken() is called for each, sooner or later.
    virtual void on_value(Bytes value) = 0;
    // One value of send() is BlueZ's.
    virtual void on_sent() = 0;
    virtual void on_condition(const Condition& condition) = 0;
  };
  struct Options {
    std::string adapter;  // "hci1"; empty: the first that can be a peripheral
    ServiceNames names;
  };

  // Calls `listener` from the loop only, until it is destroyed.
  Peripheral(net::Executor executor, Options options, Listener& listener);
  ~Peripheral();
  Peripheral(const Peripheral&) = delete;
  Peripheral& operator=(const Peripheral&) = delete;

  // Visible with this rid, until told otherwise; a new one replaces the old one. Nothing: not
  // visible; a central that is connected stays. Holds over bluetoothd's restarts.
  void advertise(std::optional<Rid> rid);
  // To the central; dropped where there is none.
  void send(Bytes value);
  // A value has been dealt with.
  void taken();
  // Ends the connection of the central that is served when what was sent has gone out;
  // on_disconnected() confirms it.
  void dismiss();
  [[nodiscard]] const Condition& condition() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace latchkey::bluez
