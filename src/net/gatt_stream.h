// A session over GATT as a ByteStream: gatt::Link with a clock, for whoever reads and writes, and
// for the radio that carries its values. What a radio must do is ValuePipe; what it must tell is
// on_connected() and so on. It outlives connections: the same stream goes on over the next one.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "gatt/link.h"
#include "net/stream.h"

namespace latchkey::net {

// The way of values to the other end of one connection. Calls return at once; values are kept in
// order. Never calls back from inside of a call.
class ValuePipe {
 public:
  virtual ~ValuePipe() = default;
  // At most gatt::kMaxValue bytes; GattStream::on_value_taken() when it has gone out. At most
  // gatt::kInRadio + 1 wait.
  virtual void send(Bytes value) = 0;
  // Ends the connection when what was sent has gone out. Nothing is sent after it.
  virtual void hang_up() = 0;
};

class GattStream final : public ByteStream {
 public:
  // `session`: for a central gatt::SessionId of random bytes; for a peripheral the one in the
  // Hello.
  GattStream(Executor executor, gatt::Role role, const gatt::SessionId& session);
  ~GattStream() override;

  // --- the radio's side, on the executor's thread ---
  // `pipe` is kept until the connection ends: on_disconnected(), hang_up(), or this goes away
  // (which hangs up). `mtu` as for gatt::Link::connected.
  void on_connected(std::shared_ptr<ValuePipe> pipe, std::size_t mtu);
  void on_value(ByteSpan value);
  void on_value_taken();
  void on_disconnected();

  // --- the session's ---
  // Waits through lost connections; kClosed with the reason where it ended otherwise than in order.
  Task<Result<std::size_t>> read_some(std::span<std::uint8_t> into, Deadline deadline) override;
  // Returns when all of it is the link's, which keeps at most gatt::kMaxQueued. kLimit where the
  // session has had gatt::kMaxStream.
  Task<Result<void>> write_all(ByteSpan bytes, std::chrono::milliseconds stall) override;
  // Waits, for 2 s at most, until the peer has everything.
  Task<void> shutdown() override;
  void close() override;
  [[nodiscard]] bool is_open() const override;

  [[nodiscard]] const gatt::SessionId& session() const;
  [[nodiscard]] bool is_connected() const;
  [[nodiscard]] std::optional<gatt::Ended> ended() const;
  // Called once when the session is over, from inside of whatever ended it: do not destroy this
  // there.
  void on_end(std::function<void()> callback);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace latchkey::net
