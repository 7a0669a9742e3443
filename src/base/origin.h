// A web origin (RFC 6454): scheme, host and port, compared as the exact triple.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace latchkey {

// Only what a browser's secure context sends as `Origin`: "https", a host, a port when it is not
// 443. The text must be the one canonical serialisation ("https://video.example", never upper case,
// a trailing slash or dot, user-info, ":443" or a Unicode host): whoever compares texts compares
// origins. At most 300 bytes. Hosts: a DNS name (letters, digits, '-', '_', '.'), an IPv4 or a
// bracketed IPv6 address.
class Origin {
 public:
  static std::optional<Origin> parse(std::string_view text);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::string_view host() const {
    return std::string_view(text_).substr(8, host_size_);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  friend bool operator==(const Origin& a, const Origin& b) { return a.text_ == b.text_; }
  friend auto operator<=>(const Origin& a, const Origin& b) { return a.text_ <=> b.text_; }

 private:
  Origin(std::string text, std::size_t host_size, std::uint16_t port)
      : text_(std::move(text)), host_size_(host_size), port_(port) {}
  std::string text_;
  std::size_t host_size_;
  std::uint16_t port_;
};

}  // namespace latchkey
