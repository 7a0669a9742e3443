// The device's own page: who may read it, who may act on it, and what one person is told of
// another.
#include "front/device_page.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "front/desk.h"
#include "front/open_page.h"
#include "support/device_grant.h"
#include "support/fake_random.h"

namespace latchkey::front {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr WallTime kWall{1'800'000'000};
constexpr MonoTime kNow{1'000'000};
constexpr std::string_view kHost = "hall-cache.local";
constexpr const char* kActs[] = {"/.well-known/latchkey/window",
                                 "/.well-known/latchkey/window/close",
                                 "/.well-known/latchkey/leave"};

class DevicePageTest : public ::testing::Test {
 protected:
  // What a browser sends for a click in a form of the page itself.
  wire::HttpRequestHead click(std::string target) {
    wire::HttpRequestHead head{"POST", std::move(target), 1, {}};
    head.fields.add("Host", std::string(kHost) + ":8443");
    head.fields.add("Origin", "https://" + std::string(kHost) + ":8443");
    head.fields.add("Cookie", "__Host-latchkey=" + token_);
    for (const auto& [name, value] :
         {std::pair("Site", "same-origin"), std::pair("Mode", "navigate"),
          std::pair("Dest", "document"), std::pair("User", "?1")}) {
      head.fields.add(std::string("Sec-Fetch-") + name, value);
    }
    return head;
  }
  wire::HttpRequestHead visit(std::string target) {
    auto head = click(std::move(target));
    head.method = "GET";
    head.fields.remove("Origin");
    return head;
  }
  Decision decide(const wire::HttpRequestHead& head, MonoTime now = kNow, bool has_root = true) {
    return desk_.decide({head, kHost, "192.168.1.9", has_root}, grant_, now);
  }
  Answer answer(const wire::HttpRequestHead& head, MonoTime now = kNow) {
    return std::get<Answer>(decide(head, now));
  }
  static std::string field(const Answer& answer, std::string_view name) {
    const std::string* value = answer.fields.find(name);
    return value == nullptr ? "" : *value;
  }

