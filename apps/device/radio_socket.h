// A radio that another program drives, such as the daemon of a co-processor: it connects to a Unix
// socket of mode 0600 and speaks messages, each a 2-byte length, a kind and a body; numbers are
// big-endian (docs/bluetooth.md).
//
//   to the radio:    1 advertise: 0, or 1 and 12 bytes of rid
//                    2 value: central (2 bytes), the value     3 hang up: central
//   from the radio: 17 connected: central, MTU (2 bytes)      18 value: central, the value
//                   19 disconnected: central                  20 taken: central
//
// One program at a time; another is turned away. What is no message ends the connection.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>

#include "device/radio.h"
#include "net/stream.h"

namespace latchkey::device {

class RadioSocket final : public Radio {
 public:
  // Makes the socket; one that is there already is replaced.
  static Result<std::unique_ptr<RadioSocket>, std::string> open(net::Executor executor,
                                                                const std::string& path);
  ~RadioSocket() override;

  void start(RadioUser& user) override;
  void stop() override;
  void advertise(const std::optional<discovery::Rid>& rid) override;
  void send(CentralId central, Bytes value) override;
  void hang_up(CentralId central) override;
  [[nodiscard]] std::string kind() const override { return "socket"; }
  [[nodiscard]] bool works() const override { return shared_->program != nullptr; }

 private:
  // The program that is connected. Coroutines hold on to it.
  struct Program {
    Program(const net::Executor& executor, int fd) : stream(executor, fd) {}
    net::FdStream stream;
    std::set<CentralId> centrals;
    std::deque<Bytes> queue;
    bool writing = false;
  };
  // Outlives this while a coroutine ends.
  struct Shared {
    RadioUser* user = nullptr;
    std::shared_ptr<Program> program;
  };
  RadioSocket(net::Executor executor, std::string path, int fd);
  static net::Task<void> serve(std::shared_ptr<Shared> shared, std::shared_ptr<Program> program);
  static net::Task<void> write_queued(std::shared_ptr<Program> program);
  // False: it is no message of a radio.
  static bool take(RadioUser& user, Program& program, ByteSpan message);
  void show();
  void put_for(CentralId central, std::uint8_t kind, ByteSpan body);
  void put(std::uint8_t kind, ByteSpan body);

  net::Executor executor_;
  std::string path_;
  std::shared_ptr<net::WatchedFd> listener_;
  std::shared_ptr<Shared> shared_;
  std::optional<discovery::Rid> rid_;
  net::TaskGroup tasks_;
};

}  // namespace latchkey::device
