#include "net/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <memory>
#include <string>

namespace latchkey::net {
namespace {

constexpr unsigned kHomeBits = 56;

bool between(std::uint32_t value, std::uint32_t network, unsigned bits) {
  return (value ^ network) >> (32 - bits) == 0;
}

// IANA's special-purpose registry (RFC 6890 and its successors), and multicast.
bool is_public_v4(std::uint32_t a) {
  struct Block {
    std::uint32_t network;
    unsigned bits;
  };
  static constexpr std::array kSpecial = {
      Block{0x00000000, 8},  Block{0x0a000000, 8},  Block{0x64400000, 10}, Block{0x7f000000, 8},
      Block{0xa9fe0000, 16}, Block{0xac100000, 12}, Block{0xc0000000, 24}, Block{0xc0000200, 24},
      Block{0xc0586300, 24}, Block{0xc0a80000, 16}, Block{0xc6120000, 15}, Block{0xc6336400, 24},
      Block{0xcb007100, 24}, Block{0xe0000000, 3}};
  return std::none_of(kSpecial.begin(), kSpecial.end(),
                      [a](const Block& block) { return between(a, block.network, block.bits); });
}

struct Raw {
  std::array<std::uint8_t, 16> bytes{};
  unsigned bits = 0;  // of the family; 0: another one
};
Raw raw_of(const sockaddr* address) {
  Raw raw;
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    std::memcpy(raw.bytes.data(), &in.sin_addr, sizeof in.sin_addr);
    raw.bits = 32;
  } else if (address->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    std::memcpy(raw.bytes.data(), &in.sin6_addr, sizeof in.sin6_addr);
    raw.bits = 128;
  }
  return raw;
}

unsigned ones(const Raw& mask) {
  unsigned count = 0;
  for (unsigned i = 0; i < mask.bits / 8; ++i) {
    count += static_cast<unsigned>(std::popcount(mask.bytes[i]));
  }
  return count;
}

}  // namespace

bool is_public_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    return is_public_v4(ntohl(in.sin_addr.s_addr));
  }
  if (address->sa_family != AF_INET6) {
    return false;
  }
  const Raw raw = raw_of(address);
  const auto& b = raw.bytes;
  const unsigned first = (static_cast<unsigned>(b[0]) << 8U) | b[1];
  const unsigned second = (static_cast<unsigned>(b[2]) << 8U) | b[3];
  // Global unicast is 2000::/3; inside it, 2001::/23 (Teredo and others), documentation and 6to4
  // lead elsewhere. Mapped and translated IPv4 lies outside.
  return first >> 13U == 1 && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8)) &&
         first != 0x2002 && first != 0x3fff;
}

std::optional<Network> Network::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string host(text.substr(0, slash));
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  const bool is_v4 = ::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1;
  if (!is_v4 && ::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) {
    return std::nullopt;
  }
  unsigned bits = is_v4 ? 32 : 128;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
      return std::nullopt;
    }
  }
  return of(is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6),
            bits);
}

std::optional<Network> Network::of(const sockaddr* address, unsigned bits) {
  const Raw raw = raw_of(address);
  if (raw.bits == 0 || bits > raw.bits) {
    return std::nullopt;
  }
  Network network;
  network.family_ = address->sa_family;
  network.bits_ = bits;
  network.bytes_ = raw.bytes;
  return network;
}

bool Network::contains(const sockaddr* address) const {
  if (address->sa_family != family_) {
    return false;
  }
  const Raw raw = raw_of(address);
  const unsigned whole = bits_ / 8;
  const unsigned rest = bits_ % 8;
  return std::equal(bytes_.begin(), bytes_.begin() + whole, raw.bytes.begin()) &&
         (rest == 0 || (bytes_[whole] ^ raw.bytes[whole]) >> (8 - rest) == 0);
}

std::optional<std::vector<Network>> own_networks() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    return std::nullopt;
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> held(list, &::freeifaddrs);
  std::vector<Network> networks;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_netmask == nullptr) {
      continue;
    }
    unsigned bits = ones(raw_of(one->ifa_netmask));
    if (one->ifa_addr->sa_family == AF_INET6 && is_public_address(one->ifa_addr)) {
      bits = std::min(bits, kHomeBits);
    }
    if (const auto network = Network::of(one->ifa_addr, bits)) {
      networks.push_back(*network);
    }
  }
  return networks;
}

}  // namespace latchkey::net
