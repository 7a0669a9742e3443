// What a TLS ClientHello gets at the device's one port (docs/protocol.md sections 2, 6 and 7).
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "base/host_name.h"
#include "base/origin.h"
#include "wire/http_head.h"

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

// How a host is served.
enum class Service { kBothVersions, kHttp1Only };
// Nothing: the host belongs to no grant that can be served now. Names are compared as sent: a
// granted host has one spelling.
using FindService = std::function<std::optional<Service>(const HostName&)>;
Route route(const HelloFacts& hello, const FindService& find);

// Whether the browser that sends this loses requests over HTTP/2. Firefox (ESR 153) asks for each
// request of a public page anew whether it may reach the home; when that request was given to an
// HTTP/2 connection, Firefox closes it with all that others wait for on it: of ten requests at once
// seven fail (docs/adr/0023). `origin`: the grant's; the pages of direct grants are at home.
bool loses_requests_over_http2(const wire::HttpRequestHead& head,
                               const std::optional<Origin>& origin);

}  // namespace latchkey::front
