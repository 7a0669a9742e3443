// Between BlueZ and latchkey-device: carries advertisements, connections and values from one to the
// other, over the device's socket for radios (docs/bluetooth.md). Connected there while Bluetooth
// works, and not otherwise, so that the device knows.
#pragma once

#include <boost/asio/io_context.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "bluez/peripheral.h"
#include "net/stream.h"

namespace latchkey::bluetooth {

class Radio final : public bluez::Peripheral::Listener {
 public:
  struct Options {
    std::string socket;   // the device's, an absolute path
    std::string adapter;  // empty: any
  };
  Radio(boost::asio::io_context& io, Options options);
  ~Radio() override;
  Radio(const Radio&) = delete;
  Radio& operator=(const Radio&) = delete;

  // The device has hung up, or sent what is no message: there is nothing left to do.
  [[nodiscard]] bool hung_up() const { return hung_up_; }
  void stop();

 private:
  void on_connected(std::size_t mtu) override;
  void on_disconnected() override;
  void on_value(Bytes value) override;
  void on_sent() override;
  void on_condition(const bluez::Condition& condition) override;

  struct Message {
    Bytes bytes;
    bool is_value = false;  // BlueZ hears that it was taken when it has been written
  };
  net::Task<void> serve();
  net::Task<void> write_queued();
  bool take(ByteSpan message);
  void put(std::uint8_t kind, ByteSpan body, bool is_value = false);
  void end();

  boost::asio::io_context& io_;
  Options options_;
  std::shared_ptr<net::FdStream> stream_;
  std::deque<Message> queue_;
  std::uint16_t central_ = 0;  // the device's name for the one that is connected
  bool connected_ = false;
  bool writing_ = false;
  bool hung_up_ = false;
  std::unique_ptr<bluez::Peripheral> peripheral_;
  net::TaskGroup tasks_;
};

}  // namespace latchkey::bluetooth
