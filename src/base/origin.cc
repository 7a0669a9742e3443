#include "base/origin.h"

#include <algorithm>
#include <charconv>

namespace latchkey {
namespace {

constexpr std::string_view kScheme = "https://";
constexpr std::size_t kMaxOrigin = 300;

bool is_dns_name(std::string_view host) {
  if (host.empty() || host.size() > 253 || host.back() == '.') {
    return false;
  }
  std::size_t label = 0;
  for (const char c : host) {
    if (c == '.') {
      if (label == 0) {
        return false;
      }
      label = 0;
      continue;
    }
    const bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!ok || ++label > 63) {
      return false;
    }
  }
  return label > 0;
}

bool is_ipv6_literal(std::string_view host) {
  return host.size() >= 4 && host.size() <= 41 && host.front() == '[' && host.back() == ']' &&
         std::all_of(host.begin() + 1, host.end() - 1, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':';
         });
}

}  // namespace

std::optional<Origin> Origin::parse(std::string_view text) {
  if (text.size() > kMaxOrigin || !text.starts_with(kScheme)) {
    return std::nullopt;
  }
  const std::string_view authority = text.substr(kScheme.size());
  const std::size_t bracket = authority.find(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = authority.substr(0, colon);
  if (!is_dns_name(host) && !is_ipv6_literal(host)) {
    return std::nullopt;
  }
  std::uint16_t port = 443;
  if (colon != std::string_view::npos) {
    const std::string_view digits = authority.substr(colon + 1);
    if (digits.empty() || digits.front() == '0') {
      return std::nullopt;
    }
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size() || port == 443) {
      return std::nullopt;
    }
  }
  return Origin(std::string(text), host.size(), port);
}

}  // namespace latchkey
