// Where on the internet an address lies: what a server on a home network may be sent to by somebody
// outside, and what it may not.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

struct sockaddr;

namespace latchkey::net {

// Whether this is the address of a host on the public internet: no private, link-local, loopback,
// shared, documentation, multicast or translated one.
bool is_public_address(const sockaddr* address);

class Network {
 public:
  // "203.0.113.0/24", "2001:db8::/32", or a single address.
  static std::optional<Network> parse(std::string_view text);
  // The first `bits` bits of an IPv4 or IPv6 address; nothing for other families.
  static std::optional<Network> of(const sockaddr* address, unsigned bits);
  // An IPv4 address that is written as an IPv6 one is in no network of IPv4.
  [[nodiscard]] bool contains(const sockaddr* address) const;

 private:
  int family_ = 0;
  unsigned bits_ = 0;
  std::array<std::uint8_t, 16> bytes_{};
};

// What this machine's own interfaces are in. With IPv6 the devices of a home have public addresses,
// and are still nobody else's business: of those the whole /56 counts, the most that a home usually
// gets. Nothing where the system does not say.
std::optional<std::vector<Network>> own_networks();

}  // namespace latchkey::net
