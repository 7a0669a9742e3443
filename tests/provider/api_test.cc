// The administration API over real records, without sockets.
#include "provider/api.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/encoding.h"
#include "crypto/chain.h"
#include "provider/attempts.h"
#include "provider/tokens.h"
#include "store/provider_store.h"
#include "support/fake_random.h"
#include "support/trust_maker.h"

namespace latchkey::provider {
namespace {

using nlohmann::json;

class TestClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall_now() const override { return now; }
  [[nodiscard]] MonoTime mono_now() const override { return {0}; }
  WallTime now{1'790'000'000};
};

// A web that has one page, and counts who asks for it.
class OnePage final : public WellKnown {
 public:
  Result<std::string> fetch(const Origin& origin) override {
    ++asked;
    if (origin.text() != "https://video.example") {
      return fail(Error{ErrorCode::kUnreachable, "nobody answers there"});
    }
    return std::string(
        R"({"v":1,"origin":"https://video.example","name":"Video","contact":"mailto:a@b.example"})");
  }
  int asked = 0;
};

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "latchkey-api-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    const std::string database = "sqlite:" + (folder_ / "provider.db").string();
    LATCHKEY_CHECK(store::ProviderStore::init(database).has_value());
    records_ = *store::ProviderStore::open(database);
    registry_.emplace(*records_, web_);
    api_.emplace(*records_, *registry_, random_, clock_);
    admin_ = token("boss", "admin");
  }
  ~ApiTest() override { std::filesystem::remove_all(folder_); }

  std::string token(const std::string& name, const std::string& role,
                    std::optional<seconds> lifetime = std::nullopt) {
    return make_token(*records_, random_, {name, role, lifetime},
                      {"setup", "local", "", clock_.now})
        ->secret;
  }
  ApiAnswer call(const std::string& method, const std::string& target, const json& body = nullptr,
                 const std::string& secret = "") {
    return raw(method, target, body.is_null() ? "" : body.dump(),
               "Bearer " + (secret.empty() ? admin_ : secret));
  }
  ApiAnswer raw(const std::string& method, const std::string& target, const std::string& body,
                const std::string& authorization) {
    return api_->handle({method, target, authorization, body});
  }
  static json read(const ApiAnswer& answer) { return json::parse(answer.body); }
  json last_change() {
    const json items = read(call("GET", "/v1/audit?limit=1000")).at("items");
    return items.back();
  }

