#include "oidc/id_token.h"

#include <gtest/gtest.h>

#include <functional>

#include "crypto/hash.h"
#include "oidc/policy.h"
#include "support/token_maker.h"

namespace latchkey::oidc {
namespace {

using nlohmann::json;
using testing::TokenMaker;

constexpr WallTime kNow{1'800'000'000};

class IdToken : public ::testing::Test {
 protected:
  [[nodiscard]] json claims() const {
    return {{"iss", maker_.issuer},     {"sub", "ann"},
            {"aud", "device"},          {"nonce", "n1"},
            {"iat", kNow.unix_seconds}, {"exp", kNow.unix_seconds + 300}};
  }
  [[nodiscard]] Result<Identity> check(const std::string& token) const {
    const auto header = read_header(token);
    if (!header) {
      return fail(header.error());
    }
    const auto keys = KeySet::read(maker_.jwks());
    const auto* key = keys->find(header->kid, header->algorithm);
    if (key == nullptr) {
      return refuse(ErrorCode::kBadSignature, "no key");
    }
    return check_id_token(token, *header, *key, expected_, now_);
  }
  // What comes of a token in which something is otherwise: an error's code, or nothing.
  [[nodiscard]] std::optional<ErrorCode> with(const std::function<void(json&)>& change) const {
    json map = claims();
    change(map);
    const auto who = check(maker_.sign(map));
    return who ? std::nullopt : std::optional(who.error().code);
  }
  [[nodiscard]] std::optional<ErrorCode> with(const char* name, const json& value) const {
    return with([&](json& map) { map[name] = value; });
  }
  [[nodiscard]] std::optional<ErrorCode> without(const char* name) const {
    return with([&](json& map) { map.erase(name); });
  }

  TokenMaker maker_;
  Expected expected_{maker_.issuer, "device", "n1", "", {}, nullptr, "groups"};
  WallTime now_ = kNow;
};

TEST_F(IdToken, SaysWhoItIs) {
  json map = claims();
  map["email"] = "ann@example.com";
  map["email_verified"] = true;
  map["groups"] = {"family", "admins"};
  map["sid"] = "s1";
  map["auth_time"] = kNow.unix_seconds - 5;
  const auto who = check(maker_.sign(map));
  ASSERT_TRUE(who);
  EXPECT_EQ(who->subject, "ann");
  EXPECT_EQ(who->issuer, maker_.issuer);
  EXPECT_EQ(who->email, "ann@example.com");
  EXPECT_EQ(who->groups, (std::vector<std::string>{"family", "admins"}));
  EXPECT_EQ(who->session, "s1");
  EXPECT_EQ(who->authenticated, kNow - seconds(5));
}

TEST_F(IdToken, BelievesVerifiedAddressesOnly) {
  json map = claims();
  map["email"] = "ann@example.com";
  EXPECT_EQ(check(maker_.sign(map))->email, "");
  map["email_verified"] = "true";
  EXPECT_EQ(check(maker_.sign(map))->email, "");
  map["email_verified"] = false;
  EXPECT_EQ(check(maker_.sign(map))->email, "");
}

// Row 45, one by one.
TEST_F(IdToken, IsForThisProviderAndThisDeviceAlone) {
  EXPECT_EQ(with("iss", "https://other.example"), ErrorCode::kMixUp);
  EXPECT_EQ(without("iss"), ErrorCode::kMixUp);
  EXPECT_EQ(with("aud", "somebody-else"), ErrorCode::kForeignToken);
  EXPECT_EQ(without("aud"), ErrorCode::kForeignToken);
  EXPECT_EQ(with("aud", json::array()), ErrorCode::kForeignToken);
  EXPECT_EQ(with("aud", {"device", "somebody-else"}), ErrorCode::kForeignToken);
  EXPECT_EQ(with("aud", {"device"}), std::nullopt);
  EXPECT_EQ(with("azp", "device"), std::nullopt);
  EXPECT_EQ(with("azp", "somebody-else"), ErrorCode::kForeignToken);
  EXPECT_EQ(with("azp", 7), ErrorCode::kForeignToken);
}

TEST_F(IdToken, BelongsToThisSignIn) {
  EXPECT_EQ(with("nonce", "n2"), ErrorCode::kForeignToken);
  EXPECT_EQ(with("nonce", ""), ErrorCode::kForeignToken);
  EXPECT_EQ(without("nonce"), ErrorCode::kForeignToken);
  expected_.access_token = "the access token";
  const auto hash = crypto::sha256(as_bytes(expected_.access_token));
  EXPECT_EQ(with("at_hash", base64url_encode(ByteSpan(hash).first(16))), std::nullopt);
  EXPECT_EQ(with("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), ErrorCode::kForeignToken);
  EXPECT_EQ(with("at_hash", 1), ErrorCode::kForeignToken);
}

TEST_F(IdToken, IsNeitherOldNorFromTheFuture) {
  const auto at = [](std::int64_t offset) { return kNow.unix_seconds + offset; };
  EXPECT_EQ(with("exp", at(-121)), ErrorCode::kOutOfTime);
  EXPECT_EQ(with("exp", at(-120)), ErrorCode::kOutOfTime);
  EXPECT_EQ(with("exp", at(-119)), std::nullopt);  // the clocks' difference
  EXPECT_EQ(with("iat", at(121)), ErrorCode::kOutOfTime);
  EXPECT_EQ(with("iat", at(120)), std::nullopt);
  EXPECT_EQ(with("iat", at(-721)), ErrorCode::kOutOfTime);
  EXPECT_EQ(with("iat", at(-720)), std::nullopt);
  EXPECT_EQ(with("nbf", at(200)), ErrorCode::kOutOfTime);
  EXPECT_EQ(without("exp"), ErrorCode::kMalformed);
  EXPECT_EQ(without("iat"), ErrorCode::kMalformed);
  EXPECT_EQ(with("exp", "soon"), ErrorCode::kMalformed);
  EXPECT_EQ(with("exp", -1), ErrorCode::kMalformed);
  EXPECT_EQ(with("exp", 1e300), ErrorCode::kMalformed);
  now_ = kNow + seconds(300 + 120);
  EXPECT_EQ(with("sub", "ann"), ErrorCode::kOutOfTime);
}

TEST_F(IdToken, SaysWhenThePersonSignedInWhereThatWasAsked) {
  expected_.max_age = seconds(60);
  EXPECT_EQ(without("auth_time"), ErrorCode::kMalformed);
  EXPECT_EQ(with("auth_time", kNow.unix_seconds - 60 - 121), ErrorCode::kOutOfTime);
  EXPECT_EQ(with("auth_time", kNow.unix_seconds - 60), std::nullopt);
}

TEST_F(IdToken, HasASubjectAndReadableGroups) {
  EXPECT_EQ(without("sub"), ErrorCode::kMalformed);
  EXPECT_EQ(with("sub", ""), ErrorCode::kMalformed);
  EXPECT_EQ(with("sub", "a\r\nX-Latchkey-User: b"), ErrorCode::kMalformed);
  EXPECT_EQ(with("sub", std::string(256, 'a')), ErrorCode::kMalformed);
  EXPECT_EQ(with("groups", 7), ErrorCode::kMalformed);
  EXPECT_EQ(with("groups", {"family", 7}), ErrorCode::kMalformed);
  EXPECT_EQ(with("groups", std::vector<std::string>(kMaxGroups + 1, "g")), ErrorCode::kMalformed);
  EXPECT_EQ(with("groups", "family"), std::nullopt);
}

// Row 45 and row 22: algorithm none and confusion.
TEST_F(IdToken, IsSignedByTheProvidersKeyWithThatKeysAlgorithm) {
  const auto code = [this](const json& header) {
    const auto who = check(maker_.sign(header, claims()));
    return who ? std::nullopt : std::optional(who.error().code);
  };
  EXPECT_EQ(code({{"alg", "ES256"}, {"kid", "k1"}}), std::nullopt);
  EXPECT_EQ(code({{"alg", "ES256"}}), std::nullopt);
  EXPECT_EQ(code({{"alg", "none"}}), ErrorCode::kUnsupported);
  EXPECT_EQ(code({{"alg", "None"}}), ErrorCode::kUnsupported);
  EXPECT_EQ(code({{"alg", "HS256"}, {"kid", "k1"}}), ErrorCode::kUnsupported);
  EXPECT_EQ(code({{"alg", "ES384"}, {"kid", "k1"}}), ErrorCode::kUnsupported);
  EXPECT_EQ(code({{"kid", "k1"}}), ErrorCode::kUnsupported);
  EXPECT_EQ(code({{"alg", "RS256"}, {"kid", "k1"}}), ErrorCode::kBadSignature);
  EXPECT_EQ(code({{"alg", "ES256"}, {"kid", "k9"}}), ErrorCode::kBadSignature);
  EXPECT_EQ(code({{"alg", "ES256"}, {"kid", "k1"}, {"crit", {"b64"}}, {"b64", false}}),
            ErrorCode::kUnsupported);
  const std::string none = base64url_encode(as_bytes(R"({"alg":"none"})")) + "." +
                           base64url_encode(as_bytes(claims().dump())) + ".";
  EXPECT_EQ(check(none).error().code, ErrorCode::kUnsupported);
  // A key of the token's own choosing.
  const TokenMaker mallory;
  EXPECT_EQ(check(mallory.sign({{"alg", "ES256"}, {"kid", "k1"}, {"jwk", mallory.jwk()}}, claims()))
                .error()
                .code,
            ErrorCode::kBadSignature);
  std::string tampered = maker_.sign(claims());
  tampered[tampered.find('.') + 5] ^= 1;
  EXPECT_FALSE(check(tampered));
  EXPECT_FALSE(check(std::string(kMaxIdToken + 1, 'a')));
  EXPECT_FALSE(check("a.b.c.d.e"));
  EXPECT_FALSE(check(""));
}

TEST_F(IdToken, OfARefreshIsForTheSamePerson) {
  const Identity before{maker_.issuer, "ann", "", {}, "s1", std::nullopt, kNow};
  expected_.before = &before;
  expected_.nonce.clear();
  EXPECT_EQ(without("nonce"), std::nullopt);
  EXPECT_EQ(with("sub", "bob"), ErrorCode::kForeignToken);
  EXPECT_EQ(with("sid", "s2"), ErrorCode::kForeignToken);
  EXPECT_EQ(with("sid", "s1"), std::nullopt);
}

TEST(SsoPolicy, LetsInWhomItNames) {
  const Identity ann{"https://idp.example", "ann", "ann@example.com", {"family"}, "", {}, {}};
  const Identity bob{"https://idp.example", "bob", "", {"guests"}, "", {}, {}};
  // Another provider may call its people and groups the same.
  const Identity other{"https://other.example", "ann", "ann@example.com", {"family"}, "", {}, {}};
  Policy policy;
  EXPECT_TRUE(policy.may_use(bob));
  EXPECT_TRUE(policy.may_manage(bob));
  policy.use = {{"https://idp.example", "", "", "family"}};
  EXPECT_TRUE(policy.may_use(ann));
  EXPECT_FALSE(policy.may_use(bob));
  EXPECT_FALSE(policy.may_use(other));
  policy.use = {{"https://idp.example", "", "bob@example.com", ""}};
  EXPECT_FALSE(policy.may_use(bob));  // no address that anybody vouches for
  policy.use = {{"https://idp.example", "bob", "", "family"}};
  EXPECT_FALSE(policy.may_use(ann));
  EXPECT_FALSE(policy.may_use(bob));
  policy.manage = {{"https://idp.example", "ann", "", ""}};
  EXPECT_TRUE(policy.may_manage(ann));
  EXPECT_TRUE(policy.may_use(ann));
  EXPECT_FALSE(policy.may_manage(bob));
  EXPECT_FALSE(policy.may_manage(other));
}

}  // namespace
}  // namespace latchkey::oidc
