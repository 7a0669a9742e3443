#include "base/sign_in.h"

#include <algorithm>

namespace latchkey {
namespace {

constexpr std::string_view kScheme = "https://";

bool is_path_character(char c) {
  constexpr std::string_view kMarks = "-._~:@!$&'()*+,;=/";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kMarks.find(c) != std::string_view::npos;
}

// Begins with "/". An empty part is allowed at the end only: that is the trailing slash.
bool is_plain_path(std::string_view path) {
  if (!std::all_of(path.begin(), path.end(), is_path_character)) {
    return false;
  }
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    if (part == "." || part == ".." || (part.empty() && !path.empty())) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<Issuer> Issuer::parse(std::string_view text) {
  if (text.size() > kMaxSize || !text.starts_with(kScheme)) {
    return std::nullopt;
  }
  const std::size_t slash = std::min(text.find('/', kScheme.size()), text.size());
  if (!Origin::parse(text.substr(0, slash)) || !is_plain_path(text.substr(slash))) {
    return std::nullopt;
  }
  return Issuer(std::string(text));
}

std::optional<SignInOffer> SignInOffer::make(std::string_view issuer, std::string_view client) {
  auto parsed = Issuer::parse(issuer);
  const bool fits =
      client.size() <= kMaxClient &&
      std::all_of(client.begin(), client.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!parsed || !fits) {
    return std::nullopt;
  }
  return SignInOffer{*std::move(parsed), std::string(client)};
}

}  // namespace latchkey