  std::filesystem::path folder_;
  TestClock clock_;
  testing::FakeRandom random_;
  OnePage web_;
  std::unique_ptr<Records> records_;
  std::optional<Registry> registry_;
  std::optional<Api> api_;
  std::string admin_;
};

constexpr const char* kVideo = "/v1/origins/https%3A%2F%2Fvideo.example";

TEST_F(ApiTest, WhateverIsWrongWithATokenTheAnswerIsTheSame) {
  const std::string old = token("old", "admin", seconds(60));
  const std::string gone = token("gone", "admin");
  ASSERT_EQ(call("DELETE", "/v1/tokens/gone").status, 200);
  clock_.now = clock_.now + seconds(60);
  const ApiAnswer none = raw("GET", "/v1/status", "", "");
  EXPECT_EQ(none.status, 401);
  std::string changed = admin_;
  changed.back() = changed.back() == 'A' ? 'E' : 'A';
  for (const std::string& field :
       {std::string("Bearer "), "Bearer " + old, "Bearer " + gone, "Bearer " + changed,
        "Bearer " + admin_ + "A", "bearer " + admin_, "Basic " + admin_, admin_}) {
    for (const char* path : {"/v1/status", "/v1/tokens", "/nothing", "/v1/origins/%zz"}) {
      const ApiAnswer answer = raw("GET", path, "", field);
      EXPECT_EQ(answer.status, 401) << path;
      EXPECT_EQ(answer.body, none.body);
    }
  }
  EXPECT_EQ(call("GET", "/v1/status").status, 200);
}

TEST_F(ApiTest, EveryRouteAsksForItsRole) {
  for (const char* role : {"admin", "registrar", "reviewer", "auditor"}) {
    const std::string secret = token(std::string("a-") + role, role);
    for (const ApiRoute& route : api_routes()) {
      std::string path(route.path);
      for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{')) {
        path.replace(at, path.find('}') - at + 1, "x");
      }
      const int status = call(std::string(route.method), path, json::object(), secret).status;
      EXPECT_EQ(status == 403, !may(role, route.action)) << role << " " << path << " " << status;
    }
  }
}

TEST_F(ApiTest, RegistersAWebServiceAndRevokesItWithAReason) {
  const ApiAnswer made = call("POST", "/v1/origins", {{"origin", "https://video.example"}});
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(read(made).at("status"), "active");
  EXPECT_EQ(call("POST", "/v1/origins", {{"origin", "https://video.example"}}).status, 409);
  EXPECT_EQ(call("POST", "/v1/origins", {{"origin", "https://other.example"}}).status, 502);
  EXPECT_EQ(call("POST", "/v1/origins", {{"origin", "http://video.example"}}).status, 400);

  const std::string status = std::string(kVideo) + "/status";
  EXPECT_EQ(call("POST", status, {{"status", "revoked"}}).status, 400);
  EXPECT_EQ(call("POST", status, {{"status", "revoked"}, {"reason", ""}}).status, 400);
  EXPECT_EQ(read(call("GET", kVideo)).at("status"), "active");
  const std::string judge = token("judge", "reviewer");
  const ApiAnswer revoked =
      call("POST", status, {{"status", "revoked"}, {"reason", "phishing"}}, judge);
  ASSERT_EQ(revoked.status, 200) << revoked.body;
  EXPECT_EQ(read(revoked).at("reason"), "phishing");
  const json entry = last_change();
  EXPECT_EQ(entry.at("who"), "judge");
  EXPECT_EQ(entry.at("role"), "reviewer");
  EXPECT_EQ(entry.at("why"), "phishing");
  EXPECT_EQ(entry.at("when"), clock_.now.unix_seconds);
  EXPECT_EQ(entry.at("subject"), "https://video.example");
}

TEST_F(ApiTest, MakersAndModels) {
  const testing::Maker maker(clock_.now, attest::Aaguid({7, 7, 7}));
  const std::array<Bytes, 1> roots = {maker.root};
  const std::string pem = crypto::certificates_to_pem(roots);
  const json vendor = read(call(
      "POST", "/v1/vendors",
      {{"name", "Acme"}, {"contact", "mailto:a@acme.example"}, {"roots", json::array({pem})}}));
  ASSERT_TRUE(vendor.contains("id")) << vendor;
  const std::string id = attest::aaguid_text(maker.aaguid);
  const json wish = {
      {"aaguid", id}, {"vendor", vendor.at("id")}, {"name", "One"}, {"type", "media-cache"}};
  ASSERT_EQ(call("POST", "/v1/models", wish).status, 201);
  EXPECT_EQ(call("POST", "/v1/models", wish).status, 409);
  const ApiAnswer revoked = call("POST", "/v1/models/" + id + "/status",
                                 {{"status", "REVOKED"}, {"reason", "keys leaked"}});
  ASSERT_EQ(revoked.status, 200) << revoked.body;
  EXPECT_EQ(read(revoked).at("reports").back().at("reason"), "keys leaked");
  EXPECT_EQ(read(call("GET", "/v1/vendors/" + std::to_string(vendor.at("id").get<int>())))
                .at("roots")
                .size(),
            1U);
}

TEST_F(ApiTest, PagesHoldEveryItemOnce) {
  json keys = json::array();
  for (int i = 0; i < 25; ++i) {
    keys.push_back(hex_encode(random_.bytes<32>()));
  }
  ASSERT_EQ(
      read(call("POST", "/v1/devices/revoked", {{"keys", keys}, {"reason", "leak"}})).at("revoked"),
      25);
  std::multiset<std::string> seen;
  std::string path = "/v1/devices/revoked?limit=10";
  for (json page = read(call("GET", path));; page = read(call("GET", path))) {
    for (const json& item : page.at("items")) {
      seen.insert(item.at("key"));
    }
    if (page.at("next").is_null()) {
      break;
    }
    path = "/v1/devices/revoked?limit=10&after=" + page.at("next").get<std::string>();
  }
  EXPECT_EQ(seen.size(), 25U);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 25U);
  for (const char* bad : {"?limit=0", "?limit=1001", "?limit=x", "?other=1", "?limit=1&limit=2"}) {
    EXPECT_EQ(call("GET", std::string("/v1/devices/revoked") + bad).status, 400) << bad;
  }
  const std::string key = keys.at(0);
  EXPECT_EQ(call("POST", "/v1/devices/revoked/" + key + "/restore", json::object()).status, 400);
  EXPECT_EQ(call("POST", "/v1/devices/revoked/" + key + "/restore", {{"reason", "mistake"}}).status,
            200);
  EXPECT_EQ(call("GET", "/v1/devices/revoked/" + key).status, 404);
}

