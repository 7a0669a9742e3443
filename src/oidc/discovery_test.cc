#include "oidc/discovery.h"

#include <gtest/gtest.h>

#include "support/token_maker.h"

namespace latchkey::oidc {
namespace {

using crypto::JwsAlgorithm;
using nlohmann::json;
using testing::TokenMaker;

constexpr const char* kIssuer = "https://idp.example";

TEST(Discovery, TakesTheDocumentOfTheProviderThatWasAskedOnly) {
  const TokenMaker maker;
  const auto read = read_metadata(maker.metadata().dump(), kIssuer);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->token_endpoint, "https://idp.example/token");
  EXPECT_TRUE(read->says_iss);
  // Row 45: a document that makes one provider pass for another.
  EXPECT_EQ(read_metadata(maker.metadata().dump(), "https://other.example").error().code,
            ErrorCode::kMixUp);
  EXPECT_FALSE(read_metadata(maker.metadata().dump(), "https://idp.example/"));
  EXPECT_EQ(metadata_url("https://idp.example/tenant/"),
            "https://idp.example/tenant/.well-known/openid-configuration");
}

TEST(Discovery, RefusesAddressesThatAreNotHttpsAndProvidersWithoutWhatIsNeeded) {
  const TokenMaker maker;
  const auto with = [&maker](const char* name, const json& value) {
    json map = maker.metadata();
    map[name] = value;
    return read_metadata(map.dump(), kIssuer);
  };
  EXPECT_FALSE(with("token_endpoint", "http://idp.example/token"));
  EXPECT_FALSE(with("jwks_uri", "file:///etc/passwd"));
  EXPECT_FALSE(with("end_session_endpoint", "javascript:x"));
  EXPECT_FALSE(with("authorization_endpoint", 7));
  EXPECT_FALSE(with("authorization_endpoint", nullptr));
  EXPECT_EQ(with("code_challenge_methods_supported", {"plain"}).error().code,
            ErrorCode::kUnsupported);
  EXPECT_EQ(with("id_token_signing_alg_values_supported", {"HS256", "none"}).error().code,
            ErrorCode::kUnsupported);
  EXPECT_EQ(with("response_types_supported", {"id_token"}).error().code, ErrorCode::kUnsupported);
  EXPECT_FALSE(read_metadata("[]", kIssuer));
  EXPECT_FALSE(
      read_metadata(std::string(kMaxDocument + 1, ' ') + maker.metadata().dump(), kIssuer));
}

TEST(KeySet, FindsTheOneKeyForATokenAndNoOther) {
  const TokenMaker one;
  const TokenMaker two(kIssuer, "k2");
  const json rsa = {
      {"kty", "RSA"}, {"kid", "r"}, {"n", base64url_encode(Bytes(256, 0xFF))}, {"e", "AQAB"}};
  const json keys = {{"keys", {one.jwk(), two.jwk(), rsa}}};
  const auto set = KeySet::read(keys.dump());
  ASSERT_TRUE(set);
  EXPECT_EQ(set->size(), 3U);
  EXPECT_NE(set->find("k1", JwsAlgorithm::kEs256), nullptr);
  EXPECT_NE(set->find("k1", JwsAlgorithm::kEs256), set->find("k2", JwsAlgorithm::kEs256));
  EXPECT_EQ(set->find("k3", JwsAlgorithm::kEs256), nullptr);
  // The kind of the key decides what it is good for, whatever the token's header says.
  EXPECT_EQ(set->find("k1", JwsAlgorithm::kRs256), nullptr);
  EXPECT_EQ(set->find("r", JwsAlgorithm::kEs256), nullptr);
  EXPECT_NE(set->find("r", JwsAlgorithm::kRs256), nullptr);
  EXPECT_NE(set->find("r", JwsAlgorithm::kPs256), nullptr);
  // Without a name there must be no choice.
  EXPECT_EQ(set->find("", JwsAlgorithm::kEs256), nullptr);
  EXPECT_NE(set->find("", JwsAlgorithm::kRs256), nullptr);
  const json pinned = {{"keys",
                        {{{"kty", "RSA"},
                          {"kid", "r"},
                          {"alg", "PS256"},
                          {"n", base64url_encode(Bytes(256, 0xFF))},
                          {"e", "AQAB"}}}}};
  EXPECT_EQ(KeySet::read(pinned.dump())->find("r", JwsAlgorithm::kRs256), nullptr);
  EXPECT_NE(KeySet::read(pinned.dump())->find("r", JwsAlgorithm::kPs256), nullptr);
}

TEST(KeySet, LeavesOutWhatIsNoGoodForSignaturesAndRefusesHugeSets) {
  const TokenMaker maker;
  const auto count = [](const json& key) {
    return KeySet::read(json{{"keys", json::array({key})}}.dump())->size();
  };
  const auto with = [&maker](const char* name, const json& value) {
    json key = maker.jwk();
    key[name] = value;
    return key;
  };
  EXPECT_EQ(count(maker.jwk()), 1U);
  EXPECT_EQ(count(with("use", "enc")), 0U);
  EXPECT_EQ(count(with("alg", "ES384")), 0U);
  EXPECT_EQ(count(with("alg", "RS256")), 0U);
  EXPECT_EQ(count(with("alg", "none")), 0U);
  EXPECT_EQ(count(with("crv", "P-521")), 0U);
  EXPECT_EQ(count(with("x", "AAAA")), 0U);
  EXPECT_EQ(count(with("kid", 7)), 0U);
  EXPECT_EQ(count(with("key_ops", {"encrypt"})), 0U);
  EXPECT_EQ(count({{"kty", "oct"}, {"k", "c2VjcmV0"}}), 0U);
  EXPECT_EQ(count({{"kty", "RSA"}, {"n", base64url_encode(Bytes(64, 0xFF))}, {"e", "AQAB"}}), 0U);
  EXPECT_EQ(count(7), 0U);
  // Row 45: a huge JWKS.
  EXPECT_FALSE(
      KeySet::read(json{{"keys", json(std::vector<json>(kMaxKeys + 1, maker.jwk()))}}.dump()));
  EXPECT_TRUE(KeySet::read(json{{"keys", json(std::vector<json>(kMaxKeys, maker.jwk()))}}.dump()));
  EXPECT_FALSE(KeySet::read(std::string(kMaxDocument, ' ') + R"({"keys":[]})"));
  EXPECT_FALSE(KeySet::read("{}"));
  EXPECT_FALSE(KeySet::read(R"({"keys":{}})"));
}

}  // namespace
}  // namespace latchkey::oidc
