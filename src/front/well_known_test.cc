// `/.well-known/latchkey`: who may read it, and how a ticket becomes a session.
#include <gtest/gtest.h>

#include "front/desk.h"
#include "support/device_grant.h"
#include "support/fake_random.h"

namespace latchkey::front {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kWall{1'800'000'000};
constexpr MonoTime kNow{1'000'000};

class WellKnownTest : public ::testing::Test {
 protected:
  grant::DeviceGrant make_grant(std::optional<Origin> origin, std::string_view host) {
    auto grant = testing::active_grant(random_, agent_, std::move(origin), host, kWall);
    grant.ticket_spki = ticket_key_.public_key().spki();
    return grant;
  }
  // Tickets of the second in which the agent was first heard may be older than the process.
  void trust_time() {
    gate_.on_trusted_time(agent_, kWall - 10s, kNow);
    gate_.on_trusted_time(agent_, kWall, kNow);
  }
  std::string ticket(const grant::DeviceGrant& grant,
                     std::optional<grant::TicketNonce> nonce = std::nullopt) {
    return grant::mint_ticket({grant.id, grant.host, grant.origin, grant.sub, kWall, kWall + 60s,
                               grant::TicketId::make(random_), nonce},
                              ticket_key_);
  }
  Answer ask(std::string method, std::string target, const grant::DeviceGrant& grant,
             std::string authorization = "", std::string cookie = "") {
    wire::HttpRequestHead head{std::move(method), std::move(target), 1, {}};
    head.fields.add("Host", grant.host.text());
    head.fields.add("Origin", grant.origin ? grant.origin->text() : "https://" + grant.host.text());
    if (!authorization.empty()) {
      head.fields.add("Authorization", authorization);
    }
    if (!cookie.empty()) {
      head.fields.add("Cookie", cookie);
    }
    return std::get<Answer>(desk_.decide({head, grant.host.text(), "::1"}, grant, kNow));
  }
  Answer sign_in(const grant::DeviceGrant& grant, const std::string& jws) {
    return ask("POST", "/.well-known/latchkey/session", grant, "Bearer " + jws);
  }

  testing::FakeRandom random_;
  SpkiHash agent_ = SpkiHash::make(random_);
  crypto::PrivateKey ticket_key_ = crypto::PrivateKey::generate();
  grant::DeviceGrant grant_ =
      make_grant(Origin::parse("https://video.example"), "media-cache-k3f7x2m7q4ab.local");
  grant::DeviceGrant direct_ = make_grant(std::nullopt, "hall-cache.local");
  grant::TicketGate gate_{random_};
  grant::SessionTable sessions_{random_};
  Desk desk_{gate_, sessions_, "media-cache"};
};

TEST_F(WellKnownTest, SaysWhatItIsToTheOriginOnly) {
  const auto answer = ask("GET", "/.well-known/latchkey", grant_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"v":1,"type":"media-cache","sso":false})");
  EXPECT_EQ(*answer.fields.find("Access-Control-Allow-Origin"), "https://video.example");
  EXPECT_EQ(ask("GET", "/.well-known/latchkey", direct_).body, R"({"v":1,"type":"media-cache"})");

