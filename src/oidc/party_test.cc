#include "oidc/party.h"

#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "oidc/url.h"
#include "support/fake_random.h"
#include "support/token_maker.h"

namespace latchkey::oidc {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using testing::FakeRandom;
using testing::TokenMaker;

constexpr SessionId kAnn = 7;
constexpr SessionId kBob = 8;
constexpr const char* kPage = "https://video.example/signed-in";

// A relying party and a provider that answers what it fetches.
class Party : public ::testing::Test {
 protected:
  static PartyRules rules(bool secret = false) {
    PartyRules out;
    ProviderRules provider;
    provider.issuer = "https://idp.example";
    provider.client = Client{"device", SecretBytes::take(secret ? "s" : ""),
                             secret ? ClientAuth::kBasic : ClientAuth::kNone};
    out.providers.push_back(std::move(provider));
    return out;
  }
  void make(PartyRules with) { party_ = std::make_unique<RelyingParty>(std::move(with), random_); }
  void SetUp() override { make(rules()); }

  template <class T>
  const T* last() const {
    return effects_.empty() ? nullptr : std::get_if<T>(&effects_.back());
  }
  // Answers what is fetched until something else comes.
  void run(Effects effects) {
    for (Effect& effect : effects) {
      if (auto* fetch = std::get_if<Fetch>(&effect)) {
        const std::string path = fetch->request.url.substr(maker_.issuer.size());
        fetched_.push_back(path);
        bodies_.emplace_back(as_text(fetch->request.body.span()));
        if (held_ == path) {
          held_fetch_ = fetch->id;
          continue;
        }
        run(party_->on_fetched(fetch->id, answer(path), now_));
      } else {
        effects_.push_back(std::move(effect));
      }
    }
  }
  std::optional<RelyingParty::Reply> answer(const std::string& path) {
    if (down_.contains(path)) {
      return std::nullopt;
    }
    if (path == "/.well-known/openid-configuration") {
      return RelyingParty::Reply{200, metadata_.dump()};
    }
    if (path == "/jwks") {
      return RelyingParty::Reply{200, maker_.jwks()};
    }
    if (path == "/register") {
      return RelyingParty::Reply{201, R"({"client_id":"registered"})"};
    }
    if (path == "/introspect") {
      return RelyingParty::Reply{200, active_ ? R"({"active":true})" : R"({"active":false})"};
    }
    if (path == "/device") {
      return RelyingParty::Reply{
          200,
          R"({"device_code":"dc","user_code":"ABCD","verification_uri":"https://idp.example/v","expires_in":600,"interval":5})"};
    }
    if (path == "/token") {
      return RelyingParty::Reply{token_status_, token_answer_.empty() ? tokens() : token_answer_};
    }
    return RelyingParty::Reply{200, ""};
  }
  std::string tokens() {
    const std::int64_t at = now_.wall.unix_seconds;
    json claims = {{"iss", maker_.issuer}, {"sub", sub_},   {"aud", aud_}, {"iat", at},
                   {"exp", at + 600},      {"sid", "sid-1"}};
    if (!nonce_.empty()) {
      claims["nonce"] = nonce_;
    }
    json out = {{"access_token", "a"}, {"token_type", "Bearer"}, {"id_token", maker_.sign(claims)}};
    if (refreshes_) {
      out["refresh_token"] = "r" + std::to_string(++rotated_);
    }
    return out.dump();
  }

  RelyingParty::Start start_of(SessionId session, std::string return_to = "") {
    RelyingParty::Start start;
    start.session = session;
    start.host = "cache.local";
    start.redirect_uri = kPage;
    start.return_to = std::move(return_to);
    return start;
  }
  // Sends the person away; what the provider was told.
  std::string go(SessionId session, OpId op = 1) {
    run(party_->start(op, start_of(session), now_));
    const auto* redirect = last<Redirect>();
    if (redirect == nullptr) {
      return {};
    }
    const std::string query = redirect->url.substr(redirect->url.find('?') + 1);
    nonce_ = form_value(query, "nonce", 100).value_or("");
    return form_value(query, "state", 100).value_or("");
  }
  void come_back(SessionId session, const std::string& state,
                 std::string iss = "https://idp.example") {
    run(party_->finish(2, session, {state, "code-1", std::move(iss), ""}, now_));
  }
  void sign_in(SessionId session) {
    come_back(session, go(session));
    ASSERT_NE(last<SignedIn>(), nullptr);
  }
  ErrorCode refusal() const {
    const auto* failed = last<Failed>();
    EXPECT_NE(failed, nullptr);
    return failed == nullptr ? ErrorCode::kBusy : failed->error.code;
  }
  void pass(milliseconds time) {
    now_.mono = now_.mono + time;
    now_.wall = now_.wall + std::chrono::duration_cast<seconds>(time);
    run(party_->on_time(now_));
  }

  FakeRandom random_;
  TokenMaker maker_;
  json metadata_ = maker_.metadata();
  std::unique_ptr<RelyingParty> party_;
  Now now_{{1'800'000'000}, {1000}};
  Effects effects_;
  std::vector<std::string> fetched_, bodies_;
  std::set<std::string> down_;
  std::string held_;
  FetchId held_fetch_ = 0;
  std::string nonce_, sub_ = "ann", token_answer_;
  json aud_ = "device";
  long token_status_ = 200;
  bool refreshes_ = true, active_ = true;
  int rotated_ = 0;
};

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

TEST_F(Party, KnowsOnlyTheProvidersThatItsOwnerNamedUnlessOffersCount) {
  auto start = start_of(kAnn);
  start.issuer = "https://new.example";
  start.offered = true;
  run(party_->start(1, start, now_));
  EXPECT_EQ(refusal(), ErrorCode::kUnknownIssuer);
  EXPECT_FALSE(party_->takes("https://new.example"));
  auto open = rules();
  open.accept_offered = true;
  make(std::move(open));
  EXPECT_TRUE(party_->takes("https://new.example"));
  auto effects = party_->start(1, start, now_);
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_TRUE(std::get<Fetch>(effects[0]).public_only);
  start.offered = false;  // a grant that was never offered it
  effects = party_->start(1, start, now_);
  EXPECT_NE(std::get_if<Failed>(effects.data()), nullptr);
  for (std::size_t i = 0; i < RelyingParty::kMaxOffered + 3; ++i) {
    start.offered = true;
    start.issuer = "https://new" + std::to_string(i) + ".example";
    effects = party_->start(1, start, now_);
  }
  EXPECT_NE(std::get_if<Failed>(&effects.back()), nullptr);
}

TEST_F(Party, RegistersItselfOnceForAnAddress) {
  auto unknown = rules();
  unknown.providers[0].client.reset();
  make(std::move(unknown));
  aud_ = "registered";
  sign_in(kAnn);
  sign_in(kBob);
  EXPECT_EQ(std::count(fetched_.begin(), fetched_.end(), "/register"), 1);
  const auto body = json::parse(bodies_[1]);
  EXPECT_EQ(body["redirect_uris"], json::array({kPage}));
  EXPECT_EQ(body["token_endpoint_auth_method"], "none");
}

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
