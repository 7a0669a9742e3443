// Single sign-on at the door (docs/protocol.md section 6): who may ask, where people may be sent,
// and what the service is told.
#include "front/sso.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "front/desk.h"
#include "front/sso_pages.h"
#include "oidc/url.h"
#include "support/device_grant.h"
#include "support/fake_random.h"
#include "support/token_maker.h"

namespace latchkey::front {
namespace {

using namespace std::chrono_literals;
using latchkey::testing::FakeRandom;
using latchkey::testing::TokenMaker;
using nlohmann::json;

constexpr WallTime kWall{1'800'000'000};
constexpr MonoTime kNow{1'000'000};
constexpr std::string_view kSso = "/.well-known/latchkey/sso";

class SsoDesk : public ::testing::Test {
 protected:
  SsoDesk() { make({}); }

  void make(oidc::Policy policy) {
    oidc::PartyRules rules;
    oidc::ProviderRules provider;
    provider.issuer = maker_.issuer;
    provider.client = oidc::Client{.id = "device"};
    rules.providers.push_back(std::move(provider));
    rules.policy = std::move(policy);
    party_ = std::make_unique<oidc::RelyingParty>(std::move(rules), random_);
    desk_.use_sso(party_.get());
  }
  // Somebody signs in at this session, all the way.
  void sign_in(grant::SessionId session) {
    oidc::RelyingParty::Start start;
    start.session = session;
    start.redirect_uri = "https://video.example/cb";
    const oidc::Now now{kWall, kNow};
    auto effects = party_->start(1, start, now);
    if (const auto* fetch = std::get_if<oidc::Fetch>(effects.data())) {
      effects = party_->on_fetched(fetch->id,
                                   oidc::RelyingParty::Reply{200, maker_.metadata().dump()}, now);
    }
    const std::string url = std::get<oidc::Redirect>(effects.at(0)).url;
    effects = party_->finish(2, session,
                             {*oidc::form_value(url, "state", 99), "code", maker_.issuer, ""}, now);
    const json claims = {{"iss", maker_.issuer},
                         {"sub", "ann"},
                         {"aud", "device"},
                         {"nonce", *oidc::form_value(url, "nonce", 99)},
                         {"iat", kWall.unix_seconds},
                         {"exp", kWall.unix_seconds + 60},
                         {"email", "ann@example.com"},
                         {"email_verified", true},
                         {"groups", {"family", "a,b\nc"}}};
    const json tokens = {{"access_token", "a"},
                         {"token_type", "Bearer"},
                         {"refresh_token", "r"},
                         {"id_token", maker_.sign(claims)}};
    effects = party_->on_fetched(std::get<oidc::Fetch>(effects.at(0)).id,
                                 oidc::RelyingParty::Reply{200, tokens.dump()}, now);
    if (const auto* fetch = std::get_if<oidc::Fetch>(effects.data())) {
      effects = party_->on_fetched(fetch->id, oidc::RelyingParty::Reply{200, maker_.jwks()}, now);
    }
    ASSERT_NE(std::get_if<oidc::SignedIn>(effects.data()), nullptr);
  }

  wire::HttpRequestHead from_page(std::string method, std::string target, bool signs = true) {
    wire::HttpRequestHead head{std::move(method), std::move(target), 1, {}};
    head.fields.add("Host", grant_.host.text());
    head.fields.add("Origin", "https://video.example");
    if (signs) {
      head.fields.add("Cookie", "__Host-latchkey=" + opened_.token);
    }
    return head;
  }
  wire::HttpRequestHead by_hand(std::string target, bool signs = true,
                                std::string site = "same-origin") {
    wire::HttpRequestHead head{"GET", std::move(target), 1, {}};
    head.fields.add("Host", direct_.host.text());
    head.fields.add("Sec-Fetch-Site", site);
    head.fields.add("Sec-Fetch-Mode", "navigate");
    head.fields.add("Sec-Fetch-Dest", "document");
    if (signs) {
      head.fields.add("Cookie", "__Host-latchkey=" + direct_opened_.token);
    }
    return head;
  }
  Decision decide(const wire::HttpRequestHead& head, const grant::DeviceGrant& grant) {
    return desk_.decide({head, grant.host.text(), "192.168.1.9"}, grant, kNow);
  }
  int status(const Decision& decision) {
    const auto* answer = std::get_if<Answer>(&decision);
    return answer == nullptr ? 0 : answer->status;
  }
  static std::string said(const wire::HttpFields& fields, std::string_view name) {
    const std::string* value = fields.find(name);
    return value == nullptr || fields.count(name) != 1 ? "" : *value;
  }
  SsoRequest asks(SsoAct act, bool direct = false) {
    return {.act = act,
            .language = Language::kEnglish,
            .query = {},
            .authority = direct_.host.text() + ":8443",
            .session = direct ? direct_opened_.session : opened_.session,
            .cookie = {}};
  }

  FakeRandom random_;
  TokenMaker maker_;
  grant::TicketGate gate_{random_};
  grant::SessionTable sessions_{random_};
  std::unique_ptr<oidc::RelyingParty> party_;
  Desk desk_{gate_, sessions_, "media-cache"};
  grant::DeviceGrant grant_ = testing::active_grant(random_, SpkiHash::make(random_),
                                                    Origin::parse("https://video.example"),
                                                    "media-cache-k3f7x2m7q4ab.local", kWall);
  grant::DeviceGrant direct_ = testing::active_grant(random_, SpkiHash::make(random_), std::nullopt,
                                                     "my-cache.local", kWall);
  grant::SessionTable::Opened opened_ = sessions_.open(grant_.grant_key(), 1h, kNow);
  grant::SessionTable::Opened direct_opened_ = sessions_.open(direct_.grant_key(), 1h, kNow);
};

TEST_F(SsoDesk, HandsQuestionsOfASessionToTheRelyingParty) {
  for (const auto& [method, path, act] : {std::tuple{"GET", "", SsoAct::kState},
                                          {"POST", "/start", SsoAct::kStart},
                                          {"POST", "/finish", SsoAct::kFinish},
                                          {"POST", "/out", SsoAct::kOut},
                                          {"POST", "/device", SsoAct::kDevice}}) {
    const std::string target = std::string(kSso) + path;
    const auto decision = decide(from_page(method, target), grant_);
    const auto* asked = std::get_if<SsoRequest>(&decision);
    ASSERT_NE(asked, nullptr) << path;
    EXPECT_EQ(asked->act, act);
    EXPECT_EQ(asked->session->id, opened_.session.id);
    EXPECT_EQ(status(decide(from_page(method, target, false), grant_)), 401) << path;
    EXPECT_EQ(status(decide(from_page("PUT", target), grant_)), 405) << path;
    auto foreign = from_page(method, target);
    foreign.fields.set("Origin", "https://evil.example");
    EXPECT_EQ(status(decide(foreign, grant_)), 403) << path;
  }
  // Origin hosts serve no documents.
  EXPECT_EQ(status(decide(from_page("GET", std::string(kSso) + "/callback"), grant_)), 404);
  EXPECT_EQ(status(decide(from_page("GET", std::string(kSso) + "/frontchannel-logout"), grant_)),
            404);
  desk_.use_sso(nullptr);
  EXPECT_EQ(status(decide(from_page("GET", std::string(kSso)), grant_)), 404);
}

TEST_F(SsoDesk, LetsAnotherSiteLeadToTheCallbackAndTheLogoutOnly) {
  const std::string callback = std::string(kSso) + "/callback?state=s&code=c";
  EXPECT_EQ(status(decide(by_hand(callback, false, "cross-site"), direct_)), 200);
  const auto logout =
      by_hand(std::string(kSso) + "/frontchannel-logout?iss=x", false, "cross-site");
  const auto heard = decide(logout, direct_);
  EXPECT_NE(std::get_if<SsoRequest>(&heard), nullptr);
  // Signing in is not what another site's link begins.
  EXPECT_EQ(status(decide(by_hand(std::string(kSso) + "/start", true, "cross-site"), direct_)),
            403);
  EXPECT_EQ(status(decide(by_hand("/", true, "cross-site"), direct_)), 403);
  auto script = by_hand(callback, false, "cross-site");
  script.fields.set("Sec-Fetch-Mode", "no-cors");
  EXPECT_EQ(status(decide(script, direct_)), 403);
  auto frame = by_hand(callback, false, "cross-site");
  frame.fields.set("Sec-Fetch-Dest", "iframe");
  EXPECT_EQ(status(decide(frame, direct_)), 403);
  desk_.use_sso(nullptr);
  EXPECT_EQ(status(decide(by_hand(callback, false, "cross-site"), direct_)), 403);
}

// Row 45: redirect to a foreign host; open redirect through return_to.
TEST_F(SsoDesk, SendsPeopleBackToTheGrantsOwnPagesOnly) {
  const auto start = [&](std::string_view body) {
    return read_sso_start(asks(SsoAct::kStart), grant_, body);
  };
  const auto good = start(R"({"redirect_uri":"https://video.example/cb?x=1","silent":true})");
  ASSERT_TRUE(good);
  EXPECT_TRUE(good->silent);
  EXPECT_EQ(good->session, opened_.session.id);
  for (const std::string_view bad :
       {"", "{}", "[]", R"({"redirect_uri":"https://evil.example/cb"})",
        R"({"redirect_uri":"https://video.example.evil.example/"})",
        R"({"redirect_uri":"https://video.example:8443/"})",
        R"({"redirect_uri":"http://video.example/"})",
        R"({"redirect_uri":"https://video.example@evil.example/"})",
        R"({"redirect_uri":"https://video.example/","return_to":"//evil.example"})",
        R"({"redirect_uri":"https://video.example/","silent":"yes"})"}) {
    EXPECT_FALSE(start(bad)) << bad;
  }
  auto direct = asks(SsoAct::kStart, true);
  direct.navigates = true;
  direct.query = "return_to=%2Ffilms%3Fa%3D1";
  const auto own = read_sso_start(direct, direct_, "");
  ASSERT_TRUE(own);
  EXPECT_EQ(own->redirect_uri, "https://my-cache.local:8443/.well-known/latchkey/sso/callback");
  EXPECT_EQ(own->return_to, "/films?a=1");
  for (const std::string_view query :
       {"return_to=https%3A%2F%2Fevil.example", "return_to=%2F%2Fevil.example",
        "return_to=%2F%5Cevil.example", "return_to=%2Fa&return_to=%2Fb", "return_to=%0A"}) {
    direct.query = query;
    EXPECT_FALSE(read_sso_start(direct, direct_, "")) << query;
  }
  EXPECT_EQ(
      read_sso_out(asks(SsoAct::kOut), grant_, R"({"redirect_uri":"https://video.example/"})"),
      "https://video.example/");
  EXPECT_EQ(read_sso_out(asks(SsoAct::kOut), grant_, ""), "");
  EXPECT_FALSE(
      read_sso_out(asks(SsoAct::kOut), grant_, R"({"redirect_uri":"https://evil.example/"})"));
}

TEST_F(SsoDesk, SignsPeopleInWithTheProviderThatThePersonAgreedTo) {
  const auto start = [&](std::string_view issuer) {
    const std::string body = R"({"redirect_uri":"https://video.example/cb","issuer":")";
    return read_sso_start(asks(SsoAct::kStart), grant_, body + std::string(issuer) + "\"}").value();
  };
  EXPECT_FALSE(start("https://accounts.example").offered) << "nobody agreed to it";
  grant_.sso = SignInOffer::make("https://accounts.example", "video");
  for (const char* asked : {"", "https://accounts.example"}) {
    EXPECT_EQ(start(asked).issuer, "https://accounts.example");
    EXPECT_EQ(start(asked).offered_client, "video");
    EXPECT_TRUE(start(asked).offered);
  }
  // Another one of the page's choosing is not what the person saw.
  for (const char* other : {"https://idp.example", "https://accounts.example/"}) {
    EXPECT_EQ(start(other).issuer, other);
    EXPECT_FALSE(start(other).offered);
    EXPECT_EQ(start(other).offered_client, "");
  }
  const auto says = [&] {
    const auto decision = decide(from_page("GET", "/.well-known/latchkey"), grant_);
    return json::parse(std::get<Answer>(decision).body).at("sso").get<bool>();
  };
  EXPECT_FALSE(says()) << "the owner has not named it";
  grant_.sso = SignInOffer::make(maker_.issuer, "");
  EXPECT_TRUE(says());
  grant_.sso.reset();
  EXPECT_TRUE(says());
}

TEST_F(SsoDesk, ReadsWhatThePageHandsOver) {
  const auto good = read_sso_finish(R"({"state":"s","code":"c","iss":"https://idp.example"})");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->iss, "https://idp.example");
  EXPECT_TRUE(read_sso_finish(R"({"state":"s","error":"login_required"})"));
  for (const std::string& bad : std::initializer_list<std::string>{
           "[]", "{", R"({"state":7})", R"({"state":"a","state":"b"})",
           R"({"state":"s","error":"a\nb"})", R"({"state":")" + std::string(200, 's') + "\"}"}) {
    EXPECT_FALSE(read_sso_finish(bad)) << bad;
  }
}

// Row 56: nobody but the device says who somebody is.
TEST_F(SsoDesk, TellsTheServiceWhoItIsAndNobodyElseCan) {
  auto request = from_page("GET", "/films");
  for (const std::string_view name : {"X-Latchkey-User", "X-Latchkey-Email", "X-Latchkey-Groups",
                                      "X-Latchkey-Issuer", "X_Latchkey_User", "x-latchkey-user"}) {
    request.fields.add(name, "mallory");
  }
  const auto nobody = decide(request, grant_);
  const auto* passed = std::get_if<Pass>(&nobody);
  ASSERT_NE(passed, nullptr);
  for (const auto& field : passed->head.fields.all()) {
    EXPECT_NE(field.value, "mallory") << field.name;
  }
  EXPECT_FALSE(passed->head.fields.has("X-Latchkey-User"));
  sign_in(opened_.session.id);
  const auto ann = decide(request, grant_);
  const auto& fields = std::get<Pass>(ann).head.fields;
  EXPECT_EQ(said(fields, "X-Latchkey-User"), "ann");
  EXPECT_EQ(said(fields, "X-Latchkey-Email"), "ann@example.com");
  EXPECT_EQ(said(fields, "X-Latchkey-Issuer"), "https://idp.example");
  EXPECT_EQ(said(fields, "X-Latchkey-Groups"), "family,a%2Cb%0Ac");
  EXPECT_FALSE(fields.has("X_Latchkey_User"));
}

TEST_F(SsoDesk, ServesNobodyUnknownWhereTheOwnerWantsToKnow) {
  oidc::Policy policy;
  policy.required = true;
  make(policy);
  const auto refused = decide(from_page("GET", "/films"), grant_);
  EXPECT_EQ(status(refused), 401);
  EXPECT_EQ(std::get<Answer>(refused).body, R"({"error":"sign_in_required"})");
  const auto page = decide(by_hand("/films?a=\"><b>"), direct_);
  EXPECT_EQ(status(page), 401);
  EXPECT_NE(std::get<Answer>(page).body.find("start?return_to=%2Ffilms%3Fa%3D%22%3E%3Cb%3E\""),
            std::string::npos);
  sign_in(opened_.session.id);
  EXPECT_EQ(status(decide(from_page("GET", "/films"), grant_)), 0);
}

// Whoever could not be signed in begins once more from the page that says so: on this very host, to
// where they were going, and nothing of what was asked is markup.
TEST_F(SsoDesk, LeadsBackToTheBeginningFromEveryPageThatSaysNo) {
  auto request = asks(SsoAct::kStart, true);
  request.navigates = true;
  const auto link = [](const Answer& page) {
    const std::size_t at = page.body.find("href=\"", page.body.find("<main>")) + 6;
    return page.body.substr(at, page.body.find('"', at) - at);
  };
  const std::string start = std::string(kSso) + "/start?return_to=";
  const auto after = [&](std::string query, oidc::ErrorCode code) {
    request.query = std::move(query);
    return link(sso_error_answer(request, {code, {}}));
  };
  using oidc::ErrorCode;
  EXPECT_EQ(
      after("return_to=%2Ffilms%3Fa%3D1&issuer=https%3A%2F%2Fidp.example", ErrorCode::kUnreachable),
      start + "%2Ffilms%3Fa%3D1&amp;issuer=https%3A%2F%2Fidp.example");
  EXPECT_EQ(after("return_to=%2Ffilms&issuer=https%3A%2F%2Fidp.example", ErrorCode::kUnknownIssuer),
            start + "%2Ffilms");
  for (const char* bad : {"return_to=https%3A%2F%2Fevil.example", "return_to=%2F%2Fevil.example",
                          "return_to=javascript%3Aalert(1)", "issuer=%22%3E%3Cb%3E", ""}) {
    EXPECT_EQ(after(bad, ErrorCode::kBadRequest), start + "%2F") << bad;
  }
  EXPECT_EQ(link(not_yours_page(Language::kEnglish, "/a\"><b>")),
            start + "%2Fa%22%3E%3Cb%3E&amp;anew=1");
  const Answer choose = sso_choose_page(
      Language::kEnglish, {"https://a.example", "https://b.example/x&y'\"<"}, "/films");
  EXPECT_EQ(link(choose), start + "%2Ffilms&amp;issuer=https%3A%2F%2Fa.example");
  EXPECT_NE(choose.body.find(">b.example/x&amp;y'&quot;&lt;</a>"), std::string::npos);
  // The page that the provider leads back to knows the way as well; it may be told where to.
  const Answer callback = callback_page(Language::kJapanese);
  EXPECT_EQ(link(callback), start + "%2F");
  EXPECT_NE(callback.body.find("/start?return_to=%2F&amp;anew=1\""), std::string::npos);
  request.navigates = false;
  EXPECT_EQ(sso_error_answer(request, {ErrorCode::kNotAllowed, {}}, "/films").body,
            R"({"error":"not_allowed","return_to":"/films"})");
}

TEST_F(SsoDesk, AsksWhichProviderWhereTheOwnerNamedSeveral) {
  oidc::PartyRules rules;
  for (const char* issuer : {"https://b.example", "https://a.example"}) {
    oidc::ProviderRules provider;
    provider.issuer = issuer;
    rules.providers.push_back(std::move(provider));
  }
  const oidc::RelyingParty several(std::move(rules), random_);
  EXPECT_EQ(several.issuers(),
            (std::vector<std::string>{"https://a.example", "https://b.example"}));
  auto request = asks(SsoAct::kStart, true);
  request.navigates = true;
  request.query = "return_to=%2F&anew=1";
  auto start = read_sso_start(request, direct_, "").value();
  EXPECT_TRUE(start.anew);
  EXPECT_TRUE(has_to_choose(request, start, several));
  EXPECT_FALSE(has_to_choose(request, start, *party_)) << "there is one only";
  start.issuer = "https://a.example";
  EXPECT_FALSE(has_to_choose(request, start, several));
  start.issuer.clear();
  request.navigates = false;
  EXPECT_FALSE(has_to_choose(request, start, several)) << "a page is told unknown_issuer";
}

TEST_F(SsoDesk, LetsOnlyTheNamedManage) {
  oidc::Policy policy;
  policy.manage = {{"https://idp.example", "", "", "parents"}};
  make(policy);
  wire::HttpRequestHead click{"POST", "/.well-known/latchkey/window", 1, {}};
  click.fields.add("Host", direct_.host.text());
  click.fields.add("Origin", "https://" + direct_.host.text());
  click.fields.add("Sec-Fetch-Site", "same-origin");
  click.fields.add("Sec-Fetch-Mode", "navigate");
  click.fields.add("Sec-Fetch-Dest", "document");
  click.fields.add("Sec-Fetch-User", "?1");
  click.fields.add("Content-Type", "application/x-www-form-urlencoded");
  click.fields.add("Cookie", "__Host-latchkey=" + direct_opened_.token);
  EXPECT_EQ(status(decide(click, direct_)), 401);
  sign_in(direct_opened_.session.id);
  EXPECT_EQ(status(decide(click, direct_)), 403);
  policy.manage[0].group = "family";
  make(policy);
  sign_in(direct_opened_.session.id);
  const auto allowed = decide(click, direct_);
  EXPECT_NE(std::get_if<PageRequest>(&allowed), nullptr);
  click.target = "/.well-known/latchkey/leave";
  make({.use = {}, .manage = {{"https://idp.example", "nobody", "", ""}}, .required = false});
  const auto leaves = decide(click, direct_);
  EXPECT_NE(std::get_if<PageRequest>(&leaves), nullptr);
}

// Session fixation: whoever knew the cookie before knows nothing afterwards.
TEST_F(SsoDesk, RenewsTheCookieOfASession) {
  const auto fresh = desk_.renewed_cookie(opened_.token, grant_, kNow);
  ASSERT_TRUE(fresh);
  EXPECT_NE(fresh->find("; SameSite=None; Partitioned; Max-Age=3600"), std::string::npos);
  EXPECT_FALSE(sessions_.find(opened_.token, grant_.grant_key(), kNow));
  const std::string token = fresh->substr(fresh->find('=') + 1, 43);
  EXPECT_EQ(sessions_.find(token, grant_.grant_key(), kNow)->id, opened_.session.id);
  EXPECT_FALSE(desk_.renewed_cookie(opened_.token, grant_, kNow));
  EXPECT_FALSE(desk_.renewed_cookie(token, direct_, kNow));
}

}  // namespace
}  // namespace latchkey::front
