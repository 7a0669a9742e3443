// What a TLS ClientHello gets at the device's one port (docs/protocol.md sections 2, 6 and 7).
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "base/host_name.h"

namespace latchkey::front {

struct HelloFacts {
  std::optional<std::string_view> sni;
  bool offers_alpn = false;
  std::span<const std::string_view> alpn;
  bool window_open = false;
};

struct PairRoute {};
struct ManageRoute {};
struct GrantRoute {
  HostName host;
  std::string_view alpn;  // to be selected: h2 before http/1.1; empty where nothing was offered
};
enum class HelloAlert { kUnrecognizedName, kNoApplicationProtocol };
using Route = std::variant<PairRoute, ManageRoute, GrantRoute, HelloAlert>;

// `is_live`: whether a host belongs to a grant that can be served now. Names are compared as sent:
// a granted host has one spelling.
Route route(const HelloFacts& hello, const std::function<bool(const HostName&)>& is_live);

}  // namespace latchkey::front