TEST_F(ApiTest, BodiesHaveOneReading) {
  for (const char* body :
       {"", "[]", "{", "{}{}", R"({"origin":"https://video.example","origin":"https://b.example"})",
        R"({"origin":"https://video.example","admin":true})", R"({"origin":7})",
        R"({"origin":["https://video.example"]})", "{\"origin\":\"https://video.example\xff\"}"}) {
    EXPECT_EQ(raw("POST", "/v1/origins", body, "Bearer " + admin_).status, 400) << body;
  }
  EXPECT_EQ(web_.asked, 0);
}

TEST_F(ApiTest, PathsHaveOneReading) {
  for (const char* path : {"/v1//status", "/v1/status/", "/v1/%73tatus", "/v1/../v1/status", "*",
                           "", "/V1/status", "/v1/origins/"}) {
    EXPECT_EQ(call("GET", path).status, 404) << path;
  }
  const ApiAnswer wrong = call("PUT", "/v1/vendors");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.allow, "GET, POST");
}

TEST_F(ApiTest, SecretsOfTokensAreShownOnceAndStandNowhere) {
  const ApiAnswer made =
      call("POST", "/v1/tokens", {{"name", "ci"}, {"role", "registrar"}, {"days", 30}});
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string secret = read(made).at("secret");
  EXPECT_EQ(call("GET", "/v1/status", nullptr, secret).status, 200);
  EXPECT_EQ(call("GET", "/v1/tokens").body.find(secret), std::string::npos);
  EXPECT_EQ(call("GET", "/v1/audit?limit=1000").body.find(secret), std::string::npos);
  EXPECT_EQ(call("POST", "/v1/tokens", {{"name", "x"}, {"role", "local"}}).status, 400);
  clock_.now = clock_.now + seconds(30LL * 86400);
  EXPECT_EQ(call("GET", "/v1/status", nullptr, secret).status, 401);
}

// Both ways: what is described is there, and what is there is described.
TEST_F(ApiTest, TheDescriptionIsOfTheseRoutes) {
  const json document = json::parse(openapi_document());
  EXPECT_EQ(document.at("openapi"), "3.1.0");
  EXPECT_EQ(raw("GET", "/openapi.json", "", "").body, openapi_document());
  std::set<std::string> described;
  for (const auto& [path, operations] : document.at("paths").items()) {
    for (const auto& [method, operation] : operations.items()) {
      if (method == "parameters") {
        continue;
      }
      std::string upper = method;
      std::transform(upper.begin(), upper.end(), upper.begin(),
                     [](char c) { return static_cast<char>(c - 32); });
      described.insert(upper + " " + path);
    }
  }
  std::set<std::string> routed;
  for (const ApiRoute& route : api_routes()) {
    routed.insert(std::string(route.method) + " " + std::string(route.path));
  }
  EXPECT_EQ(described, routed);
}

TEST_F(ApiTest, OnlyWhatAsksTheNetworkIsSlow) {
  EXPECT_TRUE(is_slow_call("POST", "/v1/origins"));
  EXPECT_TRUE(is_slow_call("POST", std::string(kVideo) + "/check"));
  EXPECT_FALSE(is_slow_call("GET", "/v1/origins?limit=3"));
  EXPECT_FALSE(is_slow_call("GET", "/nothing"));
}

TEST(Attempts, WrongTokensOfOneAddressAreSlowedDownAndOthersAreNot) {
  Attempts attempts;
  MonoTime now{1000};
  for (int i = 0; i < Attempts::kAllowed; ++i) {
    EXPECT_TRUE(attempts.may_try("a", now));
    attempts.failed("a", now);
  }
  EXPECT_FALSE(attempts.may_try("a", now));
  EXPECT_TRUE(attempts.may_try("b", now));
  EXPECT_TRUE(attempts.may_try("a", now + Attempts::kRefill));
  for (std::size_t i = 0; i < 2 * Attempts::kMaxPeers; ++i) {
    attempts.failed(std::to_string(i), now);
  }
  EXPECT_LE(attempts.size(), Attempts::kMaxPeers);
  EXPECT_FALSE(attempts.may_try("a", now));
}

}  // namespace
}  // namespace latchkey::provider
