#include "agent/nearby_request.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/connection.h"
#include "agent/request.h"
#include "base/encoding.h"

namespace latchkey::agent {
namespace {

using nlohmann::json;

const std::string kRid = "000102030405060708090a0b";

template <class M>
std::optional<M> parsed(const std::string& method, const json& params) {
  auto request = parse_request(json{{"id", 1}, {"method", method}, {"params", params}}.dump());
  if (!request || !std::holds_alternative<M>(request->method)) {
    return std::nullopt;
  }
  return std::optional<M>(std::move(std::get<M>(request->method)));
}

TEST(NearbyRequest, OpensALinkAndOpensItAgain) {
  const auto first = parsed<NearbyOpen>("nearby.open", {{"rid", kRid}});
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->link);
  EXPECT_EQ(first->rid[11], 11);
  EXPECT_EQ(parsed<NearbyOpen>("nearby.open", {{"rid", kRid}, {"link", "n3"}})->link, "n3");
  EXPECT_FALSE(parsed<NearbyOpen>("nearby.open", json::object()));
  EXPECT_FALSE(parsed<NearbyOpen>("nearby.open", {{"rid", kRid.substr(2)}}));
  EXPECT_FALSE(parsed<NearbyOpen>("nearby.open", {{"rid", kRid}, {"link", std::string(11, 'n')}}));
  EXPECT_FALSE(parsed<NearbyOpen>("nearby.open", {{"rid", kRid}, {"mtu", 23}}));
}

TEST(NearbyRequest, AValueIsAtMostWhatGattHas) {
  const auto value = [](std::size_t size) {
    return parsed<NearbyValue>("nearby.value",
                               {{"link", "n1"}, {"value", base64_encode(Bytes(size, 7))}});
  };
  ASSERT_TRUE(value(1));
  ASSERT_TRUE(value(kMaxNearbyValue));
  EXPECT_EQ(value(kMaxNearbyValue)->value, Bytes(kMaxNearbyValue, 7));
  EXPECT_FALSE(value(0));
  EXPECT_FALSE(value(kMaxNearbyValue + 1));
  EXPECT_FALSE(parsed<NearbyValue>("nearby.value", {{"link", "n1"}, {"value", "AQ"}}));
  EXPECT_FALSE(parsed<NearbyValue>("nearby.value", {{"value", "AQ=="}}));
  EXPECT_TRUE(parsed<NearbyTaken>("nearby.taken", {{"link", "n1"}}));
  EXPECT_TRUE(parsed<NearbyLost>("nearby.lost", {{"link", "n1"}}));
  EXPECT_TRUE(parsed<NearbyClose>("nearby.close", {{"link", "n1"}}));
  EXPECT_FALSE(parsed<NearbyClose>("nearby.close", json::object()));
}

TEST(NearbyRequest, AWifiHasANameAndAPasswordThatCanBeOne) {
  const auto wifi = [](const json& ssid, const json& psk) {
    return parsed<PairNetwork>("pair.network", {{"session", "p1"}, {"ssid", ssid}, {"psk", psk}});
  };
  auto home = wifi("Home", "correct horse");
  ASSERT_TRUE(home && home->wifi);
  EXPECT_EQ(as_text(home->wifi->ssid), "Home");
  EXPECT_EQ(as_text(home->wifi->psk.span()), "correct horse");
  EXPECT_TRUE(wifi("Open house", "")->wifi->psk.empty());
  EXPECT_TRUE(wifi(std::string(32, 's'), std::string(64, 'a')));
  EXPECT_FALSE(wifi(std::string(33, 's'), "correct horse"));
  EXPECT_FALSE(wifi("", "correct horse"));
  EXPECT_FALSE(wifi("Home", "7 chars"));
  EXPECT_FALSE(wifi("Home", std::string(65, 'a')));
  EXPECT_FALSE(wifi("Home", std::string(64, 'x'))) << "64 are hexadecimal digits";
  EXPECT_FALSE(wifi("Home", "passwörter")) << "not printable ASCII";
  EXPECT_FALSE(wifi("Home", "with a\nline break"));
  EXPECT_FALSE(wifi("Home", nullptr));
  const auto none = parsed<PairNetwork>("pair.network", {{"session", "p1"}, {"ssid", nullptr}});
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->wifi);
  EXPECT_FALSE(wifi(nullptr, "correct horse")) << "a password without a network";
  EXPECT_FALSE(parsed<PairNetwork>("pair.network", {{"session", "p1"}}));
}

TEST(NearbyRequest, OnlyABrowsersWindowCarriesALinkAndNotWithoutEnd) {
  const MonoTime now{0};
  const auto hello = [](Hello::Client client) {
    Hello message;
    message.client = client;
    message.version = "1";
    if (client == Hello::Client::kExtension) {
      message.profile = ProfileId(ByteArray<16>{1});
      message.extension = "ours";
    }
    return Method(std::move(message));
  };
  Connection cli("ours");
  ASSERT_TRUE(cli.admit(hello(Hello::Client::kCommandLine), now));
  EXPECT_FALSE(cli.admit(Method(NearbyOpen{}), now));
  EXPECT_FALSE(cli.admit(Method(NearbyValue{"n1", Bytes{1}}), now));

  Connection browser("ours");
  ASSERT_TRUE(browser.admit(hello(Hello::Client::kExtension), now));
  EXPECT_TRUE(browser.admit(Method(NearbyOpen{}), now));
  // Values are not counted with everything else, of which there may be 200 at once.
  int taken = 0;
  while (taken < 5000 && browser.admit(Method(NearbyValue{"n1", Bytes{1}}), now)) {
    ++taken;
  }
  EXPECT_EQ(taken, 1024);
  EXPECT_TRUE(browser.admit(Method(GrantsList{}), now));
  EXPECT_TRUE(browser.admit(Method(NearbyValue{"n1", Bytes{1}}), MonoTime{10}));
}

}  // namespace
}  // namespace latchkey::agent