  testing::FakeRandom random_;
  grant::DeviceGrant grant_ =
      testing::active_grant(random_, SpkiHash::make(random_), std::nullopt, kHost, kWall);
  grant::TicketGate gate_{random_};
  grant::SessionTable sessions_{random_};
  Desk desk_{gate_, sessions_, "media-cache"};
  std::string token_ = sessions_.open(grant_.grant_key(), 1h, kNow).token;
};

TEST_F(DevicePageTest, ShowsItselfToASessionOnly) {
  auto head = visit("/.well-known/latchkey/home");
  const Answer page = answer(head);
  EXPECT_EQ(page.status, 200);
  const std::string policy = field(page, "Content-Security-Policy");
  EXPECT_TRUE(policy.starts_with("default-src 'none'; style-src 'sha256-")) << policy;
  for (const char* part : {"frame-ancestors 'none'", "form-action 'self'", "connect-src 'self'",
                           "base-uri 'none'", "script-src 'sha256-"}) {
    EXPECT_NE(policy.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(field(page, "Cross-Origin-Opener-Policy"), "same-origin");
  EXPECT_EQ(page.body.find('{' + std::string("people}")), std::string::npos);
  EXPECT_EQ(std::get<PageRequest>(decide(visit("/.well-known/latchkey/home.json"))).act,
            PageAct::kState);
  head.fields.remove("Cookie");
  const Answer hint = answer(head);
  EXPECT_EQ(hint.status, 401);
  EXPECT_EQ(field(hint, kSignInField), "1");
  head.target = "/.well-known/latchkey/home.json";
  head.fields.set("Sec-Fetch-Mode", "cors");
  head.fields.set("Sec-Fetch-Dest", "empty");
  head.fields.set("Sec-Fetch-Site", "same-origin");
  const Answer bare = answer(head);
  EXPECT_EQ(bare.status, 401);
  EXPECT_FALSE(bare.fields.has(kSignInField)) << "the mark is for what a person looks at";
}

TEST_F(DevicePageTest, IsNothingOnAnOriginsHost) {
  const auto video =
      testing::active_grant(random_, grant_.agent, Origin::parse("https://v.example"),
                            "media-cache-k3f7x2m7q4ab.local", kWall);
  for (const std::string target : {"/.well-known/latchkey/home", "/.well-known/latchkey/home.json",
                                   kActs[0], kActs[1], kActs[2]}) {
    for (const char* method : {"GET", "POST"}) {
      wire::HttpRequestHead head{method, target, 1, {}};
      head.fields.add("Host", video.host.text());
      head.fields.add("Origin", "https://v.example");
      head.fields.add("Cookie",
                      "__Host-latchkey=" + sessions_.open(video.grant_key(), 1h, kNow).token);
      const auto decision = desk_.decide({head, video.host.text(), "::1"}, video, kNow);
      EXPECT_EQ(std::get<Answer>(decision).status, 404) << target;
    }
  }
}

// threats.md row 31, for what opens the door to somebody else.
TEST_F(DevicePageTest, Row31OnlyAClickOnThePageItselfActs) {
  for (const char* act : kActs) {
    EXPECT_TRUE(std::holds_alternative<PageRequest>(decide(click(act)))) << act;
    const auto refused = [&](std::string_view name, std::string_view value) {
      auto head = click(act);
      value.empty() ? head.fields.remove(name) : head.fields.set(name, value);
      const int status = answer(head).status;
      EXPECT_EQ(status, 403) << act << ' ' << name << ": " << value;
    };
    for (const char* origin : {"", "null", "https://evil.example", "https://hall-cache.local",
                               "https://hall-cache.local:8444", "http://hall-cache.local:8443"}) {
      refused("Origin", origin);
    }
    for (const char* site : {"", "none", "same-site", "cross-site"}) {
      refused("Sec-Fetch-Site", site);
    }
    // What a script of the service's own pages can send.
    for (const char* mode : {"", "cors", "no-cors", "same-origin", "websocket"}) {
      refused("Sec-Fetch-Mode", mode);
    }
    for (const char* destination : {"", "empty", "iframe", "object", "embed"}) {
      refused("Sec-Fetch-Dest", destination);
    }
    for (const char* user : {"", "?0"}) {
      refused("Sec-Fetch-User", user);
    }
    auto twice = click(act);
    twice.fields.add("Sec-Fetch-User", "?0");
    EXPECT_EQ(answer(twice).status, 403);
    for (const char* method : {"GET", "HEAD", "PUT", "DELETE"}) {
      auto head = click(act);
      head.method = method;
      EXPECT_EQ(answer(head).status, 405) << method;
    }
  }
}

TEST_F(DevicePageTest, ActsNeedASessionFromJustNow) {
  for (const char* act : kActs) {
    EXPECT_TRUE(std::holds_alternative<PageRequest>(decide(click(act), kNow + 9min)));
    const Answer again = answer(click(act), kNow + kFreshSession);
    EXPECT_EQ(again.status, 401);
    EXPECT_EQ(field(again, kSignInField), "1");
    auto without = click(act);
    without.fields.remove("Cookie");
    EXPECT_EQ(answer(without).status, 401);
  }
  EXPECT_EQ(answer(visit("/.well-known/latchkey/home"), kNow + 30min).status, 200)
      << "looking needs no fresh one";
  sessions_.extend(token_, grant_.grant_key(), 1h, kNow + 30min);
  EXPECT_TRUE(std::holds_alternative<PageRequest>(decide(click(kActs[0]), kNow + 31min)))
      << "a new ticket makes it fresh";
}

TEST_F(DevicePageTest, IsAtTheRootWhereTheServiceHasNone) {
  EXPECT_TRUE(std::holds_alternative<Pass>(decide(visit("/"))));
  const auto sent = decide(visit("/"), kNow, false);
  EXPECT_EQ(std::get<Answer>(sent).status, 303);
  EXPECT_EQ(field(std::get<Answer>(sent), "Location"), kHomePath);
  EXPECT_TRUE(std::holds_alternative<Pass>(decide(visit("/x"), kNow, false)));
  auto script = visit("/");
  script.fields.set("Sec-Fetch-Mode", "cors");
  EXPECT_TRUE(std::holds_alternative<Pass>(decide(script, kNow, false)));
}

TEST_F(DevicePageTest, SpeaksTheReadersLanguage) {
  const auto language = [](std::string_view text) {
    wire::HttpFields fields;
    fields.add("Accept-Language", text);
    return language_of(fields);
  };
  for (const char* text : {"ja", "ja-JP,en;q=0.8", "fr,ja;q=0.5,en;q=0.4", "JA", "ja,en",
                           "en;q=0.1,ja;q=0.11", "en;q=0,ja;q=0.001"}) {
    EXPECT_EQ(language(text), Language::kJapanese) << text;
  }
  for (const char* text : {"", "en", "en,ja", "de", "ja;q=0", "jav", "ja;q=x", "ja;q=0.5,en-GB",
                           "en;q=0.9,ja;q=0.8", ",,,", "ja;q=0.00000001", ";;;=,"}) {
    EXPECT_EQ(language(text), Language::kEnglish) << text;
  }
  EXPECT_EQ(language(std::string(100000, ',') + "ja"), Language::kEnglish);
  auto head = visit("/.well-known/latchkey/home");
  head.fields.add("Accept-Language", "ja");
  EXPECT_NE(answer(head).body.find("<html lang=\"ja\">"), std::string::npos);
}

// threats.md rows 16 and 36.
TEST_F(DevicePageTest, Row36OfOthersThereIsANumberAndNothingElse) {
  const SpkiHash me = grant_.agent;
  const SpkiHash other({9});
  People people({other, me}, {});
  const GrantId theirs = GrantId::make(random_);
  HomeFacts facts;
  facts.name = "<b>Hall</b> \"cache\"";
  facts.agents = {{other, {}, kWall, kWall}, {me, {}, kWall + 5s, kWall + 6s}};
  facts.services = {3, 1};
  facts.grants = {grant_};
  facts.trail = {{kWall, me, "paired", grant_.id, "hall-cache.local"},
                 {kWall, other, "granted", theirs, "media-cache-secret.local"},
                 {kWall, std::nullopt, "wrong_code", std::nullopt, ""}};
  facts.window_left = 1500ms;
  const auto number = [&](const SpkiHash& one) { return people.number(one); };
  const std::string text = home_json(facts, me, number);
  const json shown = json::parse(text);
  EXPECT_EQ(shown["person"], 2);
  EXPECT_EQ(shown["device"]["name"], facts.name);
  EXPECT_EQ(shown["people"][0], json({{"person", 1},
                                      {"you", false},
                                      {"since", kWall.unix_seconds},
                                      {"last_seen", kWall.unix_seconds},
                                      {"services", 3}}));
  EXPECT_TRUE(shown["people"][1]["you"]);
  ASSERT_EQ(shown["services"].size(), 1U);
  EXPECT_TRUE(shown["services"][0]["origin"].is_null());
  EXPECT_EQ(shown["events"][0]["direct"], true);
  EXPECT_EQ(
      shown["events"][1],
      json({{"time", kWall.unix_seconds}, {"kind", "granted"}, {"own", false}, {"person", 1}}));
  EXPECT_FALSE(shown["events"][2].contains("person"));
  EXPECT_EQ(shown["window"]["seconds"], 2);
  for (const std::string& secret : {std::string("media-cache-secret"), theirs.hex(), other.hex()}) {
    EXPECT_EQ(text.find(secret), std::string::npos) << secret;
  }
}

TEST_F(DevicePageTest, NumbersStayWithThosePeople) {
  const SpkiHash a({1});
  const SpkiHash b({2});
  const SpkiHash c({3});
  const SpkiHash d({4});
  // The trail is newest first; of `a` it has forgotten the beginning, `b` has left.
  const std::vector<AuditLine> trail = {{kWall, d, "paired", std::nullopt, ""},
                                        {kWall, a, "renewed", std::nullopt, ""},
                                        {kWall, b, "agent_left", std::nullopt, ""},
                                        {kWall, b, "paired", std::nullopt, ""}};
  People people({c, a, d}, trail);
  EXPECT_EQ(people.number(c), 1U);
  EXPECT_EQ(people.number(a), 2U);
  EXPECT_EQ(people.number(b), 3U) << "nobody else takes the number of who left";
  EXPECT_EQ(people.number(d), 4U);
  EXPECT_EQ(people.number(SpkiHash({5})), 5U);
}

TEST_F(DevicePageTest, TheWindowHasItsOwnTimes) {
  EXPECT_FALSE(judge_window({.allowed = true}));
  EXPECT_EQ(judge_window({}), WindowRefusal::kNotAllowed);
  EXPECT_EQ(judge_window({.allowed = true, .open = true}), WindowRefusal::kAlreadyOpen);
  EXPECT_EQ(judge_window({.allowed = true, .wait = 1ms}), WindowRefusal::kWait);
  EXPECT_EQ(judge_window({.allowed = true, .since_last = 9999ms}), WindowRefusal::kWait);
  EXPECT_FALSE(judge_window({.allowed = true, .since_last = kWindowSpacing}));
}

TEST_F(DevicePageTest, TheCodesPageRunsNothing) {
  const Answer page = code_page(Language::kEnglish, "1234 5678", std::chrono::minutes(10));
  EXPECT_NE(page.body.find(">1234 5678</p>"), std::string::npos);
  EXPECT_EQ(page.body.find("<script"), std::string::npos);
  EXPECT_EQ(field(page, "Content-Security-Policy").find("script-src"), std::string::npos);
  EXPECT_EQ(field(page, "Cache-Control"), "no-store");
  EXPECT_EQ(field(page, "Cross-Origin-Opener-Policy"), "same-origin");
}

// threats.md row 56: the service cannot say for us that somebody is to sign in.
TEST_F(DevicePageTest, Row56TheServiceCannotForgeTheMark) {
  wire::HttpFields fields;
  fields.add("Latchkey-Sign-In", "1");
  fields.add("latchkey_sign-in", "1");
  fields.add("Content-Type", "text/html");
  EXPECT_EQ(upstream_response_fields(fields, false).all().size(), 1U);
}

}  // namespace
}  // namespace latchkey::front
