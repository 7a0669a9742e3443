// Whether people still are signed in, and from another screen.
#include "support/party_fixture.h"

namespace latchkey::oidc {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

TEST_F(Party, LearnsNewKeysWhenATokenNamesThemButNotForEveryBadToken) {
  sign_in(kAnn);
  const auto keys = [this] { return std::count(fetched_.begin(), fetched_.end(), "/jwks"); };
  EXPECT_EQ(keys(), 1);
  maker_ = TokenMaker(maker_.issuer, "k2");
  come_back(kAnn, go(kAnn));
  EXPECT_EQ(refusal(), ErrorCode::kBadSignature);  // asked a moment ago
  EXPECT_EQ(keys(), 1);
  now_.mono = now_.mono + RelyingParty::kKeysAgain;
  come_back(kAnn, go(kAnn));
  EXPECT_NE(last<SignedIn>(), nullptr);
  EXPECT_EQ(keys(), 2);
}

TEST_F(Party, AsksEveryFortyFiveSecondsAndRotates) {
  sign_in(kAnn);
  ASSERT_EQ(party_->deadline(), now_.mono + RelyingParty::kCheckEvery);
  const std::size_t before = bodies_.size();
  pass(RelyingParty::kCheckEvery - milliseconds(1));
  EXPECT_EQ(bodies_.size(), before);
  nonce_.clear();
  pass(milliseconds(1));
  EXPECT_EQ(bodies_.back(), "grant_type=refresh_token&refresh_token=r1&client_id=device");
  pass(RelyingParty::kCheckEvery);
  EXPECT_EQ(bodies_.back(), "grant_type=refresh_token&refresh_token=r2&client_id=device");
  EXPECT_NE(party_->signed_in(kAnn), nullptr);
}

TEST_F(Party, SignsOutWhenTheProviderSaysSo) {
  sign_in(kAnn);
  sign_in(kBob);
  token_status_ = 400;
  token_answer_ = R"({"error":"invalid_grant"})";
  effects_.clear();
  pass(RelyingParty::kCheckEvery);
  EXPECT_EQ(effects_.size(), 2U);
  ASSERT_NE(last<SignedOut>(), nullptr);
  EXPECT_EQ(last<SignedOut>()->why, "refused: invalid_grant");
  EXPECT_EQ(party_->logins(), 0U);
}

TEST_F(Party, SignsOutWhenARefreshBringsSomebodyElse) {
  sign_in(kAnn);
  nonce_.clear();
  sub_ = "bob";
  pass(RelyingParty::kCheckEvery);
  ASSERT_NE(last<SignedOut>(), nullptr);
  EXPECT_EQ(party_->signed_in(kAnn), nullptr);
}

TEST_F(Party, AsksByIntrospectionWhereItCanProveItself) {
  make(rules(true));
  sign_in(kAnn);
  pass(RelyingParty::kCheckEvery);
  EXPECT_EQ(fetched_.back(), "/introspect");
  EXPECT_NE(party_->signed_in(kAnn), nullptr);
  active_ = false;
  pass(RelyingParty::kCheckEvery);
  EXPECT_NE(last<SignedOut>(), nullptr);
}

TEST_F(Party, BearsAProviderThatIsAwayForAWhileOnly) {
  sign_in(kAnn);
  down_ = {"/token"};
  for (milliseconds gone{0}; gone + RelyingParty::kCheckEvery < RelyingParty::kOutage;
       gone += RelyingParty::kCheckEvery) {
    pass(RelyingParty::kCheckEvery);
    ASSERT_NE(party_->signed_in(kAnn), nullptr);
  }
  pass(RelyingParty::kCheckEvery);
  EXPECT_EQ(party_->signed_in(kAnn), nullptr);
  EXPECT_NE(last<SignedOut>(), nullptr);
}

TEST_F(Party, DoesNotBelieveForeverWhatCannotBeAsked) {
  refreshes_ = false;
  sign_in(kAnn);
  for (int i = 0; i < 13; ++i) {
    pass(RelyingParty::kCheckEvery);
  }
  EXPECT_NE(party_->signed_in(kAnn), nullptr);
  pass(RelyingParty::kCheckEvery);
  EXPECT_EQ(party_->signed_in(kAnn), nullptr);
}

// Row 45: a slow token endpoint; and a provider that is not there at all.
TEST_F(Party, SignsOutHereAndTellsTheProvider) {
  sign_in(kAnn);
  run(party_->sign_out(5, kAnn, "https://video.example/bye"));
  EXPECT_EQ(fetched_.back(), "/revoke");
  const auto* out = std::get_if<LoggedOut>(&effects_[effects_.size() - 2]);
  ASSERT_NE(out, nullptr);
  EXPECT_TRUE(out->url.starts_with("https://idp.example/end?id_token_hint="));
  EXPECT_EQ(form_value(out->url, "post_logout_redirect_uri", 100), "https://video.example/bye");
  EXPECT_EQ(party_->signed_in(kAnn), nullptr);
  EXPECT_EQ(party_->jobs(), 0U);
  run(party_->sign_out(6, kAnn, ""));
  EXPECT_EQ(refusal(), ErrorCode::kNotSignedIn);
}

TEST_F(Party, HearsTheProvidersFrontChannelLogout) {
  sign_in(kAnn);
  effects_.clear();
  run(party_->front_channel_logout("cache.local", maker_.issuer, "sid-2"));
  run(party_->front_channel_logout("cache.local", "https://evil.example", "sid-1"));
  run(party_->front_channel_logout("other.local", maker_.issuer, "sid-1"));
  run(party_->front_channel_logout("cache.local", maker_.issuer, ""));
  EXPECT_TRUE(effects_.empty());
  run(party_->front_channel_logout("cache.local", maker_.issuer, "sid-1"));
  EXPECT_NE(last<SignedOut>(), nullptr);
}

TEST_F(Party, SignsInFromAnotherScreen) {
  token_status_ = 400;
  token_answer_ = R"({"error":"authorization_pending"})";
  run(party_->start_device(1, start_of(kAnn), now_));
  ASSERT_NE(last<DeviceCodeShown>(), nullptr);
  EXPECT_EQ(last<DeviceCodeShown>()->user_code, "ABCD");
  EXPECT_TRUE(party_->is_pending(kAnn));
  const auto polls = [this] { return std::count(fetched_.begin(), fetched_.end(), "/token"); };
  pass(milliseconds(4999));
  EXPECT_EQ(polls(), 0);
  pass(milliseconds(1));
  EXPECT_EQ(polls(), 1);
  token_answer_ = R"({"error":"slow_down"})";
  pass(seconds(5));
  EXPECT_EQ(polls(), 2);
  pass(seconds(9));
  EXPECT_EQ(polls(), 2);  // ten seconds from now on
  token_answer_.clear();
  token_status_ = 200;
  nonce_.clear();
  pass(seconds(1));
  EXPECT_NE(last<SignedIn>(), nullptr);
  EXPECT_FALSE(party_->is_pending(kAnn));
  EXPECT_NE(party_->signed_in(kAnn), nullptr);
}

TEST_F(Party, EndsWaitingForAnotherScreen) {
  token_status_ = 400;
  token_answer_ = R"({"error":"authorization_pending"})";
  run(party_->start_device(1, start_of(kAnn), now_));
  pass(seconds(601));
  EXPECT_FALSE(party_->is_pending(kAnn));
  token_answer_ = R"({"error":"access_denied"})";
  run(party_->start_device(2, start_of(kAnn), now_));
  pass(seconds(5));
  EXPECT_FALSE(party_->is_pending(kAnn));
  EXPECT_EQ(party_->signed_in(kAnn), nullptr);
}

}  // namespace
}  // namespace latchkey::oidc
