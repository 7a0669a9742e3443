// The code flow: away to the provider, and back.
#include "crypto/hash.h"
#include "support/party_fixture.h"

namespace latchkey::oidc {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

TEST_F(Party, SignsSomebodyInWithTheCodeFlow) {
  run(party_->start(1, start_of(kAnn, "/films"), now_));
  ASSERT_NE(last<Redirect>(), nullptr);
  const std::string url = last<Redirect>()->url;
  EXPECT_TRUE(url.starts_with("https://idp.example/auth?response_type=code&client_id=device&"));
  const std::string query = url.substr(url.find('?') + 1);
  EXPECT_EQ(form_value(query, "redirect_uri", 200), kPage);
  EXPECT_EQ(form_value(query, "code_challenge_method", 10), "S256");
  EXPECT_FALSE(form_value(query, "prompt", 10));
  nonce_ = *form_value(query, "nonce", 100);
  come_back(kAnn, *form_value(query, "state", 100));
  ASSERT_NE(last<SignedIn>(), nullptr);
  EXPECT_EQ(last<SignedIn>()->return_to, "/films");
  ASSERT_NE(party_->signed_in(kAnn), nullptr);
  EXPECT_EQ(party_->signed_in(kAnn)->subject, "ann");
  EXPECT_EQ(party_->signed_in(kBob), nullptr);
  // PKCE: what was sent is the hash of what is shown now.
  const auto verifier = form_value(bodies_[1], "code_verifier", 100);
  ASSERT_TRUE(verifier);
  EXPECT_EQ(form_value(query, "code_challenge", 100),
            base64url_encode(crypto::sha256(as_bytes(*verifier))));
  EXPECT_EQ(fetched_,
            (std::vector<std::string>{"/.well-known/openid-configuration", "/token", "/jwks"}));
  // The second time the documents are there.
  sign_in(kBob);
  EXPECT_EQ(fetched_.size(), 4U);
}

TEST_F(Party, AsksSilentlyWhereThePageWantsThat) {
  auto start = start_of(kAnn);
  start.silent = true;
  run(party_->start(1, start, now_));
  const std::string url = last<Redirect>()->url;
  EXPECT_EQ(form_value(url, "prompt", 10), "none");
  run(party_->finish(2, kAnn, {*form_value(url, "state", 100), "", maker_.issuer, "login_required"},
                     now_));
  EXPECT_EQ(refusal(), ErrorCode::kRefused);
  EXPECT_EQ(last<Failed>()->error.detail, "login_required");
}

TEST_F(Party, AsksAnewWhoSomebodyIsWhereTheyWantThat) {
  auto start = start_of(kAnn);
  start.anew = true;
  run(party_->start(1, start, now_));
  EXPECT_EQ(form_value(last<Redirect>()->url, "prompt", 10), "login");
  start.silent = true;
  run(party_->start(1, start, now_));
  EXPECT_EQ(form_value(last<Redirect>()->url, "prompt", 10), "none");
}

// A person who begins once more gets to where they wanted to go.
TEST_F(Party, SaysWhereSomebodyWantedToGoWhenTheirSignInFails) {
  const auto goes = [this](SessionId session) {
    run(party_->start(1, start_of(session, "/films"), now_));
    return *form_value(last<Redirect>()->url, "state", 100);
  };
  const std::string refused = goes(kAnn);
  come_back(kBob, refused);
  EXPECT_EQ(last<Failed>()->return_to, "") << "another session's sign-in";
  run(party_->finish(2, kAnn, {refused, "", maker_.issuer, "access_denied"}, now_));
  EXPECT_EQ(last<Failed>()->return_to, "/films");
  down_ = {"/token"};
  come_back(kAnn, goes(kAnn));
  EXPECT_EQ(refusal(), ErrorCode::kUnreachable);
  EXPECT_EQ(last<Failed>()->return_to, "/films");
}

// Row 45: login CSRF, session fixation, code injection, replay.
TEST_F(Party, FinishesASignInOnlyInTheSessionThatBeganItAndOnce) {
  const std::string state = go(kAnn);
  come_back(kBob, state);
  EXPECT_EQ(refusal(), ErrorCode::kUnknownFlow);
  EXPECT_EQ(party_->signed_in(kBob), nullptr);
  come_back(kAnn, "somebody-elses-state");
  EXPECT_EQ(refusal(), ErrorCode::kUnknownFlow);
  EXPECT_EQ(fetched_.size(), 1U);  // no code went anywhere
  come_back(kAnn, state);
  EXPECT_NE(party_->signed_in(kAnn), nullptr);
  come_back(kAnn, state);
  EXPECT_EQ(refusal(), ErrorCode::kUnknownFlow);
}

TEST_F(Party, SpendsASignInThatWentWrong) {
  const std::string state = go(kAnn);
  run(party_->finish(2, kAnn, {state, "", maker_.issuer, ""}, now_));
  EXPECT_EQ(refusal(), ErrorCode::kBadRequest);
  come_back(kAnn, state);
  EXPECT_EQ(refusal(), ErrorCode::kUnknownFlow);
  // Too late.
  const std::string late = go(kAnn);
  now_.mono = now_.mono + RelyingParty::kFlowLife;
  come_back(kAnn, late);
  EXPECT_EQ(refusal(), ErrorCode::kUnknownFlow);
}

TEST_F(Party, RefusesATokenThatBelongsToAnotherSignIn) {
  const std::string first = go(kAnn);
  const std::string old_nonce = nonce_;
  const std::string second = go(kAnn);
  nonce_ = old_nonce;  // a code of the first, injected into the second
  come_back(kAnn, second);
  EXPECT_EQ(refusal(), ErrorCode::kForeignToken);
  EXPECT_EQ(party_->signed_in(kAnn), nullptr);
  aud_ = "another-device";
  come_back(kAnn, first);
  EXPECT_EQ(refusal(), ErrorCode::kForeignToken);
  EXPECT_EQ(party_->logins(), 0U);
  EXPECT_EQ(party_->jobs(), 0U);
}

// Row 45: mix-up.
TEST_F(Party, TakesAnAnswerFromTheProviderThatWasAskedOnly) {
  come_back(kAnn, go(kAnn), "https://evil.example");
  EXPECT_EQ(refusal(), ErrorCode::kMixUp);
  EXPECT_EQ(fetched_.size(), 1U);  // the code went to nobody
  come_back(kAnn, go(kAnn), "");   // it says it names itself, and did not
  EXPECT_EQ(refusal(), ErrorCode::kMixUp);
}

TEST_F(Party, WantsTheProvidersNameWhereThereAreSeveral) {
  metadata_.erase("authorization_response_iss_parameter_supported");
  come_back(kAnn, go(kAnn), "");
  EXPECT_NE(party_->signed_in(kAnn), nullptr);
  auto several = rules();
  ProviderRules other;
  other.issuer = "https://other.example";
  several.providers.push_back(std::move(other));
  make(std::move(several));
  auto start = start_of(kAnn);
  run(party_->start(1, start, now_));
  EXPECT_EQ(refusal(), ErrorCode::kUnknownIssuer);  // which of them?
  start.issuer = maker_.issuer;
  run(party_->start(1, start, now_));
  const std::string state = *form_value(last<Redirect>()->url, "state", 100);
  come_back(kAnn, state, "");
  EXPECT_EQ(refusal(), ErrorCode::kMixUp);
}

TEST_F(Party, GoesNowhereElseThanItWasMeantTo) {
  auto start = start_of(kAnn, "//evil.example");
  run(party_->start(1, start, now_));
  EXPECT_EQ(refusal(), ErrorCode::kBadRequest);
  start = start_of(kAnn);
  start.redirect_uri = "http://video.example/";
  run(party_->start(1, start, now_));
  EXPECT_EQ(refusal(), ErrorCode::kBadRequest);
  EXPECT_TRUE(fetched_.empty());
}

TEST_F(Party, SaysSoWhenTheProviderDoesNotAnswer) {
  down_ = {"/token"};
  come_back(kAnn, go(kAnn));
  EXPECT_EQ(refusal(), ErrorCode::kUnreachable);
  EXPECT_EQ(party_->jobs(), 0U);
  make(rules());
  down_ = {"/.well-known/openid-configuration"};
  EXPECT_EQ(go(kAnn), "");
  EXPECT_EQ(refusal(), ErrorCode::kUnreachable);
}

TEST_F(Party, DoesNotSignInASessionThatEndedMeanwhile) {
  held_ = "/token";
  come_back(kAnn, go(kAnn));
  run(party_->forget(kAnn));
  EXPECT_EQ(refusal(), ErrorCode::kUnknownFlow);
  run(party_->on_fetched(held_fetch_, RelyingParty::Reply{200, tokens()}, now_));
  EXPECT_EQ(party_->signed_in(kAnn), nullptr);
  EXPECT_EQ(last<SignedIn>(), nullptr);
  EXPECT_EQ(party_->jobs() + party_->flows() + party_->logins(), 0U);
}

TEST_F(Party, LetsInWhomThePolicyNames) {
  auto closed = rules();
  closed.policy.use = {{"https://idp.example", "bob", "", ""}};
  make(std::move(closed));
  come_back(kAnn, go(kAnn));
  EXPECT_EQ(refusal(), ErrorCode::kNotAllowed);
  EXPECT_EQ(party_->signed_in(kAnn), nullptr);
  sub_ = "bob";
  sign_in(kBob);
}

// RFC 8628.
TEST_F(Party, HoldsABoundedNumberOfSignIns) {
  std::string first = go(kAnn);
  for (std::size_t i = 0; i < RelyingParty::kMaxFlowsPerSession; ++i) {
    now_.mono = now_.mono + milliseconds(1);
    go(kAnn);
  }
  EXPECT_EQ(party_->flows(), RelyingParty::kMaxFlowsPerSession);
  come_back(kAnn, first);
  EXPECT_EQ(refusal(), ErrorCode::kUnknownFlow);
  for (SessionId session = 100; session < 100 + RelyingParty::kMaxFlows; ++session) {
    go(session);
  }
  EXPECT_EQ(party_->flows(), RelyingParty::kMaxFlows);
  EXPECT_EQ(refusal(), ErrorCode::kBusy);
  pass(RelyingParty::kFlowLife);
  EXPECT_EQ(party_->flows(), 0U);
  held_ = "/token";
  std::vector<std::string> states;
  for (SessionId session = 0; session < RelyingParty::kMaxJobs; ++session) {
    const std::string state = go(session);
    come_back(session, state);
  }
  EXPECT_EQ(party_->jobs(), RelyingParty::kMaxJobs);
  go(kAnn);
  EXPECT_EQ(refusal(), ErrorCode::kBusy);
}

}  // namespace
}  // namespace latchkey::oidc
