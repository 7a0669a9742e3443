// The device over Bluetooth: when it is to be seen, who may connect, and which session a connection
// belongs to. The sessions are pairing's, served by the Server as those over TLS are.
//
// Seen while the pairing window is open; and, for gatt::kResumeTime at most, while a session that
// has proved the code waits for its connection to come back. One central at a time.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "device/device.h"
#include "device/radio.h"
#include "net/gatt_stream.h"

namespace latchkey::device {

class Bluetooth final : public RadioUser {
 public:
  // With those that wait for their connection to come back. The oldest that has not proved the code
  // gives way to a new one; one that has does not.
  static constexpr std::size_t kMaxSessions = 4;

  // Hands a new session to whoever serves it.
  using Serve = std::function<void(std::shared_ptr<net::GattStream>)>;
  // Whether a session has proved the code.
  using Proved = std::function<bool(net::GattStream&)>;
  // All outlive this.
  Bluetooth(net::Executor executor, Device& device, Radio& radio, Serve serve, Proved proved);
  ~Bluetooth() override;

  // The window, or the rid, may have changed.
  void update(const discovery::Rid& rid);
  [[nodiscard]] const Radio& radio() const { return radio_; }

  void on_connected(CentralId central, std::size_t mtu) override;
  void on_value(CentralId central, ByteSpan value) override;
  void on_value_taken(CentralId central) override;
  void on_disconnected(CentralId central) override;

 private:
  class Pipe;
  struct Connection {
    CentralId central = 0;
    std::size_t mtu = 0;
    std::shared_ptr<Pipe> pipe;
    std::shared_ptr<net::GattStream> stream;  // null until it has said which session it is for
  };
  void greet(ByteSpan value);
  void refuse(gatt::EndReason reason);
  std::shared_ptr<net::GattStream> find(const gatt::SessionId& session) const;
  // Null: there is no place.
  std::shared_ptr<net::GattStream> add(const gatt::SessionId& session);
  void advertise();

  net::Executor executor_;
  Device& device_;
  Radio& radio_;
  Serve serve_;
  Proved proved_;
  std::optional<discovery::Rid> rid_;
  std::optional<Connection> connection_;
  std::vector<std::shared_ptr<net::GattStream>> sessions_;  // oldest first
  boost::asio::steady_timer greeting_;
  std::shared_ptr<Bluetooth*> self_;  // what is posted looks whether this is still there
};

}  // namespace latchkey::device
