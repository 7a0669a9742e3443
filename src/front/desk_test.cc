// The rules of docs/protocol.md section 6, each with the attack it answers (docs/threat-model).
#include "front/desk.h"

#include <gtest/gtest.h>

#include "support/device_grant.h"
#include "support/fake_random.h"

namespace latchkey::front {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kWall{1'800'000'000};
constexpr MonoTime kNow{1'000'000};

class DeskTest : public ::testing::Test {
 protected:
  DeskTest() { gate_.on_trusted_time(grant_.agent, kWall, kNow); }

  grant::DeviceGrant make_grant(std::optional<Origin> origin, std::string_view host) {
    auto grant =
        testing::active_grant(random_, SpkiHash::make(random_), std::move(origin), host, kWall);
    grant.ticket_spki = ticket_key_.public_key().spki();
    return grant;
  }

  wire::HttpRequestHead head(std::string method, std::string target) {
    wire::HttpRequestHead out{std::move(method), std::move(target), 1, {}};
    out.fields.add("Host", "media-cache-k3f7x2m7q4ab.local:8443");
    return out;
  }
  wire::HttpRequestHead page(std::string method, std::string target) {
    auto out = head(std::move(method), std::move(target));
    out.fields.add("Origin", "https://video.example");
    return out;
  }
  wire::HttpRequestHead signed_in(std::string method, std::string target) {
    auto out = page(std::move(method), std::move(target));
    out.fields.add("Cookie", "a=b; __Host-latchkey=" + token() + "; c=d");
    return out;
  }
  std::string token() {
    if (token_.empty()) {
      token_ = sessions_.open(grant_.grant_key(), 1h, kNow).token;
    }
    return token_;
  }
  std::string ticket(const grant::DeviceGrant& grant) {
    return grant::mint_ticket({grant.id, grant.host, grant.origin, grant.sub, kWall, kWall + 60s,
                               grant::TicketId::make(random_), std::nullopt},
                              ticket_key_);
  }

  Decision decide(const wire::HttpRequestHead& request) { return decide(request, grant_); }
  Decision decide(const wire::HttpRequestHead& request, const grant::DeviceGrant& grant) {
    return desk_.decide({request, grant.host.text(), "192.168.1.9"}, grant, kNow);
  }
  int status(const wire::HttpRequestHead& request) {
    const auto decision = decide(request);
    const auto* answer = std::get_if<Answer>(&decision);
    return answer == nullptr ? 0 : answer->status;  // 0: passed on
  }
  int direct_status(const wire::HttpRequestHead& request) {
    const auto decision = decide(request, direct_);
    const auto* answer = std::get_if<Answer>(&decision);
    return answer == nullptr ? 0 : answer->status;
  }
  static std::string field(const Answer& answer, std::string_view name) {
    const std::string* value = answer.fields.find(name);
    return value == nullptr ? "" : *value;
  }

