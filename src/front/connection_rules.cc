#include "front/connection_rules.h"

#include <algorithm>

#include "wire/messages.h"

namespace latchkey::front {

Route route(const HelloFacts& hello, const std::function<bool(const HostName&)>& is_live) {
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
  if (!host || !is_live(*host)) {
    return HelloAlert::kUnrecognizedName;
  }
  if (hello.offers_alpn && !offers("http/1.1")) {
    return HelloAlert::kNoApplicationProtocol;
  }
  return GrantRoute{*host, hello.offers_alpn};
}

}  // namespace latchkey::front