  wire::HttpRequestHead head{"GET", "/.well-known/latchkey", 1, {}};
  head.fields.add("Host", grant_.host.text());
  const auto anonymous =
      std::get<Answer>(desk_.decide({head, grant_.host.text(), "::1"}, grant_, kNow));
  EXPECT_EQ(anonymous.status, 200);
  EXPECT_FALSE(anonymous.fields.has("Access-Control-Allow-Origin"));
  head.fields.add("Origin", "https://evil.example");
  EXPECT_EQ(std::get<Answer>(desk_.decide({head, grant_.host.text(), "::1"}, grant_, kNow)).status,
            403);
}

TEST_F(WellKnownTest, ATicketOpensASessionOnce) {
  trust_time();
  const std::string jws = ticket(grant_);
  const auto answer = sign_in(grant_, jws);
  ASSERT_EQ(answer.status, 204);
  const std::string cookie = *answer.fields.find("Set-Cookie");
  EXPECT_TRUE(cookie.starts_with("__Host-latchkey="));
  for (const char* part :
       {"; Path=/", "; Secure", "; HttpOnly", "; SameSite=None; Partitioned", "; Max-Age=3600"}) {
    EXPECT_NE(cookie.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(sign_in(grant_, jws).status, 401);
  EXPECT_EQ(sessions_.size(), 1U);
}

TEST_F(WellKnownTest, DirectSessionsAreSameSiteStrict) {
  trust_time();
  const auto answer = sign_in(direct_, ticket(direct_));
  ASSERT_EQ(answer.status, 204);
  const std::string cookie = *answer.fields.find("Set-Cookie");
  EXPECT_NE(cookie.find("; SameSite=Strict"), std::string::npos);
  EXPECT_EQ(cookie.find("Partitioned"), std::string::npos);
}

TEST_F(WellKnownTest, WithoutTrustedTimeANonceIsAskedFor) {
  const auto asked = sign_in(grant_, ticket(grant_));
  ASSERT_EQ(asked.status, 401);
  const std::string prefix = R"({"error":"nonce_required","nonce":")";
  ASSERT_TRUE(asked.body.starts_with(prefix));
  const auto nonce = base64url_decode(
      std::string_view(asked.body).substr(prefix.size(), asked.body.size() - prefix.size() - 2),
      16);
  ASSERT_TRUE(nonce);
  EXPECT_EQ(*asked.fields.find("Access-Control-Allow-Origin"), "https://video.example");
  EXPECT_EQ(sign_in(grant_, ticket(grant_, grant::TicketNonce::from_bytes(*nonce))).status, 204);
  EXPECT_EQ(sign_in(grant_, ticket(grant_, grant::TicketNonce::from_bytes(*nonce))).status, 401);
}

TEST_F(WellKnownTest, Threat15TicketsOfOthersAreAllRefusedAlike) {
  trust_time();
  const std::string other = ticket(direct_);
  const auto refused = sign_in(grant_, other);
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.body, sign_in(grant_, "x.y.z").body);
  EXPECT_EQ(refused.body, ask("POST", "/.well-known/latchkey/session", grant_).body);
  EXPECT_EQ(sessions_.size(), 0U);
}

TEST_F(WellKnownTest, AFreshTicketExtendsTheSession) {
  trust_time();
  const auto first = sign_in(grant_, ticket(grant_));
  const std::string cookie = first.fields.find("Set-Cookie")->substr(0, 16 + 43);
  const auto again =
      ask("POST", "/.well-known/latchkey/session", grant_, "Bearer " + ticket(grant_), cookie);
  EXPECT_EQ(again.status, 204);
  EXPECT_TRUE(again.fields.find("Set-Cookie")->starts_with(cookie));
  EXPECT_EQ(sessions_.size(), 1U);
}

TEST_F(WellKnownTest, DeleteEndsTheSession) {
  trust_time();
  const auto first = sign_in(grant_, ticket(grant_));
  const std::string cookie = first.fields.find("Set-Cookie")->substr(0, 16 + 43);
  const auto ended = ask("DELETE", "/.well-known/latchkey/session", grant_, "", cookie);
  EXPECT_EQ(ended.status, 204);
  EXPECT_EQ(ended.ended.size(), 1U);
  EXPECT_EQ(sessions_.size(), 0U);
  EXPECT_EQ(ask("DELETE", "/.well-known/latchkey/session", grant_, "", cookie).status, 401);
}

TEST_F(WellKnownTest, ASessionEndsWithTheCertificate) {
  trust_time();
  grant_.not_after = kWall + 90s;
  EXPECT_NE(sign_in(grant_, ticket(grant_)).fields.find("Set-Cookie")->find("Max-Age=90"),
            std::string::npos);
  grant_.not_after = kWall;
  EXPECT_EQ(sign_in(grant_, ticket(grant_)).status, 401);
}

TEST_F(WellKnownTest, TheOpenPageIsStaticAndRunsItsOwnScriptOnly) {
  const auto answer = ask("GET", "/.well-known/latchkey/open", direct_);
  EXPECT_EQ(answer.status, 200);
  const std::string policy = *answer.fields.find("Content-Security-Policy");
  EXPECT_TRUE(policy.starts_with("default-src 'none'"));
  EXPECT_NE(policy.find("script-src 'sha256-"), std::string::npos);
  EXPECT_EQ(ask("GET", "/.well-known/latchkey/open", grant_).status, 404);
  EXPECT_EQ(ask("GET", "/.well-known/latchkey/other", direct_).status, 404);
  EXPECT_EQ(ask("PUT", "/.well-known/latchkey/session", grant_).status, 405);
}

}  // namespace
}  // namespace latchkey::front
