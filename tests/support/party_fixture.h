// A relying party, and a provider that answers what it fetches. For tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "oidc/party.h"
#include "oidc/url.h"
#include "support/fake_random.h"
#include "support/token_maker.h"

namespace latchkey::oidc::testing {

using latchkey::testing::FakeRandom;
using latchkey::testing::TokenMaker;
using nlohmann::json;
using std::chrono::milliseconds;

inline constexpr SessionId kAnn = 7;
inline constexpr SessionId kBob = 8;
inline constexpr const char* kPage = "https://video.example/signed-in";

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
      } else if (auto* known = std::get_if<RememberClient>(&effect)) {
        remembered_.push_back(std::move(known->registered));
      } else if (const auto* gone = std::get_if<ForgetClient>(&effect)) {
        forgotten_.push_back(gone->redirect_uri);
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
      return RelyingParty::Reply{201, registration_};
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
  std::string registration_ = R"({"client_id":"registered"})";
  std::vector<RegisteredClient> remembered_;
  std::vector<std::string> forgotten_;  // redirect URIs
  FetchId held_fetch_ = 0;
  std::string nonce_, sub_ = "ann", token_answer_;
  json aud_ = "device";
  long token_status_ = 200;
  bool refreshes_ = true, active_ = true;
  int rotated_ = 0;
};

}  // namespace latchkey::oidc::testing
