// With which providers people sign in, and as which client.
#include "support/party_fixture.h"

namespace latchkey::oidc {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

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
  ASSERT_EQ(remembered_.size(), 1U);
  EXPECT_EQ(remembered_[0].issuer, maker_.issuer);
  EXPECT_EQ(remembered_[0].redirect_uri, kPage);
  EXPECT_EQ(remembered_[0].client.id, "registered");
}

TEST_F(Party, IsTheClientThatTheWebServiceIsWhereTheOwnerNamedNone) {
  auto open = rules();
  open.providers[0].client.reset();
  make(std::move(open));
  auto start = start_of(kAnn);
  start.issuer = maker_.issuer;
  start.offered = true;
  start.offered_client = "video";
  run(party_->start(1, start, now_));
  ASSERT_NE(last<Redirect>(), nullptr);
  EXPECT_NE(last<Redirect>()->url.find("client_id=video&"), std::string::npos);
  EXPECT_EQ(std::count(fetched_.begin(), fetched_.end(), "/register"), 0);
  // The owner's own word goes first: the device they set up stays the party it is.
  make(rules());
  run(party_->start(2, start, now_));
  ASSERT_NE(last<Redirect>(), nullptr);
  EXPECT_NE(last<Redirect>()->url.find("client_id=device&"), std::string::npos);
}

TEST_F(Party, WantsTheProvidersNameWhereOffersCount) {
  metadata_.erase("authorization_response_iss_parameter_supported");
  auto open = rules();
  open.accept_offered = true;
  make(std::move(open));
  auto start = start_of(kAnn);
  start.issuer = maker_.issuer;
  run(party_->start(1, start, now_));
  const std::string url = last<Redirect>()->url;
  come_back(kAnn, *form_value(url.substr(url.find('?') + 1), "state", 99), "");
  EXPECT_EQ(refusal(), ErrorCode::kMixUp);
}

TEST_F(Party, IsAfterARestartWhomItRegisteredAs) {
  auto unknown = rules();
  unknown.providers[0].client.reset();
  std::vector<RegisteredClient> known;
  known.push_back({maker_.issuer, kPage, Client{"before"}});
  party_ = std::make_unique<RelyingParty>(std::move(unknown), random_, std::move(known));
  run(party_->start(1, start_of(kAnn), now_));
  EXPECT_NE(last<Redirect>()->url.find("client_id=before&"), std::string::npos);
  EXPECT_EQ(std::count(fetched_.begin(), fetched_.end(), "/register"), 0);
  EXPECT_TRUE(remembered_.empty());
}

TEST_F(Party, RegistersAnewWhereTheProviderHasForgottenIt) {
  const auto with_known = [this] {
    auto unknown = rules();
    unknown.providers[0].client.reset();
    std::vector<RegisteredClient> known;
    known.push_back({maker_.issuer, kPage, Client{"before"}});
    party_ = std::make_unique<RelyingParty>(std::move(unknown), random_, std::move(known));
    forgotten_.clear();
  };
  with_known();
  token_status_ = 401;
  token_answer_ = R"({"error":"invalid_client"})";
  come_back(kAnn, go(kAnn));
  EXPECT_EQ(refusal(), ErrorCode::kRefused);
  EXPECT_EQ(forgotten_, std::vector<std::string>{kPage});
  run(party_->start(1, start_of(kAnn), now_));
  EXPECT_NE(last<Redirect>()->url.find("client_id=registered&"), std::string::npos);

  // A provider may also show an error to the person, who then never comes back.
  with_known();
  for (std::size_t i = 0; i < RelyingParty::kMaxLost; ++i) {
    EXPECT_TRUE(forgotten_.empty()) << i;
    (void)go(kAnn);
    pass(RelyingParty::kFlowLife);
  }
  EXPECT_EQ(forgotten_, std::vector<std::string>{kPage});

  // Whoever comes back, with whatever answer, was sent by one that knows it.
  with_known();
  for (std::size_t i = 0; i < 3 * RelyingParty::kMaxLost; ++i) {
    const std::string state = go(kAnn);
    if (i % 2 == 0) {
      run(party_->finish(2, kAnn, {state, "", maker_.issuer, "access_denied"}, now_));
    }
    pass(RelyingParty::kFlowLife);
  }
  EXPECT_TRUE(forgotten_.empty());
}

TEST_F(Party, KeepsNoRegistrationThatEndsByItself) {
  registration_ =
      R"({"client_id":"registered","client_secret":"s","client_secret_expires_at":1900000000,"token_endpoint_auth_method":"client_secret_basic"})";
  auto unknown = rules();
  unknown.providers[0].client.reset();
  make(std::move(unknown));
  run(party_->start(1, start_of(kAnn), now_));
  ASSERT_NE(last<Redirect>(), nullptr);
  EXPECT_TRUE(remembered_.empty());
}

TEST_F(Party, HoldsABoundedNumberOfRegistrations) {
  auto unknown = rules();
  unknown.providers[0].client.reset();
  make(std::move(unknown));
  for (std::size_t i = 0; i <= RelyingParty::kMaxRegistrations; ++i) {
    auto start = start_of(kAnn);
    start.redirect_uri = "https://video.example/" + std::to_string(i);
    run(party_->start(1, start, now_));
  }
  EXPECT_EQ(remembered_.size(), RelyingParty::kMaxRegistrations + 1);
  EXPECT_EQ(forgotten_, std::vector<std::string>{"https://video.example/0"});
}

TEST_F(Party, ForgetsProvidersOfOffersThatNobodyUses) {
  auto open = rules();
  open.accept_offered = true;
  make(std::move(open));
  const auto ask = [this](std::size_t i) {
    auto start = start_of(kAnn + i);
    start.issuer = "https://new" + std::to_string(i) + ".example";
    start.offered = true;
    return party_->start(1, start, now_);
  };
  std::vector<FetchId> fetches;
  for (std::size_t i = 0; i < RelyingParty::kMaxOffered; ++i) {
    fetches.push_back(std::get<Fetch>(ask(i).at(0)).id);
  }
  EXPECT_NE(std::get_if<Failed>(ask(100).data()), nullptr) << "all are in use";
  run(party_->on_fetched(fetches[3], std::nullopt, now_));
  EXPECT_EQ(refusal(), ErrorCode::kUnreachable);
  EXPECT_NE(std::get_if<Fetch>(ask(101).data()), nullptr) << "one has gone";
  EXPECT_NE(std::get_if<Failed>(ask(102).data()), nullptr);
  EXPECT_NE(std::get_if<Fetch>(ask(5).data()), nullptr) << "those in use stay";
}

}  // namespace
}  // namespace latchkey::oidc
