#include "front/connection_rules.h"

#include <algorithm>

#include "wire/messages.h"

namespace latchkey::front {

namespace {
constexpr std::string_view kHttp2 = "h2";
constexpr std::string_view kHttp1 = "http/1.1";
}  // namespace

Route route(const HelloFacts& hello, const FindService& find) {
  const auto offers = [&](std::string_view name) {
    return std::find(hello.alpn.begin(), hello.alpn.end(), name) != hello.alpn.end();
  };
  if (!hello.sni) {
    // The agent offers its one protocol and nothing else.
    if (hello.alpn.size() == 1 && hello.alpn.front() == wire::kAlpnManage) {
      return ManageRoute{};
    }
    if (hello.alpn.size() == 1 && hello.alpn.front() == wire::kAlpnPair) {
      return hello.window_open ? Route(PairRoute{}) : HelloAlert::kNoApplicationProtocol;
    }
    return HelloAlert::kUnrecognizedName;
  }
  const auto host = HostName::parse(*hello.sni);
  const auto service = host ? find(*host) : std::nullopt;
  if (!service) {
    return HelloAlert::kUnrecognizedName;
  }
  for (const std::string_view protocol : {kHttp2, kHttp1}) {
    if (offers(protocol) && (protocol != kHttp2 || service != Service::kHttp1Only)) {
      return GrantRoute{*host, protocol};
    }
  }
  if (hello.offers_alpn) {
    return HelloAlert::kNoApplicationProtocol;
  }
  return GrantRoute{*host, {}};
}

bool loses_requests_over_http2(const wire::HttpRequestHead& head,
                               const std::optional<Origin>& origin) {
  const std::string* agent = head.fields.find("User-Agent");
  return origin && agent != nullptr && agent->find(" Firefox/") != std::string::npos;
}

}  // namespace latchkey::front
