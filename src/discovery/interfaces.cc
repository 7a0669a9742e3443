#include "discovery/interfaces.h"

#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>

#include "base/encoding.h"

namespace latchkey::discovery {
namespace {

using std::chrono::milliseconds;

// Flags of this machine's IPv6 addresses, by address and interface index.
std::map<std::pair<Bytes, unsigned>, unsigned> read_ipv6_flags() {
  std::map<std::pair<Bytes, unsigned>, unsigned> flags;
  std::ifstream file("/proc/net/if_inet6");
  std::string address;
  std::string name;
  unsigned index = 0;
  unsigned prefix = 0;
  unsigned scope = 0;
  unsigned state = 0;
  file >> std::hex;
  while (file >> address >> index >> prefix >> scope >> state >> name) {
    if (const auto bytes = hex_decode(address, 16)) {
      flags[{*bytes, index}] = state;
    }
  }
  return flags;
}

std::optional<IpAddress> read_address(const sockaddr& from) {
  if (from.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &from, sizeof in);
    ByteArray<4> bytes{};
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    return IpAddress::v4(bytes);
  }
  if (from.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &from, sizeof in);
    ByteArray<16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return IpAddress::v6(bytes);
  }
  return std::nullopt;
}

}  // namespace

std::vector<OwnAddress> own_addresses() {
  std::vector<OwnAddress> found;
  ifaddrs* raw = nullptr;
  if (::getifaddrs(&raw) != 0) {
    return found;
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(raw, ::freeifaddrs);
  const auto flags = read_ipv6_flags();
  constexpr unsigned kTransient =
      IFA_F_TEMPORARY | IFA_F_TENTATIVE | IFA_F_DEPRECATED | IFA_F_DADFAILED;
  for (const ifaddrs* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) {
      continue;
    }
    const auto address = read_address(*entry->ifa_addr);
    const unsigned index = ::if_nametoindex(entry->ifa_name);
    if (!address || index == 0) {
      continue;
    }
    bool transient = false;
    if (address->family() == IpAddress::Family::kV6) {
      const auto state = flags.find({to_bytes(address->bytes()), index});
      transient = state != flags.end() && (state->second & kTransient) != 0;
    }
    found.push_back({index, entry->ifa_name, *address, transient});
  }
  return found;
}

std::vector<OwnAddress> publishable(std::span<const OwnAddress> addresses,
                                    std::span<const std::string> interfaces, Loopback loopback) {
  const auto wanted = [&](const OwnAddress& own) {
    return !own.transient && is_candidate(own.address, loopback) &&
           (interfaces.empty() || std::find(interfaces.begin(), interfaces.end(),
                                            own.interface_name) != interfaces.end());
  };
  const auto is_v6_link_local = [](const OwnAddress& own) {
    return own.address.family() == IpAddress::Family::kV6 && own.address.is_link_local();
  };
  std::vector<OwnAddress> chosen;
  for (const OwnAddress& own : addresses) {
    const bool has_better = std::any_of(addresses.begin(), addresses.end(), [&](const auto& other) {
      return other.interface == own.interface && wanted(other) && !is_v6_link_local(other);
    });
    if (wanted(own) && !(is_v6_link_local(own) && has_better)) {
      chosen.push_back(own);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<std::uint32_t> interface_indexes(std::span<const std::string> names) {
  std::vector<std::uint32_t> indexes;
  for (const std::string& name : names) {
    if (const unsigned index = ::if_nametoindex(name.c_str()); index != 0) {
      indexes.push_back(index);
    }
  }
  return indexes;
}

AddressWatch::AddressWatch(Poll& poll, std::function<void()> changed)
    : settle_(poll, std::move(changed)) {
  socket_ = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (socket_ < 0) {
    return;
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    watch_ = std::make_unique<ReadWatch>(poll, socket_, [this] { drain(); });
  }
}

AddressWatch::~AddressWatch() {
  watch_.reset();
  if (socket_ >= 0) {
    ::close(socket_);
  }
}

// What changed is read anew from the system; the messages only say that it is time to.
void AddressWatch::drain() {
  std::array<std::uint8_t, 8192> buffer{};
  while (::recv(socket_, buffer.data(), buffer.size(), MSG_TRUNC) > 0) {
  }
  settle_.start_if_idle(milliseconds(200));
}

}  // namespace latchkey::discovery
