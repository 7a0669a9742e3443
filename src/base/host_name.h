// The host name of a grant: one label under .local, in its one canonical spelling.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace latchkey {

// `[a-z0-9-]` label of 1 to 63 bytes that neither starts nor ends with '-', then ".local".
// Upper case, a trailing dot, sub-domains, IDNA labels ("xn--", or "--" at positions 3 and 4), IP
// addresses and wildcards are refused: there is no second spelling of a granted host.
class HostName {
 public:
  static std::optional<HostName> parse(std::string_view text);

  // `<type>-<tag>.local`, tag = 12 characters a-z2-7: the shape of hosts of origin grants.
  static std::optional<HostName> pairwise(std::string_view type, std::string_view tag);
  // A slug that a person confirmed, at most 40 bytes. Refuses what looks pairwise, and "localhost".
  static std::optional<HostName> direct(std::string_view slug);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::string_view label() const;
  [[nodiscard]] bool has_pairwise_shape() const;
  friend auto operator<=>(const HostName&, const HostName&) = default;

 private:
  explicit HostName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// A kind of device: `[a-z0-9]` words joined by single '-', 1 to 32 bytes ("media-cache").
bool is_device_type(std::string_view text);

}  // namespace latchkey
