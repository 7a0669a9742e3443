#include "device/listening.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>

#include "device/opening.h"
#include "device/options.h"
#include "net/local_message.h"

namespace latchkey::device {
namespace {

namespace asio = boost::asio;

constexpr int kBacklog = 256;
constexpr std::uint16_t kFirstFreePort = 1024;

std::error_code system_error() {
  return {errno, std::system_category()};
}

std::string with_port(std::uint16_t port) {
  return "--port " + std::to_string(port) +
         " (in the configuration file: port = " + std::to_string(port) +
         "). Its addresses then end in :" + std::to_string(port) + ".";
}

}  // namespace

Result<Listening, std::error_code> listen_on(const std::string& address, std::uint16_t port) {
  boost::system::error_code error;
  const bool all = address == "all";
  auto ip =
      all ? asio::ip::address(asio::ip::address_v6::any()) : asio::ip::make_address(address, error);
  if (error) {
    return fail(std::make_error_code(std::errc::invalid_argument));
  }
  const int flags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  int fd = ::socket(ip.is_v6() ? AF_INET6 : AF_INET, flags, 0);
  if (fd < 0 && all) {  // a machine without IPv6
    ip = asio::ip::address_v4::any();
    fd = ::socket(AF_INET, flags, 0);
  }
  net::OwnedFd owned(fd);
  const int on = 1;
  const int off = 0;
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      (all && ip.is_v6() && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0)) {
    return fail(system_error());
  }
  asio::ip::tcp::endpoint endpoint(ip, port);
  if (::bind(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
      ::listen(fd, kBacklog) != 0) {
    return fail(system_error());
  }
  auto size = static_cast<socklen_t>(endpoint.capacity());
  if (::getsockname(fd, endpoint.data(), &size) != 0) {
    return fail(system_error());
  }
  return Listening{owned.release(), all ? "0.0.0.0" : address, endpoint.port()};
}

int open_front_port(const std::string& address, std::uint16_t port, Listening& listening) {
  const auto opened = listen_on(address, port);
  if (opened) {
    listening = *opened;
    return kDone;
  }
  const std::string number = std::to_string(port);
  const std::uint16_t other = port == kDefaultPort ? kDefaultPort + 1 : kDefaultPort;
  if (opened.error() == std::errc::address_in_use) {
    return complain(kFailed, "Another program on this machine has port " + number + " already.",
                    "This shows which: sudo ss -ltnp \"sport = :" + number +
                        "\". Stop it, or give the device another port: " + with_port(other));
  }
  if (opened.error() == std::errc::permission_denied && port != 0 && port < kFirstFreePort) {
    return complain(kFailed, "Port " + number + " is for services of the system.",
                    "Start the service that came with the package (sudo systemctl start "
                    "latchkey-device), or use " +
                        with_port(other));
  }
  return complain(
      kFailed,
      "Port " + number + " at " + address + " cannot be opened: " + opened.error().message(),
      "--listen takes an address of this machine, or all; --port another port.");
}

void give_up_low_ports() {
  // What the package's service was given passes to every program that it starts, through this set.
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // This is refused under the service's filter of system calls: it is worth less than the filter.
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &head, sets.data()) != 0) {
    return;
  }
  constexpr std::uint32_t kKept = ~(1U << CAP_NET_BIND_SERVICE);
  sets[0].effective &= kKept;
  sets[0].permitted &= kKept;
  sets[0].inheritable &= kKept;
  (void)::syscall(SYS_capset, &head, sets.data());
}

}  // namespace latchkey::device
