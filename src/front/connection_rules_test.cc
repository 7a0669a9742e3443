// Which certificate a ClientHello gets, if any.
#include "front/connection_rules.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace latchkey::front {
namespace {

using List = std::vector<std::string_view>;
constexpr std::string_view kHost = "media-cache-k3f7x2m7q4ab.local";

Route choose(std::optional<std::string_view> sni, std::optional<List> alpn, bool window = true,
             Service service = Service::kBothVersions) {
  const List list = alpn.value_or(List{});
  return route({sni, alpn.has_value(), list, window}, [service](const HostName& host) {
    return host.text() == kHost ? std::optional(service) : std::nullopt;
  });
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

TEST(ConnectionRulesTest, WhoLosesRequestsOverHttp2GetsHttp1) {
  const auto only_http1 = [](List alpn) {
    return choose(kHost, std::move(alpn), true, Service::kHttp1Only);
  };
  EXPECT_EQ(std::get<GrantRoute>(only_http1({"h2", "http/1.1"})).alpn, "http/1.1");
  EXPECT_TRUE(is(only_http1({"h2"}), HelloAlert::kNoApplicationProtocol));

  wire::HttpRequestHead head;
  const auto site = Origin::parse("https://video.example");
  EXPECT_FALSE(loses_requests_over_http2(head, site));
  head.fields.set("User-Agent",
                  "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0");
  EXPECT_TRUE(loses_requests_over_http2(head, site));
  EXPECT_FALSE(loses_requests_over_http2(head, std::nullopt));
  head.fields.set("User-Agent",
                  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                  "Chrome/150.0.0.0 Safari/537.36");
  EXPECT_FALSE(loses_requests_over_http2(head, site));
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
