// Where the device listens.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>

#include "base/result.h"

namespace latchkey::device {

struct Listening {
  int fd = -1;
  std::string address;
  std::uint16_t port = 0;
};

// A listening TCP socket for "all" or one numeric address. `port` 0: any; says which it became.
// Fails with std::errc::invalid_argument for what is no address, and with what the system says.
Result<Listening, std::error_code> listen_on(const std::string& address, std::uint16_t port);

// The same for `latchkey-device run`. The exit code, with what to do said on standard error; kDone:
// `listening` is there.
int open_front_port(const std::string& address, std::uint16_t port, Listening& listening);

// Once all ports are open. Nothing that the calling thread starts may listen below 1024 any more;
// nor may it itself, unless the service manager keeps it from saying so.
void give_up_low_ports();

}  // namespace latchkey::device
