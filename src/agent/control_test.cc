// Looking closer at grants and forgetting devices: the desk against the device's real core is in
// desk_test.cc; here is who sees and who ends what (threat 16).
#include "agent/control.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/desk.h"
#include "base/encoding.h"
#include "crypto/hash.h"
#include "support/fake_random.h"
#include "support/memory_records.h"
#include "support/standing_trust.h"
#include "support/trust_maker.h"

namespace latchkey::agent {
namespace {

using nlohmann::json;

const Origin kVideo = Origin::parse("https://video.example").value();
const Origin kPhotos = Origin::parse("https://photos.example").value();
const ProfileId kMine{{1}};
const ProfileId kTheirs{{2}};

Sight of(const ProfileId& profile) {
  return {false, [profile](const grant::Standing& grant) { return grant.profile == profile; }};
}

class ControlTest : public ::testing::Test {
 protected:
  GrantId make(const ProfileId& profile, const Origin& origin,
               std::optional<attest::Evidence> evidence = {}) {
    auto planned = desk_.plan({profile, origin, "media-cache", {}}, device_);
    EXPECT_TRUE(planned);
    const wire::CsrMessage message{.csr = {},
                                   .boot_spki = {1},
                                   .boot_signature = {},
                                   .attestation = {},
                                   .name = {},
                                   .type = {},
                                   .model = {},
                                   .firmware = {},
                                   .discovery_key = {}};
    device_key_ = crypto::PrivateKey::generate();
    const enroll::AcceptedCsr accepted{device_key_->public_key(), "Cache", "media-cache", "M", "1",
                                       std::move(evidence)};
    EXPECT_TRUE(desk_.issue(planned->offer.grant, message, accepted));
    EXPECT_TRUE(desk_.installed(planned->offer.grant, 443));
    (void)desk_.delivered(planned->offer.grant, 443);
    return planned->offer.grant;
  }
  grant::State state_of(const GrantId& id) { return records_.grant(id)->state; }
  json devices(const Sight& whose) {
    return devices_json(records_.bindings(), records_.standings(), whose, trust_.value)["devices"];
  }
  json details(const GrantId& id) {
    return details_json(*records_.grant(id), records_.binding(device_), trust_.value);
  }

  testing::FakeRandom random_;
  testing::FixedClock clock_;
  testing::MemoryRecords records_{random_, clock_};
  testing::StandingTrust trust_;
  GrantDesk desk_{records_, random_, clock_, trust_};
  DeviceId device_{ByteArray<32>{9}};
  std::optional<crypto::PrivateKey> device_key_;
};

TEST_F(ControlTest, Threat16AProfileForgetsItsOwnAndNobodyElses) {
  const auto first = make(kMine, kVideo);
  const auto second = make(kMine, kPhotos);
  const auto other = make(kTheirs, kVideo);
  const auto ended = desk_.forget(device_, of(kMine));
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->size(), 2U);
  EXPECT_EQ(state_of(first), grant::State::kRevoked);
  EXPECT_EQ(state_of(second), grant::State::kRevoked);
  EXPECT_EQ(state_of(other), grant::State::kActive);
  EXPECT_TRUE(records_.binding(device_)) << "the other profile still needs it";
  EXPECT_TRUE(records_.owed_forgettings().empty());
  EXPECT_EQ(records_.owed().size(), 2U);
  // The last one that goes takes the binding along.
  ASSERT_TRUE(desk_.forget(device_, of(kTheirs)));
  EXPECT_FALSE(records_.binding(device_));
  ASSERT_EQ(records_.owed_forgettings().size(), 1U);
  EXPECT_TRUE(records_.owed().empty()) << "single deletions go with the whole";
}

TEST_F(ControlTest, Threat16AForeignDeviceIsAnsweredAsOneThatNeverWas) {
  make(kTheirs, kVideo);
  const auto foreign = desk_.forget(device_, of(kMine));
  const auto never = desk_.forget(DeviceId(ByteArray<32>{7}), of(kMine));
  ASSERT_TRUE(!foreign && !never);
  EXPECT_EQ(foreign.error().code, never.error().code);
  EXPECT_EQ(foreign.error().message, never.error().message);
  EXPECT_TRUE(devices(of(kMine)).empty());
  EXPECT_EQ(devices(of(kTheirs)).size(), 1U);
}

TEST_F(ControlTest, TheCommandLineForgetsAll) {
  make(kMine, kVideo);
  make(kTheirs, kVideo);
  EXPECT_EQ(devices({})[0]["grants"], 2);
  EXPECT_EQ(devices(of(kMine))[0]["grants"], 1);
  ASSERT_EQ(desk_.forget(device_, {})->size(), 2U);
  EXPECT_FALSE(records_.binding(device_));
  EXPECT_TRUE(devices({}).empty());
  for (const auto& grant : records_.grants()) {
    EXPECT_GE(grant.block_until, grant.not_after) << "hosts stay blocked";
  }
}

TEST_F(ControlTest, WhatCannotBeStoredIsNotForgotten) {
  const auto id = make(kMine, kVideo);
  records_.broken = true;
  EXPECT_EQ(desk_.forget(device_, of(kMine)).error().code, wire::ErrorCode::kInternal);
  EXPECT_EQ(state_of(id), grant::State::kActive);
}

TEST_F(ControlTest, DetailsNameTheCertificateAsItIs) {
  const auto id = make(kMine, kVideo);
  const auto grant = *records_.grant(id);
  const json certificate = details(id)["certificate"];
  EXPECT_EQ(certificate["subject"], grant.host.text());
  EXPECT_EQ(certificate["valid_to"], grant.not_after.unix_seconds);
  EXPECT_EQ(certificate["renew_at"], grant.renew_at.unix_seconds);
  EXPECT_EQ(certificate["key"], device_key_->public_key().spki_hash().hex());
  EXPECT_EQ(certificate["sha256"], hex_encode(crypto::sha256(grant.leaf)));
  EXPECT_EQ(certificate["issuer_key"], grant.ca_key.public_key().spki_hash().hex());
  EXPECT_EQ(certificate["issuer_sha256"], hex_encode(crypto::sha256(grant.ca_certificate)));
  EXPECT_EQ(details(id)["proof"]["standing"], "none");
}

TEST_F(ControlTest, DetailsSayHowTheMakeIsProven) {
  testing::Maker maker{clock_.wall, attest::Aaguid({7})};
  testing::Provider provider{clock_.wall};
  provider.add_model(maker, "media-cache");
  trust_.value = attest::Trust({{"p", provider.snapshot(clock_.wall, seconds(7 * 86400)), {}}}, {});
  const auto evidence = maker.evidence();
  const json proof = details(make(kMine, kVideo, evidence))["proof"];
  EXPECT_EQ(proof["standing"], "proven");
  EXPECT_EQ(proof["model_id"], attest::aaguid_text(evidence.aaguid));
  EXPECT_EQ(proof["proved"], evidence.proved.unix_seconds);
  EXPECT_TRUE(proof["provider"].is_string());
}

TEST_F(ControlTest, NoSecretIsTold) {
  const auto id = make(kMine, kVideo);
  const auto grant = *records_.grant(id);
  const auto binding = *records_.binding(device_);
  const std::string told = details(id).dump() + devices({}).dump();
  for (const auto& key : {grant.ca_key, grant.ticket_key, binding.management_key}) {
    EXPECT_EQ(told.find(hex_encode(key.scalar().span())), std::string::npos);
  }
  EXPECT_EQ(told.find(hex_encode(binding.discovery_key)), std::string::npos);
}

}  // namespace
}  // namespace latchkey::agent
