// For tests: a message bus of their own.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace latchkey::bluez {

// A dbus-daemon of the test's own.
class PrivateBus {
 public:
  PrivateBus() {
    int out[2];
    if (::pipe(out) != 0) {
      std::abort();
    }
    daemon_ = ::fork();
    if (daemon_ == 0) {
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);  // also where a test dies
      ::dup2(out[1], STDOUT_FILENO);
      ::execlp("dbus-daemon", "dbus-daemon", "--session", "--nofork", "--print-address=1",
               static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(out[1]);
    char byte = 0;
    while (::read(out[0], &byte, 1) == 1 && byte != '\n') {
      address_ += byte;
    }
    ::close(out[0]);
    ::setenv("DBUS_SYSTEM_BUS_ADDRESS", address_.c_str(), 1);
  }
  ~PrivateBus() {
    ::kill(daemon_, SIGTERM);
    ::waitpid(daemon_, nullptr, 0);
  }
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  pid_t daemon_ = -1;
  std::string address_;
};

}  // namespace latchkey::bluez
