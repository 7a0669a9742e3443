// Which certificate a ClientHello gets, if any.
#include "front/connection_rules.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace latchkey::front {
namespace {

using List = std::vector<std::string_view>;
constexpr std::string_view kHost = "media-cache-k3f7x2m7q4ab.local";

Route choose(std::optional<std::string_view> sni, std::optional<List> alpn, bool window = true) {
  const List list = alpn.value_or(List{});
  return route({sni, alpn.has_value(), list, window},
               [](const HostName& host) { return host.text() == kHost; });
}
bool is(const Route& route, HelloAlert alert) {
  const auto* got = std::get_if<HelloAlert>(&route);
  return got != nullptr && *got == alert;
}

TEST(ConnectionRulesTest, GrantedHostsSpeakHttp) {
  EXPECT_EQ(std::get<GrantRoute>(choose(kHost, List{"h2", "http/1.1"})).alpn, "h2");
  EXPECT_EQ(std::get<GrantRoute>(choose(kHost, List{"http/1.1", "h2"})).alpn, "h2");
  EXPECT_EQ(std::get<GrantRoute>(choose(kHost, List{"http/1.1"})).alpn, "http/1.1");
  EXPECT_EQ(std::get<GrantRoute>(choose(kHost, std::nullopt)).alpn, "");
  EXPECT_TRUE(is(choose(kHost, List{"h3", "http/1.0"}), HelloAlert::kNoApplicationProtocol));
}

TEST(ConnectionRulesTest, ThereIsNoDefaultCertificate) {
  EXPECT_TRUE(is(choose(std::nullopt, std::nullopt), HelloAlert::kUnrecognizedName));
  EXPECT_TRUE(is(choose(std::nullopt, List{"http/1.1"}), HelloAlert::kUnrecognizedName));
  for (const char* name : {"other.local", "MEDIA-CACHE-k3f7x2m7q4ab.local", "x", "",
                           "media-cache-k3f7x2m7q4ab.local.", "192.168.1.4"}) {
    EXPECT_TRUE(is(choose(name, List{"http/1.1"}), HelloAlert::kUnrecognizedName)) << name;
  }
}

TEST(ConnectionRulesTest, AgentsComeWithoutAName) {
  EXPECT_TRUE(
      std::holds_alternative<ManageRoute>(choose(std::nullopt, List{"latchkey-manage/1"}, false)));
  EXPECT_TRUE(std::holds_alternative<PairRoute>(choose(std::nullopt, List{"latchkey-pair/1"})));
  EXPECT_TRUE(
      is(choose(std::nullopt, List{"latchkey-pair/1"}, false), HelloAlert::kNoApplicationProtocol));
}

TEST(ConnectionRulesTest, Threat51AgentProtocolsAreNeverMixedWithAName) {
  EXPECT_TRUE(is(choose(kHost, List{"latchkey-manage/1"}), HelloAlert::kNoApplicationProtocol));
  EXPECT_TRUE(is(choose(kHost, List{"latchkey-pair/1"}), HelloAlert::kNoApplicationProtocol));
  EXPECT_TRUE(is(choose(std::nullopt, List{"latchkey-manage/1", "http/1.1"}),
                 HelloAlert::kUnrecognizedName));
}

}  // namespace
}  // namespace latchkey::front