  testing::FakeRandom random_;
  crypto::PrivateKey ticket_key_ = crypto::PrivateKey::generate();
  grant::DeviceGrant grant_ =
      make_grant(Origin::parse("https://video.example"), "media-cache-k3f7x2m7q4ab.local");
  grant::DeviceGrant direct_ = make_grant(std::nullopt, "hall-cache.local");
  grant::TicketGate gate_{random_};
  grant::SessionTable sessions_{random_};
  Desk desk_{gate_, sessions_, "media-cache"};
  std::string token_;
};

TEST_F(DeskTest, PassesARequestOfThePageWithItsSession) {
  const auto decision = decide(signed_in("GET", "/films/1.mp4?x=1"));
  const auto& pass = std::get<Pass>(decision);
  EXPECT_EQ(pass.head.target, "/films/1.mp4?x=1");
  EXPECT_EQ(pass.path, "/films/1.mp4");
  EXPECT_EQ(*pass.head.fields.find("X-Latchkey-Origin"), "https://video.example");
  EXPECT_EQ(*pass.head.fields.find("X-Latchkey-Sub"), "AAAAAAAAAAAAAAAAAAAAAA");
  EXPECT_EQ(*pass.head.fields.find("Cookie"), "a=b; c=d");
}

TEST_F(DeskTest, Threat30WrongHostIs421) {
  auto other = signed_in("GET", "/");
  other.fields.set("Host", "rebound.example");
  EXPECT_EQ(status(other), 421);
  other.fields.set("Host", "media-cache-k3f7x2m7q4ab.local.");
  EXPECT_EQ(status(other), 421);
  other.fields.set("Host", "x.media-cache-k3f7x2m7q4ab.local");
  EXPECT_EQ(status(other), 421);
  const auto good = signed_in("GET", "/");
  const auto decision = desk_.decide({good, "hall-cache.local", "::1"}, grant_, kNow);
  EXPECT_EQ(std::get<Answer>(decision).status, 421);
}

TEST_F(DeskTest, Threat31MissingForeignOrNullOriginIs403) {
  auto request = signed_in("POST", "/delete-all");
  request.fields.remove("Origin");
  EXPECT_EQ(status(request), 403);
  for (const char* origin :
       {"null", "https://evil.example", "http://video.example", "https://video.example:444",
        "https://video.example/", "https://sub.video.example", "https://VIDEO.example", ""}) {
    request.fields.set("Origin", origin);
    const auto decision = decide(request);
    const auto& answer = std::get<Answer>(decision);
    EXPECT_EQ(answer.status, 403) << origin;
    EXPECT_FALSE(answer.fields.has("Access-Control-Allow-Origin")) << origin;
  }
  auto twice = signed_in("GET", "/");
  twice.fields.add("Origin", "https://video.example");
  EXPECT_EQ(status(twice), 403);
}

TEST_F(DeskTest, Threat31WebSocketFromElsewhereIs403) {
  auto upgrade = signed_in("GET", "/live");
  upgrade.fields.add("Connection", "keep-alive, Upgrade");
  upgrade.fields.add("Upgrade", "websocket");
  EXPECT_TRUE(std::get<Pass>(decide(upgrade)).websocket);
  upgrade.fields.set("Origin", "https://evil.example");
  EXPECT_EQ(status(upgrade), 403);
}

TEST_F(DeskTest, Threat52NoCorsSubresourcesAndFramesAreRefused) {
  auto image = head("GET", "/logo.png");
  image.fields.add("Cookie", "__Host-latchkey=" + token());
  image.fields.add("Sec-Fetch-Mode", "no-cors");
  EXPECT_EQ(status(image), 403);
  image.fields.set("Sec-Fetch-Mode", "navigate");
  EXPECT_EQ(status(image), 403);
}

TEST_F(DeskTest, Threat15AnswersDoNotTellGrantsApart) {
  // Without a session, with a made-up one, with one of another grant: the same.
  auto request = page("GET", "/");
  const auto none = std::get<Answer>(decide(request));
  request.fields.add("Cookie", "__Host-latchkey=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
  const auto invented = std::get<Answer>(decide(request));
  request.fields.set("Cookie",
                     "__Host-latchkey=" + sessions_.open(direct_.grant_key(), 1h, kNow).token);
  const auto foreign = std::get<Answer>(decide(request));
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(none.body, invented.body);
  EXPECT_EQ(none.body, foreign.body);
  EXPECT_EQ(foreign.status, 401);
}

TEST_F(DeskTest, TwoCookiesOfOurNameAreNone) {
  auto request = signed_in("GET", "/");
  request.fields.add("Cookie", "__Host-latchkey=AAAA");
  EXPECT_EQ(status(request), 401);
}

TEST_F(DeskTest, ExpiredSessionIs401) {
  const auto request = signed_in("GET", "/");
  const auto decision =
      desk_.decide({request, grant_.host.text(), "::1"}, grant_, kNow + 3'600'000ms);
  EXPECT_EQ(std::get<Answer>(decision).status, 401);
}

TEST_F(DeskTest, PreflightIsAnsweredHereAndOnlyForTheOrigin) {
  auto request = page("OPTIONS", "/films/1");
  request.fields.add("Access-Control-Request-Method", "PUT");
  request.fields.add("Access-Control-Request-Headers", "range, x-thing");
  const auto answer = std::get<Answer>(decide(request));
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(field(answer, "Access-Control-Allow-Origin"), "https://video.example");
  EXPECT_EQ(field(answer, "Access-Control-Allow-Credentials"), "true");
  EXPECT_EQ(field(answer, "Access-Control-Allow-Methods"), "PUT");
  EXPECT_EQ(field(answer, "Access-Control-Allow-Headers"), "range, x-thing");
  request.fields.set("Origin", "https://evil.example");
  const auto refused = std::get<Answer>(decide(request));
  EXPECT_EQ(refused.status, 403);
  EXPECT_FALSE(refused.fields.has("Access-Control-Allow-Methods"));
}

TEST_F(DeskTest, EveryAnswerCarriesTheResourcePolicies) {
  for (const auto& request :
       {page("GET", "/"), head("GET", "/"), page("GET", "/.well-known/latchkey"),
        page("POST", "/.well-known/latchkey/session")}) {
    const auto answer = std::get<Answer>(decide(request));
    EXPECT_EQ(field(answer, "Cross-Origin-Resource-Policy"), "same-origin");
    EXPECT_EQ(field(answer, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(field(answer, "Content-Security-Policy"), "sandbox; frame-ancestors 'none'");
    EXPECT_NE(field(answer, "Vary").find("Origin"), std::string::npos);
  }
}

TEST_F(DeskTest, SmuggledShapesAre400) {
  EXPECT_EQ(status(signed_in("GET", "https://other.local:8443/")), 400);
  EXPECT_EQ(status(signed_in("GET", "http://media-cache-k3f7x2m7q4ab.local:8443/")), 400);
  EXPECT_EQ(status(signed_in("GET", "https://media-cache-k3f7x2m7q4ab.local:8443/a")), 0);
  EXPECT_EQ(status(signed_in("GET", "/a#b")), 400);
  EXPECT_EQ(status(signed_in("GET", "/\xc3\xa4")), 400);
  EXPECT_EQ(status(signed_in("GET", "*")), 400);
  auto twice = signed_in("GET", "/");
  twice.fields.add("Host", "media-cache-k3f7x2m7q4ab.local:8443");
  EXPECT_EQ(status(twice), 400);
  auto none = signed_in("GET", "/");
  none.fields.remove("Host");
  EXPECT_EQ(status(none), 400);
  EXPECT_EQ(status(signed_in("CONNECT", "/")), 405);
  EXPECT_EQ(status(signed_in("TRACE", "/")), 405);
}

TEST_F(DeskTest, ExpectIsUnderstoodOrRefused) {
  auto request = signed_in("PUT", "/a");
  request.fields.add("Expect", "100-continue");
  EXPECT_TRUE(std::get<Pass>(decide(request)).wants_continue);
  request.fields.set("Expect", "something");
  EXPECT_EQ(status(request), 417);
}

TEST_F(DeskTest, DirectHostsTakeTheirOwnPagesAndThePerson) {
  auto request = wire::HttpRequestHead{"GET", "/", 1, {}};
  request.fields.add("Host", "hall-cache.local:8443");
  request.fields.add("Cookie",
                     "__Host-latchkey=" + sessions_.open(direct_.grant_key(), 1h, kNow).token);
  EXPECT_EQ(direct_status(request), 403);  // neither Origin nor Sec-Fetch-Site
  request.fields.add("Sec-Fetch-Site", "none");
  EXPECT_EQ(direct_status(request), 0);
  request.fields.set("Sec-Fetch-Site", "same-origin");
  EXPECT_EQ(direct_status(request), 0);
  for (const char* site : {"cross-site", "same-site"}) {
    request.fields.set("Sec-Fetch-Site", site);
    EXPECT_EQ(direct_status(request), 403) << site;
  }
  request.fields.set("Origin", "https://hall-cache.local:8443");
  EXPECT_EQ(direct_status(request), 0);
  for (const char* origin : {"https://hall-cache.local", "http://hall-cache.local:8443", "null"}) {
    request.fields.set("Origin", origin);
    EXPECT_EQ(direct_status(request), 403) << origin;
  }
}

// The browser's extension brings the ticket: it may do that, and nothing else.
TEST_F(DeskTest, TheExtensionSignsInToDirectHostsOnly) {
  const auto status = [&](std::string method, std::string path, const std::string& origin,
                          const grant::DeviceGrant& grant) {
    wire::HttpRequestHead head{std::move(method), std::move(path), 1, {}};
    head.fields.add("Host", grant.host.text());
    head.fields.add("Origin", origin);
    head.fields.add("Sec-Fetch-Site", "none");
    const auto decision = decide(head, grant);
    const auto* answer = std::get_if<Answer>(&decision);
    return answer != nullptr ? answer->status : 0;
  };
  const std::string session = "/.well-known/latchkey/session";
  for (const std::string ours : {"chrome-extension://abc", "moz-extension://abc"}) {
    EXPECT_EQ(status("POST", session, ours, direct_), 401) << "no ticket, but heard";
    EXPECT_EQ(status("DELETE", session, ours, direct_), 403);
    EXPECT_EQ(status("POST", "/", ours, direct_), 403);
    EXPECT_EQ(status("POST", session + "/x", ours, direct_), 403);
    EXPECT_EQ(status("POST", session, ours, grant_), 403);
  }
  for (const std::string other : {"https://evil.example", "null", "https://chrome-extension",
                                  "extension://abc", "https://hall-cache.local.evil.example"}) {
    EXPECT_EQ(status("POST", session, other, direct_), 403) << other;
  }
}

TEST_F(DeskTest, DirectAnswersHaveNoCors) {
  auto request = wire::HttpRequestHead{"GET", "/", 1, {}};
  request.fields.add("Host", "hall-cache.local:8443");
  request.fields.add("Sec-Fetch-Site", "none");
  request.fields.add("Sec-Fetch-Mode", "navigate");
  const auto answer = std::get<Answer>(decide(request, direct_));
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(field(answer, "Latchkey-Sign-In"), "1");
  EXPECT_FALSE(answer.fields.has("Access-Control-Allow-Origin"));
}

TEST_F(DeskTest, Threat33GrantsAreServableUntilNotAfter) {
  EXPECT_TRUE(is_servable(grant_, std::nullopt));
  EXPECT_TRUE(is_servable(grant_, kWall));
  EXPECT_FALSE(is_servable(grant_, grant_.not_after));
  grant_.suspended = true;
  EXPECT_FALSE(is_servable(grant_, kWall));
  grant_.suspended = false;
  grant_.state = grant::State::kPending;
  EXPECT_FALSE(is_servable(grant_, kWall));
}

}  // namespace
}  // namespace latchkey::front
