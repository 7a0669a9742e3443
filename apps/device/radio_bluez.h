// The computer's own Bluetooth: a radio that latchkey-bluetooth drives, a program of its own that
// this starts, starts again when it ends, and ends.
#pragma once

#include <sys/types.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "device/radio.h"
#include "device/radio_socket.h"

namespace latchkey::device {

class RadioBluez final : public Radio {
 public:
  // `program` must be there. `adapter`: empty: any.
  static Result<std::unique_ptr<RadioBluez>, std::string> open(net::Executor executor,
                                                               const std::filesystem::path& socket,
                                                               const std::filesystem::path& program,
                                                               std::string adapter);
  ~RadioBluez() override;

  void start(RadioUser& user) override;
  void stop() override;
  void advertise(const std::optional<discovery::Rid>& rid) override { socket_->advertise(rid); }
  void send(CentralId central, Bytes value) override { socket_->send(central, std::move(value)); }
  void hang_up(CentralId central) override { socket_->hang_up(central); }
  [[nodiscard]] std::string kind() const override { return "bluez"; }
  // The program is connected while Bluetooth can be used, and not otherwise.
  [[nodiscard]] bool works() const override { return socket_->works(); }

 private:
  RadioBluez(net::Executor executor, std::unique_ptr<RadioSocket> socket,
             std::filesystem::path path, std::filesystem::path program, std::string adapter);
  void launch();
  void on_exit();
  std::unique_ptr<RadioSocket> socket_;
  std::filesystem::path path_;
  std::filesystem::path program_;
  std::string adapter_;
  pid_t child_ = -1;
  boost::asio::posix::stream_descriptor watch_;
  boost::asio::steady_timer again_;
  bool stopped_ = true;
};

// Where latchkey-bluetooth is: beside this very program.
std::filesystem::path bluetooth_program();

}  // namespace latchkey::device
