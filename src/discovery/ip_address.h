// IPv4 and IPv6 addresses as values, and the judgement which of them can belong to a device in the
// house.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace latchkey::discovery {

class IpAddress {
 public:
  enum class Family : std::uint8_t { kV4, kV6 };

  static IpAddress v4(const ByteArray<4>& bytes);
  static IpAddress v6(const ByteArray<16>& bytes);
  // Dotted decimals or RFC 4291 text, without brackets, zone or prefix length.
  static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] Family family() const { return family_; }
  // 4 or 16 bytes in network order.
  [[nodiscard]] ByteSpan bytes() const {
    return ByteSpan(bytes_).first(family_ == Family::kV4 ? 4 : 16);
  }
  [[nodiscard]] std::string text() const;

  [[nodiscard]] bool is_loopback() const;
  // 169.254/16 and fe80::/10: useless without the interface they were seen on.
  [[nodiscard]] bool is_link_local() const;
  // 10/8, 172.16/12, 192.168/16, 169.254/16, fc00::/7, fe80::/10. IPv4 inside IPv6 is not.
  [[nodiscard]] bool is_home() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  IpAddress() = default;
  Family family_ = Family::kV4;
  ByteArray<16> bytes_{};
};

// Loopback counts only where the operator said so (tests and demonstrations on one machine).
enum class Loopback : std::uint8_t { kRefused, kAllowed };

// Whether an address that a stranger announced may be connected to at all (protocol, section 1).
bool is_candidate(const IpAddress& address, Loopback loopback);

}  // namespace latchkey::discovery
