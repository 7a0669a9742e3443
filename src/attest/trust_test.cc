// Rows 17 to 20, 23, 24 and 32 of the threat model, as far as one side can tell alone.
#include "attest/trust.h"

#include <gtest/gtest.h>

#include "attest/policy.h"
#include "support/trust_maker.h"

namespace latchkey::attest {
namespace {

using testing::FileAttester;
using testing::kYear;
using testing::Maker;
using testing::Provider;
using wire::ErrorCode;

constexpr WallTime kNow{1'790'000'000};
const Origin kVideo = *Origin::parse("https://video.example");

struct TrustTest : ::testing::Test {
  Trust trust(Policy policy = {}) {
    return Trust({{"p", provider.snapshot(kNow), {}}}, std::move(policy));
  }
  Maker maker{kNow, Aaguid(ByteArray<16>{7})};
  Provider provider{kNow};
};

// --- the statement ---

struct StatementTest : ::testing::Test {
  Result<std::optional<Evidence>> verify(const wire::Attestation& shown,
                                         const Transcript& transcript,
                                         std::vector<SpkiHash> forbidden = {}) {
    return verify_attestation(shown, transcript, forbidden, kNow);
  }
  Maker maker{kNow, Aaguid(ByteArray<16>{7})};
  FileAttester attester{maker};
  Transcript here{Digest256{1}, Digest256{2}, Digest256{3}, Digest256{4}};
};

TEST_F(StatementTest, HoldsForItsOwnTranscriptOnly) {
  const auto shown = make_attestation(&attester, here);
  const auto evidence = verify(*shown, here);
  ASSERT_TRUE(evidence && *evidence);
  EXPECT_EQ((*evidence)->aaguid, maker.aaguid);
  EXPECT_EQ((*evidence)->proved, kNow);
  for (Digest256 Transcript::* part :
       {&Transcript::channel, &Transcript::offer, &Transcript::csr, &Transcript::boot}) {
    Transcript elsewhere = here;
    (elsewhere.*part)[31] ^= 1;
    EXPECT_EQ(verify(*shown, elsewhere).error().code, attest::ErrorCode::kBadSignature);
  }
}

TEST_F(StatementTest, NoneIsNoEvidenceAndAnythingElseIsRefused) {
  const auto none = verify(*make_attestation(nullptr, here), here);
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  auto shown = *make_attestation(&attester, here);
  shown.fmt = "tpm";
  EXPECT_FALSE(verify(shown, here));
  shown = *make_attestation(&attester, here);
  shown.x5c = {maker.middle};
  EXPECT_EQ(verify(shown, here).error().code, attest::ErrorCode::kUntrusted) << "a CA";
  shown.x5c.clear();
  EXPECT_FALSE(verify(shown, here));
  EXPECT_EQ(verify(*make_attestation(&attester, here), here, {maker.key->public_key().spki_hash()})
                .error()
                .code,
            attest::ErrorCode::kUntrusted)
      << "a key with another use";
}

TEST_F(StatementTest, ACertificateWithoutAModelProvesNothing) {
  auto fields = maker.leaf_fields();
  fields.aaguid.reset();
  maker.leaf = *crypto::issue_certificate(fields, maker.key->public_key(),
                                          {maker.root_key, maker.root}, maker.random);
  maker.middle = maker.leaf;
  FileAttester nameless(maker);
  EXPECT_EQ(verify(*make_attestation(&nameless, here), here).error().code,
            attest::ErrorCode::kUntrusted);
}

TEST_F(StatementTest, EvidenceComesBackFromTheStore) {
  const Evidence evidence = maker.evidence();
  const auto again = decode_evidence(encode_evidence(evidence));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->aaguid, evidence.aaguid);
  EXPECT_EQ(again->key, evidence.key);
  EXPECT_EQ(again->x5c, evidence.x5c);
  EXPECT_EQ(again->proved, evidence.proved);
  EXPECT_FALSE(decode_evidence(Bytes{0xa0}));
}

// --- devices ---

TEST_F(TrustTest, DevicesStandAsTheProviderSays) {
  const Evidence evidence = maker.evidence();
  EXPECT_EQ(Trust().device(&evidence).state, DeviceState::kNoProvider);
  EXPECT_EQ(trust().device(&evidence).state, DeviceState::kUnproven) << "no such model";
  provider.add_model(maker, "media-cache");
  EXPECT_EQ(trust().device(nullptr).state, DeviceState::kUnattested);
  const DeviceStanding proven = trust().device(&evidence);
  EXPECT_EQ(proven.state, DeviceState::kProven);
  EXPECT_EQ(proven.maker, "Acme");
  EXPECT_EQ(proven.model, "Cache One");
  EXPECT_EQ(proven.provider, "Example provider");
  // The same model number under a root of somebody else.
  Maker impostor(kNow, maker.aaguid);
  const Evidence forged = impostor.evidence();
  EXPECT_EQ(trust().device(&forged).state, DeviceState::kUnproven);
  EXPECT_EQ(trust().device(&forged).maker, "");
  // A genuine chain that names another model than the one its root is listed for.
  Maker other(kNow, Aaguid(ByteArray<16>{9}));
  provider.add_model(other, "nas");
  Evidence swapped = maker.evidence();
  swapped.aaguid = other.aaguid;
  EXPECT_EQ(trust().device(&swapped).state, DeviceState::kUnproven);
}

TEST_F(TrustTest, ACertificateCountsAsOfWhenItWasShown) {
  provider.add_model(maker, "media-cache");
  Evidence evidence = maker.evidence();
  evidence.proved = kNow + 6 * kYear;  // the batch certificate had run out
  EXPECT_EQ(trust().device(&evidence).state, DeviceState::kUnproven);
  evidence.proved = kNow - kYear;
  EXPECT_EQ(trust().device(&evidence).state, DeviceState::kUnproven) << "not yet valid";
}

TEST_F(TrustTest, RevocationOfAModelOrAKey) {
  const Evidence evidence = maker.evidence();
  for (const ModelStatus status : {ModelStatus::kRevoked, ModelStatus::kAttestationKeyCompromise}) {
    provider.add_model(maker, "media-cache", status);
    EXPECT_EQ(trust().device(&evidence).state, DeviceState::kRevoked);
    EXPECT_EQ(trust().refuses_device(&evidence, "media-cache"), ErrorCode::kDeviceRevoked);
  }
  provider.add_model(maker, "media-cache", ModelStatus::kUpdateAvailable);
  EXPECT_EQ(trust().device(&evidence).state, DeviceState::kProven);
  EXPECT_FALSE(trust().refuses_device(&evidence, "media-cache"));
  provider.revoke_device(evidence.key);
  const DeviceStanding leaked = trust().device(&evidence);
  EXPECT_EQ(leaked.state, DeviceState::kRevoked);
  EXPECT_EQ(leaked.maker, "Acme") << "whose it is can still be said";
}

TEST_F(TrustTest, ARevocationInANewerPageCountsBeforeItsTablesAreThere) {
  provider.add_model(maker, "media-cache");
  const auto held = provider.snapshot(kNow);
  const Evidence evidence = maker.evidence();
  const ModelChange revoked{maker.aaguid, ModelStatus::kRevoked, "", kNow};
  const ModelChange lifted{maker.aaguid, ModelStatus::kCertified, "", kNow};
  EXPECT_EQ(Trust({{"p", held, {revoked}}}, {}).device(&evidence).state, DeviceState::kRevoked);
  EXPECT_EQ(Trust({{"p", held, {lifted, revoked}}}, {}).device(&evidence).state,
            DeviceState::kProven)
      << "newest first";
}

TEST_F(TrustTest, AModelPassedOffAsAnotherKindOfDevice) {
  provider.add_model(maker, "printer");
  const Evidence evidence = maker.evidence();
  EXPECT_EQ(trust().refuses_device(&evidence, "media-cache"), ErrorCode::kAttestationFailed);
  EXPECT_FALSE(trust().refuses_device(&evidence, "printer"));
}

TEST_F(TrustTest, AnAdministratorMayDemandProof) {
  Policy policy;
  policy.only_attested_devices = true;
  const Evidence evidence = maker.evidence();
  EXPECT_EQ(trust(policy).refuses_device(nullptr, "nas"), ErrorCode::kAttestationFailed);
  EXPECT_EQ(trust(policy).refuses_device(&evidence, "nas"), ErrorCode::kAttestationFailed);
  EXPECT_EQ(Trust({}, policy).refuses_device(&evidence, "nas"), ErrorCode::kAttestationFailed)
      << "without a provider nothing is proven";
  provider.add_model(maker, "nas");
  EXPECT_FALSE(trust(policy).refuses_device(&evidence, "nas"));
  EXPECT_FALSE(Trust().refuses_device(nullptr, "nas"));
}

// --- web services ---

TEST_F(TrustTest, WebServicesStandAsTheProviderSays) {
  EXPECT_EQ(Trust().origin(kVideo).state, OriginState::kNoProvider);
  EXPECT_FALSE(Trust().refuses_origin(kVideo, kNow));
  EXPECT_EQ(trust().origin(kVideo).state, OriginState::kUnregistered);
  EXPECT_FALSE(trust().refuses_origin(kVideo, kNow));
  provider.set_origin(kVideo, OriginStatus::kActive, "Example Video");
  EXPECT_EQ(trust().origin(kVideo).state, OriginState::kKnown);
  EXPECT_EQ(trust().origin(kVideo).name, "Example Video");
  EXPECT_EQ(trust().origin(*Origin::parse("https://video.example:8443")).state,
            OriginState::kUnregistered)
      << "the exact triple";
  for (const OriginStatus status : {OriginStatus::kSuspended, OriginStatus::kRevoked}) {
    provider.set_origin(kVideo, status, "Example Video");
    EXPECT_EQ(trust().refuses_origin(kVideo, kNow), ErrorCode::kOriginRevoked);
    EXPECT_EQ(trust().origin(kVideo).name, "Example Video");
  }
  provider.set_origin(kVideo, static_cast<OriginStatus>(9), "");
  EXPECT_EQ(trust().origin(kVideo).state, OriginState::kRevoked) << "a status we do not know";
}

TEST_F(TrustTest, StaleMeansNoNewTrust) {
  provider.set_origin(kVideo, OriginStatus::kActive, "");
  const Trust held = trust();
  const WallTime due = provider.metadata.next_update;
  const ProviderView& view = held.providers().front();
  EXPECT_EQ(held.freshness(view, due - seconds(1)), Freshness::kFresh);
  EXPECT_EQ(held.freshness(view, due), Freshness::kLate);
  EXPECT_FALSE(held.refuses_origin(kVideo, due + kDefaultGrace - seconds(1)));
  EXPECT_EQ(held.freshness(view, due + kDefaultGrace), Freshness::kStale);
  EXPECT_EQ(held.refuses_origin(kVideo, due + kDefaultGrace), ErrorCode::kMetadataStale);
  EXPECT_EQ(held.refuses_origin(std::nullopt, due + kDefaultGrace), ErrorCode::kMetadataStale)
      << "direct grants as well";
  EXPECT_EQ(held.origin(kVideo).state, OriginState::kKnown) << "live grants go on";
  const Trust never({{"p", nullptr, {}}}, {});
  EXPECT_EQ(never.refuses_origin(kVideo, kNow), ErrorCode::kMetadataStale);
}

TEST_F(TrustTest, OfSeveralProvidersOneThatRevokesIsEnough) {
  Provider second(kNow);
  provider.set_origin(kVideo, OriginStatus::kActive, "Example Video");
  second.set_origin(kVideo, OriginStatus::kRevoked, "");
  provider.add_model(maker, "media-cache");
  second.add_model(maker, "media-cache", ModelStatus::kRevoked);
  const Evidence evidence = maker.evidence();
  for (const bool swapped : {false, true}) {
    std::vector<ProviderView> views = {{"a", provider.snapshot(kNow), {}},
                                       {"b", second.snapshot(kNow), {}}};
    if (swapped) {
      std::swap(views[0], views[1]);
    }
    const Trust both(std::move(views), {});
    EXPECT_EQ(both.origin(kVideo).state, OriginState::kRevoked);
    EXPECT_EQ(both.device(&evidence).state, DeviceState::kRevoked);
  }
  // One that never answered refuses new grants, whatever the other says.
  const Trust half({{"a", provider.snapshot(kNow), {}}, {"b", nullptr, {}}}, {});
  EXPECT_EQ(half.refuses_origin(kVideo, kNow), ErrorCode::kMetadataStale);
  EXPECT_EQ(half.device(&evidence).state, DeviceState::kProven);
}

// --- the policy file ---

TEST(PolicyFile, IsReadWholeOrNotAtAll) {
  const auto policy = parse_policy(R"({"only_registered_origins": true, "grace_days": 0,
      "consented_origins": [{"origin": "https://signage.example", "types": ["media-cache"]},
                            {"origin": "https://video.example"}]})");
  ASSERT_TRUE(policy) << policy.error().detail;
  EXPECT_TRUE(policy->only_registered_origins);
  EXPECT_FALSE(policy->only_attested_devices);
  EXPECT_EQ(policy->grace, seconds(0));
  const Trust trust({}, *policy);
  EXPECT_TRUE(trust.is_consented(*Origin::parse("https://signage.example"), "media-cache"));
  EXPECT_FALSE(trust.is_consented(*Origin::parse("https://signage.example"), "nas"));
  EXPECT_TRUE(trust.is_consented(kVideo, "nas"));
  EXPECT_FALSE(trust.is_consented(*Origin::parse("https://a.video.example"), "nas"));
  EXPECT_EQ(trust.refuses_origin(kVideo, kNow), ErrorCode::kNotAllowed);
  for (const char* bad :
       {"", "[]", R"({"only_registered_origin": true})", R"({"only_attested_devices": "yes"})",
        R"({"grace_days": -1})", R"({"grace_days": 1000})", R"({"consented_origins": {}})",
        R"({"consented_origins": [{"origin": "http://a.example"}]})",
        R"({"consented_origins": [{"origin": "https://a.example", "type": ["nas"]}]})",
        R"({"consented_origins": [{"origin": "https://a.example", "types": ["*"]}]})",
        R"({"grace_days": 1, "grace_days": 2})"}) {
    EXPECT_FALSE(parse_policy(bad)) << bad;
  }
}

}  // namespace
}  // namespace latchkey::attest
