// A Bluetooth LE radio as the device sees it: it shows the GATT service of gatt/names.h, says that
// somebody connected, and carries characteristic values. What they mean is not its business.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "discovery/service.h"
#include "net/task.h"

namespace latchkey::device {

struct RunOptions;

// One connection of one central; a radio never gives the same number to two that are open at once.
using CentralId = std::uint16_t;

// Told by the radio, on the loop's thread, never from inside of a call to the radio.
class RadioUser {
 public:
  virtual ~RadioUser() = default;
  // `mtu`: of ATT, 0 where the radio does not know. The central has subscribed, or is about to:
  // what is sent before it has is kept by the radio, or lost and sent again.
  virtual void on_connected(CentralId central, std::size_t mtu) = 0;
  virtual void on_value(CentralId central, ByteSpan value) = 0;
  // One value of send() has been notified.
  virtual void on_value_taken(CentralId central) = 0;
  // Also after hang_up().
  virtual void on_disconnected(CentralId central) = 0;
};

class Radio {
 public:
  virtual ~Radio() = default;
  // `user` outlives the radio, or stop() comes first. Nothing is told before.
  virtual void start(RadioUser& user) = 0;
  // Nothing is told after it; what is connected is cut off.
  virtual void stop() = 0;
  // With a rid: be seen, with the service's UUID and without a name; the rid is the service's data
  // where the advertisement has room, and the value of the readable characteristic. Without: be
  // silent. Repeating it is harmless.
  virtual void advertise(const std::optional<discovery::Rid>& rid) = 0;
  // In order. For a central that is gone: nothing happens.
  virtual void send(CentralId central, Bytes value) = 0;
  // After what was sent has gone out.
  virtual void hang_up(CentralId central) = 0;
  // For `status`: "bluez", "socket"; and whether it works now.
  [[nodiscard]] virtual std::string kind() const = 0;
  [[nodiscard]] virtual bool works() const = 0;
};

// The radio that the options name; null: none. What went wrong, for people.
Result<std::unique_ptr<Radio>, std::string> open_radio(const RunOptions& options,
                                                       net::Executor executor);

}  // namespace latchkey::device
