#include "discovery/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace latchkey::discovery {

IpAddress IpAddress::v4(const ByteArray<4>& bytes) {
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

IpAddress IpAddress::v6(const ByteArray<16>& bytes) {
  IpAddress address;
  address.family_ = Family::kV6;
  address.bytes_ = bytes;
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN) {
    return std::nullopt;
  }
  const std::string copy(text);
  if (copy.find('\0') != std::string::npos) {
    return std::nullopt;
  }
  ByteArray<4> four{};
  if (inet_pton(AF_INET, copy.c_str(), four.data()) == 1) {
    return v4(four);
  }
  ByteArray<16> sixteen{};
  if (inet_pton(AF_INET6, copy.c_str(), sixteen.data()) == 1) {
    return v6(sixteen);
  }
  return std::nullopt;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> out{};
  const int family = family_ == Family::kV4 ? AF_INET : AF_INET6;
  if (inet_ntop(family, bytes_.data(), out.data(), out.size()) == nullptr) {
    return {};
  }
  return out.data();
}

bool IpAddress::is_loopback() const {
  if (family_ == Family::kV4) {
    return bytes_[0] == 127;
  }
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t b) { return b == 0; }) &&
         bytes_[15] == 1;
}

bool IpAddress::is_link_local() const {
  if (family_ == Family::kV4) {
    return bytes_[0] == 169 && bytes_[1] == 254;
  }
  return bytes_[0] == 0xFE && (bytes_[1] & 0xC0U) == 0x80U;
}

bool IpAddress::is_home() const {
  if (is_link_local()) {
    return true;
  }
  if (family_ == Family::kV4) {
    return bytes_[0] == 10 || (bytes_[0] == 172 && (bytes_[1] & 0xF0U) == 16) ||
           (bytes_[0] == 192 && bytes_[1] == 168);
  }
  return (bytes_[0] & 0xFEU) == 0xFCU;
}

bool is_candidate(const IpAddress& address, Loopback loopback) {
  return address.is_home() || (loopback == Loopback::kAllowed && address.is_loopback());
}

}  // namespace latchkey::discovery
