// This machine's own addresses, for publishing host names, and news when they change.
// Linux: getifaddrs(3), /proc/net/if_inet6 for the state of IPv6 addresses, rtnetlink(7) for news.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "discovery/ip_address.h"
#include "discovery/poll.h"
#include "discovery/service.h"

namespace latchkey::discovery {

struct OwnAddress {
  std::uint32_t interface = 0;
  std::string interface_name;
  IpAddress address;
  // Privacy addresses, and addresses that are on their way in or out, are not worth a record.
  bool transient = false;
  friend auto operator<=>(const OwnAddress&, const OwnAddress&) = default;
};

// Of interfaces that are up. May throw nothing; an unreadable system gives an empty list.
std::vector<OwnAddress> own_addresses();

// The addresses under which a host name is published, sorted: those that an agent accepts as
// candidates; on a link that has another one, no link-local IPv6 address (it needs a scope that
// few resolvers pass on). `interfaces` narrows it to those names; empty means all.
std::vector<OwnAddress> publishable(std::span<const OwnAddress> addresses,
                                    std::span<const std::string> interfaces, Loopback loopback);

// Indexes of the named interfaces that exist at present.
std::vector<std::uint32_t> interface_indexes(std::span<const std::string> names);

// Calls back from the loop after interfaces or addresses changed, once for a burst of changes.
class AddressWatch {
 public:
  AddressWatch(Poll& poll, std::function<void()> changed);
  ~AddressWatch();
  AddressWatch(const AddressWatch&) = delete;
  AddressWatch& operator=(const AddressWatch&) = delete;
  AddressWatch(AddressWatch&&) = delete;
  AddressWatch& operator=(AddressWatch&&) = delete;

 private:
  void drain();
  int socket_ = -1;
  Timer settle_;
  std::unique_ptr<ReadWatch> watch_;
};

}  // namespace latchkey::discovery
