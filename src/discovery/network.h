// One program's connection to multicast DNS, shared by its Publisher, Browser and HostLookups: the
// system's avahi-daemon where it runs, else Avahi's responder inside this process. Chooses, notices
// when the responder goes away, and starts again; its users notice only as a pause.
//
// One thread, that of the io_context. Must outlive its users; the io_context must outlive it.
// Opening the system's daemon blocks for the D-Bus handshake (a few milliseconds).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/ip_address.h"

namespace boost::asio {
class io_context;
}

namespace latchkey::discovery {

class Backend;
class Poll;

enum class Mode : std::uint8_t { kAuto, kSystem, kBuiltin, kOff };
// "auto", "system", "builtin", "off".
std::optional<Mode> parse_mode(std::string_view text);

struct NetworkOptions {
  Mode mode = Mode::kAuto;
  // Names of the interfaces to use; empty means all that can multicast.
  std::vector<std::string> interfaces;
  Loopback loopback = Loopback::kRefused;
  // Whether a Publisher will be attached: a mere listener announces nothing about this machine.
  bool publishes = false;
};

class Network {
 public:
  Network(boost::asio::io_context& io, NetworkOptions options);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  Network(Network&&) = delete;
  Network& operator=(Network&&) = delete;

  enum class Kind : std::uint8_t { kNone, kSystem, kBuiltin };
  [[nodiscard]] Kind kind() const;
  // Whether questions and records reach the link at present; if not, why.
  [[nodiscard]] bool running() const;
  [[nodiscard]] std::string reason() const;

  // For Publisher, Browser and HostLookup. A user calls nobody else from inside these two, and has
  // dropped all groups and queries when backend_down() returns.
  class User {
   public:
    User() = default;
    virtual ~User() = default;
    User(const User&) = delete;
    User& operator=(const User&) = delete;
    User(User&&) = delete;
    User& operator=(User&&) = delete;
    virtual void backend_up() = 0;
    virtual void backend_down() = 0;
  };
  void attach(User& user);
  void detach(User& user);
  [[nodiscard]] Backend* backend() const;  // null unless running()
  [[nodiscard]] Poll& poll() const;
  [[nodiscard]] const NetworkOptions& options() const;
  // Indexes of the chosen interfaces; {0} when all are to be used. Empty when none of them exists.
  [[nodiscard]] std::vector<std::uint32_t> interfaces() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::discovery
