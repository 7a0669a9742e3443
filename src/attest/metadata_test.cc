// Rows 21, 22 of the threat model: metadata that is forged, confused, or rolled back.
#include "attest/metadata.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "support/trust_maker.h"

namespace latchkey::attest {
namespace {

using testing::kYear;
using testing::Maker;
using testing::Provider;

constexpr WallTime kNow{1'790'000'000};

struct MetadataTest : ::testing::Test {
  MetadataTest() { (void)provider.publish(kNow); }
  Result<SignedMetadata> verify(const std::string& jws, WallTime now = kNow) {
    const std::array<Bytes, 1> anchors = {provider.root};
    return verify_metadata(jws, anchors, now);
  }
  // Header and payload as given, signed with the provider's own key all the same.
  std::string signed_as(const std::string& header, const std::string& payload) {
    std::string jws =
        base64url_encode(as_bytes(header)) + "." + base64url_encode(as_bytes(payload));
    return jws + "." + base64url_encode(provider.key->sign_raw(as_bytes(jws)));
  }
  std::string header(const std::string& alg = "ES256", const std::string& more = "") {
    return R"({"alg":")" + alg + R"(","typ":"latchkey-metadata+jwt","x5c":[")" +
           base64_encode(provider.certificate) + "\"]" + more + "}";
  }
  std::string payload() { return *encode_metadata(provider.metadata); }
  Provider provider{kNow};
};

TEST_F(MetadataTest, ComesBackAsItWasSigned) {
  Maker maker(kNow, Aaguid(ByteArray<16>{7}));
  provider.add_model(maker, "media-cache");
  provider.metadata.entries = {{maker.aaguid, ModelStatus::kRevoked, "Acme Cache One", kNow}};
  (void)provider.publish(kNow);
  provider.metadata.table(TableKind::kOrigins).deltas = {
      {Digest256{1}, "origins-a-b.lkd", Digest256{2}, 77}};
  const auto read = verify(provider.sign());
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->metadata.no, provider.metadata.no);
  EXPECT_EQ(read->metadata.name, "Example provider");
  EXPECT_EQ(read->metadata.next_update, provider.metadata.next_update);
  EXPECT_EQ(read->metadata.published, kNow);
  ASSERT_EQ(read->metadata.entries.size(), 1U);
  EXPECT_EQ(read->metadata.entries[0].aaguid, maker.aaguid);
  EXPECT_EQ(read->metadata.entries[0].status, ModelStatus::kRevoked);
  EXPECT_EQ(read->metadata.table(TableKind::kModels).count, 1U);
  EXPECT_EQ(read->metadata.table(TableKind::kOrigins).deltas.at(0).size, 77U);
  EXPECT_EQ(read->signer_not_before, kNow - seconds(3600));
}

TEST_F(MetadataTest, AnotherRootOrAnExpiredChainIsNotTrusted) {
  Provider other(kNow);
  (void)other.publish(kNow);
  EXPECT_EQ(verify(other.sign()).error().code, ErrorCode::kUntrusted);
  EXPECT_TRUE(verify(provider.sign()));
  EXPECT_EQ(verify(provider.sign(), kNow + 2 * kYear).error().code, ErrorCode::kUntrusted);
  EXPECT_EQ(verify(provider.sign(), kNow - kYear / 2).error().code, ErrorCode::kUntrusted);
  EXPECT_EQ(verify_metadata(provider.sign(), {}, kNow).error().code, ErrorCode::kUntrusted);
}

TEST_F(MetadataTest, AForeignChainDoesNotVouchForItsKey) {
  // The provider's certificate beside a signature by somebody else's key.
  const std::string first =
      base64url_encode(as_bytes(header())) + "." + base64url_encode(as_bytes(payload()));
  const auto stranger = crypto::PrivateKey::generate();
  EXPECT_EQ(verify(first + "." + base64url_encode(stranger.sign_raw(as_bytes(first)))).error().code,
            ErrorCode::kBadSignature);
}

TEST_F(MetadataTest, ADevicesCertificateSignsNoMetadata) {
  // Even a maker whose root is also the provider's.
  const auto key = crypto::PrivateKey::generate();
  crypto::IssueFields fields{.common_name = "Batch",
                             .organization = "",
                             .not_before = kNow - seconds(60),
                             .not_after = kNow + kYear,
                             .ca_path_length = std::nullopt,
                             .aaguid = ByteArray<16>{1}};
  provider.certificate = *crypto::issue_certificate(
      fields, key.public_key(), {provider.root_key, provider.root}, provider.random);
  provider.key = key;
  EXPECT_EQ(verify(provider.sign()).error().code, ErrorCode::kUntrusted);
}

TEST_F(MetadataTest, OnlyTheOneAlgorithmAndHeaderAreTaken) {
  ASSERT_TRUE(verify(signed_as(header(), payload())));
  for (const char* alg : {"none", "None", "HS256", "RS256", "ES384", "es256", ""}) {
    EXPECT_FALSE(verify(signed_as(header(alg), payload()))) << alg;
  }
  for (const char* more :
       {R"(,"jwk":{})", R"(,"jku":"https://evil.example/k")", R"(,"crit":["exp"])",
        R"(,"alg":"none")", R"(,"kid":"1")", R"(,"x5u":"https://evil.example")"}) {
    EXPECT_FALSE(verify(signed_as(header("ES256", more), payload()))) << more;
  }
  // HS256 with the public key as the secret, as libraries were once fooled.
  const std::string first =
      base64url_encode(as_bytes(header("HS256"))) + "." + base64url_encode(as_bytes(payload()));
  const auto mac = crypto::hmac_sha256(provider.key->public_key().spki(), as_bytes(first));
  EXPECT_FALSE(verify(first + "." + base64url_encode(mac)));
  EXPECT_FALSE(verify(first + "."));
}

TEST_F(MetadataTest, WhatCouldBeReadInTwoWaysIsRefused) {
  const std::string good = payload();
  std::string twice = good;
  twice.insert(1, R"("no":999,)");
  EXPECT_FALSE(verify(signed_as(header(), twice))) << "a name twice";
  EXPECT_FALSE(verify(signed_as(header(), good + " x"))) << "something after it";
  EXPECT_FALSE(verify(provider.sign() + "."));
  EXPECT_FALSE(verify(provider.sign() + "A"));
  EXPECT_FALSE(verify("a.b"));
  EXPECT_FALSE(verify(""));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = good;
    const std::size_t at = changed.find(from);
    LATCHKEY_CHECK(at != std::string::npos);
    changed.replace(at, from.size(), to);
    return verify(signed_as(header(), changed));
  };
  EXPECT_TRUE(with("\"legalHeader\"", "\"legalHeader2\"")) << "what does not count may change";
  EXPECT_FALSE(with("\"no\":1", "\"no\":\"1\""));
  EXPECT_FALSE(with("\"no\":1", "\"no\":0"));
  EXPECT_FALSE(with("\"no\":1", "\"no\":1.5"));
  EXPECT_FALSE(with("\"no\":1", "\"no\":-1"));
  EXPECT_FALSE(with("\"no\":1", "\"no\":9007199254740993"));
  EXPECT_FALSE(with("\"v\":1", "\"v\":2"));
  EXPECT_FALSE(with("\"models-", "\"../models-")) << "a file elsewhere";
  EXPECT_FALSE(with("\"models-", "\".models-"));
  EXPECT_FALSE(with("\"models\":{", "\"model\":{"));
}

TEST_F(MetadataTest, ItNeverGrowsOverItsLimit) {
  provider.metadata.entries.assign(
      kMaxEntries, {Aaguid(ByteArray<16>{}), ModelStatus::kRevoked, std::string(200, 'x'), kNow});
  for (auto& table : provider.metadata.tables) {
    table.deltas.assign(kMaxDeltas, {{}, std::string(kMaxFileName, 'f'), {}, kMaxDeltaBytes});
  }
  const auto text = encode_metadata(provider.metadata);
  ASSERT_TRUE(text) << "all lists full, and it fits";
  EXPECT_LT(provider.sign().size(), kMaxMetadata);
  EXPECT_EQ(verify(std::string(kMaxMetadata + 1, 'A')).error().code, ErrorCode::kTooLarge);
}

TEST_F(MetadataTest, OnlyNewerIsAccepted) {
  const auto first = verify(provider.sign());
  const auto floor = raise({}, *first);
  ASSERT_TRUE(floor);
  EXPECT_EQ(floor->no, 1U);
  EXPECT_EQ(raise(*floor, *first).error().code, ErrorCode::kRolledBack) << "the same number";
  (void)provider.publish(kNow);
  const auto second = verify(provider.sign());
  const auto higher = raise(*floor, *second);
  ASSERT_TRUE(higher);
  EXPECT_EQ(raise(*higher, *first).error().code, ErrorCode::kRolledBack);
}

TEST_F(MetadataTest, TheHigherOfTwoFloorsIsHigherInEachPart) {
  const Floor a{7, {100}};
  const Floor b{3, {200}};
  EXPECT_EQ(higher(a, b), (Floor{7, {200}}));
  EXPECT_EQ(higher(b, a), (Floor{7, {200}}));
  EXPECT_EQ(higher({}, a), a);
}

TEST_F(MetadataTest, AfterAKeyRolloverTheOldKeySignsNothingMore) {
  const auto old_key = *provider.key;
  const Bytes old_certificate = provider.certificate;
  auto floor = *raise({}, *verify(provider.sign()));
  provider.roll_key(kNow - seconds(60));
  (void)provider.publish(kNow);
  const auto rolled = raise(floor, *verify(provider.sign()));
  ASSERT_TRUE(rolled) << "the new key under the same root, with no word from anybody";
  // The old key leaked; its certificate has not run out, and the number is higher.
  provider.key = old_key;
  provider.certificate = old_certificate;
  (void)provider.publish(kNow);
  const auto forged = verify(provider.sign());
  ASSERT_TRUE(forged) << "the chain alone would do";
  EXPECT_EQ(raise(*rolled, *forged).error().code, ErrorCode::kRolledBack);
}

TEST(Dates, ThereAndBack) {
  EXPECT_EQ(date_text(WallTime{0}), "1970-01-01");
  EXPECT_EQ(date_text(kNow), "2026-09-21");
  EXPECT_EQ(parse_date("2026-09-21"), (WallTime{1'789'948'800}));
  for (const char* bad : {"2026-02-30", "2026-13-01", "2026-9-21", "20260921", "1969-12-31",
                          "2026-09-2x", " 026-09-21", "2026-09-21T"}) {
    EXPECT_FALSE(parse_date(bad)) << bad;
  }
}

}  // namespace
}  // namespace latchkey::attest
