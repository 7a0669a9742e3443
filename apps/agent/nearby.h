// Devices nearby, which are paired over Bluetooth. The radio is somebody else's: of the browser,
// whose window carries values as agent messages (CarriedLink); or of this computer.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "gatt/link.h"
#include "net/gatt_stream.h"
#include "wire/error.h"

namespace latchkey::agentd {

// A device nearby, as it is paired with.
class NearbyWay {
 public:
  NearbyWay() = default;
  virtual ~NearbyWay() = default;
  NearbyWay(const NearbyWay&) = delete;
  NearbyWay& operator=(const NearbyWay&) = delete;
  // A new session with it, on a connection of its own; the one before is ended. It may lose its
  // connection and get another one, without anybody's doing. One caller at a time.
  virtual net::Task<net::Result<std::shared_ptr<net::GattStream>>> open() = 0;
};

// A link that a client's connection carries.
class CarriedLink final : public NearbyWay, public std::enable_shared_from_this<CarriedLink> {
 public:
  // For a person who has the device in reach: what takes longer does not come.
  static constexpr std::chrono::milliseconds kConnectTime = std::chrono::seconds(25);
  static constexpr std::chrono::milliseconds kHangUpTime = std::chrono::seconds(3);

  // What is asked of whoever carries it. Called from the loop, never after `over`.
  struct Carrier {
    std::function<void(Bytes value)> send;  // in order; on_taken() for each
    std::function<void()> connect;          // then on_connected(), or on_gone()
    std::function<void()> hang_up;          // after what was sent; then on_lost()
    // It is over, for this reason where it was not to be expected.
    std::function<void(std::optional<wire::ErrorCode>)> over;
  };
  CarriedLink(net::Executor executor, Random& random, Carrier carrier);
  ~CarriedLink() override;

  net::Task<net::Result<std::shared_ptr<net::GattStream>>> open() override;

  // --- what the carrier says ---
  // `mtu`: of ATT; 0: not known.
  void on_connected(std::size_t mtu = 0);
  void on_value(ByteSpan value);
  void on_taken();
  void on_lost();
  // There will be no connection any more; `over` is not called.
  void on_gone();

  // From our side: the carrier is told.
  void close(std::optional<wire::ErrorCode> why);
  [[nodiscard]] bool is_over() const { return over_; }

 private:
  class Pipe;
  void end();

  net::Executor executor_;
  Random& random_;
  Carrier carrier_;
  std::shared_ptr<Pipe> pipe_;  // of the connection there is
  std::size_t mtu_ = 0;         // of it
  bool unused_ = false;         // no session was begun on it yet
  std::shared_ptr<net::GattStream> stream_;
  std::size_t in_radio_ = 0;
  boost::asio::steady_timer changed_;
  bool over_ = false;
};

}  // namespace latchkey::agentd
