#include "device/radio.h"

#include "device/options.h"
#include "device/radio_bluez.h"
#include "device/radio_socket.h"

namespace latchkey::device {

namespace {

constexpr const char* kBluetoothSocket = "bluetooth.sock";  // in the folder of the state

}  // namespace

Result<std::unique_ptr<Radio>, std::string> open_radio(const RunOptions& options,
                                                       net::Executor executor) {
  if (options.bluetooth) {
    auto bluez = RadioBluez::open(std::move(executor), options.state / kBluetoothSocket,
                                  bluetooth_program(), options.bluetooth_adapter);
    if (!bluez) {
      return fail(bluez.error());
    }
    return std::unique_ptr<Radio>(*std::move(bluez));
  }
  if (options.bluetooth_socket.empty()) {
    return std::unique_ptr<Radio>();
  }
  auto socket = RadioSocket::open(std::move(executor), options.bluetooth_socket);
  if (!socket) {
    return fail(socket.error());
  }
  return std::unique_ptr<Radio>(*std::move(socket));
}

}  // namespace latchkey::device
