// The proof of a device's make, carried by a real enrolment: what an agent must refuse (threats.md
// rows 9, 11, 17, 18, 19 and 32).
#include <gtest/gtest.h>

#include "crypto/x509.h"
#include "enroll/agent.h"
#include "enroll/device.h"
#include "support/fake_random.h"
#include "support/memory_device_ledger.h"
#include "support/trust_maker.h"

namespace latchkey::enroll {
namespace {

using latchkey::testing::FileAttester;
using latchkey::testing::Maker;
using wire::ErrorCode;

constexpr WallTime kNow{1'800'000'000};

// A token that was taken out.
class AbsentAttester final : public attest::Attester {
 public:
  explicit AbsentAttester(const Maker& maker) : chain_(maker.chain()) {}
  [[nodiscard]] const std::vector<Bytes>& chain() const override { return chain_; }
  std::optional<Bytes> sign(ByteSpan) override { return std::nullopt; }

 private:
  std::vector<Bytes> chain_;
};

class AttestationTest : public ::testing::Test {
 protected:
  AttestationTest() { identity_.attester = &attester_; }
  wire::Offer offer() {
    return {GrantId({1}),
            Origin::parse("https://video.example"),
            *HostName::parse("media-cache-k3f7x2m7q4ab.local"),
            random_.bytes<32>(),
            management_.public_key().spki(),
            ticket_.public_key().spki(),
            "AAAAAAAAAAAAAAAAAAAAAA",
            kNow};
  }
  wire::CsrMessage ask() { return ask(th_); }
  wire::CsrMessage ask(const Digest256& th) {
    sent_ = wire::encode(offer());
    return device_.on_offer(sent_, th, std::nullopt, kNow).value();
  }
  wire::Result<AcceptedCsr> check(const wire::CsrMessage& message) const {
    return check_csr_message(message, sent_, th_, self_, "media-cache", {}, kNow);
  }
  ErrorCode refusal(const wire::CsrMessage& message) const {
    const auto checked = check(message);
    return checked ? ErrorCode::kInternal : checked.error().code;
  }
  // Signed by the bootstrap key for whatever the request is now, as a rogue device can.
  void sign_boot(wire::CsrMessage& message) const {
    message.boot_signature = identity_.boot_key.sign(boot_statement(th_, message.csr));
  }
  // An attestation by `key`, under a certificate that names it.
  wire::Attestation attest_with(const crypto::PrivateKey& key, const wire::CsrMessage& message,
                                crypto::IssueFields fields) {
    const auto leaf = crypto::issue_certificate(fields, key.public_key(),
                                                {maker_.root_key, maker_.root}, random_);
    const auto statement =
        attest::attest_statement(attest_transcript(th_, sent_, message.csr, message.boot_spki));
    return {"packed", key.sign(statement), {leaf.value()}};
  }

  latchkey::testing::FakeRandom random_;
  Maker maker_{kNow, attest::Aaguid({7, 7})};
  FileAttester attester_{maker_};
  testing::MemoryDeviceLedger ledger_;
  DeviceIdentity identity_{
      crypto::PrivateKey::generate(), "Cache", "media-cache", "", "", {3}, 8443};
  DeviceEnrollment device_{ledger_, identity_};
  crypto::PrivateKey management_ = crypto::PrivateKey::generate();
  crypto::PrivateKey ticket_ = crypto::PrivateKey::generate();
  Digest256 th_{9};
  DeviceId self_{identity_.boot_key.public_key().spki_hash().bytes()};
  Bytes sent_;
};

TEST_F(AttestationTest, TheAgentLearnsModelAndKey) {
  const auto accepted = check(ask());
  ASSERT_TRUE(accepted) << accepted.error().detail;
  ASSERT_TRUE(accepted->evidence);
  EXPECT_EQ(accepted->evidence->aaguid, maker_.aaguid);
  EXPECT_EQ(accepted->evidence->key, maker_.key->public_key().spki_hash());
  EXPECT_EQ(accepted->evidence->proved, kNow);
}

TEST_F(AttestationTest, ADeviceWithoutAKeyShowsNothing) {
  identity_.attester = nullptr;
  const auto accepted = check(ask());
  ASSERT_TRUE(accepted);
  EXPECT_FALSE(accepted->evidence);
}

// Row 32: a device that cannot prove its make now does not look like one that never could.
TEST_F(AttestationTest, Row32AKeyThatCannotSignIsNotNone) {
  AbsentAttester absent(maker_);
  identity_.attester = &absent;
  const auto refused = device_.on_offer(wire::encode(offer()), th_, std::nullopt, kNow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInternal);
  EXPECT_TRUE(ledger_.grants.empty());
  identity_.attester = &attester_;
  EXPECT_TRUE(check(ask())->evidence) << "the offer goes through when the token is back";
}

TEST_F(AttestationTest, ARepeatedOfferIsAttestedAnew) {
  const auto first = ask();
  th_ = {10};
  const auto second = ask();
  EXPECT_EQ(first.csr, second.csr);
  EXPECT_TRUE(check(second)->evidence);
  auto mixed = second;
  mixed.attestation = first.attestation;
  EXPECT_EQ(refusal(mixed), ErrorCode::kAttestationFailed);
}

TEST_F(AttestationTest, Row9AnotherRequestThanTheAttestedOne) {
  auto message = ask();
  message.csr = crypto::make_csr(crypto::PrivateKey::generate());
  sign_boot(message);
  EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed);
}

TEST_F(AttestationTest, Row11TheAttestationKeyHasNoOtherUse) {
  auto message = ask();
  message.csr = crypto::make_csr(*maker_.key);
  sign_boot(message);
  message.attestation = attest_with(*maker_.key, message, maker_.leaf_fields());
  EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed) << "as the key of the request";
  message = ask();
  for (const auto* key : {&identity_.boot_key, &management_, &ticket_}) {
    message.attestation = attest_with(*key, message, maker_.leaf_fields());
    EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed);
  }
  const auto other = crypto::PrivateKey::generate();
  message.attestation = attest_with(other, message, maker_.leaf_fields());
  EXPECT_TRUE(check(message)) << "what is refused above is the key, not the way it is made here";
}

// Row 17: every part of the transcript counts.
TEST_F(AttestationTest, Row17AReplayFromAnotherOfferOrChannel) {
  const auto elsewhere = ask({1});
  auto message = ask();
  message.attestation = elsewhere.attestation;
  EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed) << "another channel and offer";
  const auto before = ask();
  message = ask();  // the same channel, another nonce
  message.attestation = before.attestation;
  EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed) << "another offer";
}

// Row 18: a genuine device attests for itself; who passes that on has another bootstrap key.
TEST_F(AttestationTest, Row18ARelayFromAGenuineDevice) {
  const auto genuine = ask();
  auto message = genuine;
  const auto rogue = crypto::PrivateKey::generate();
  message.boot_spki = rogue.public_key().spki();
  message.boot_signature = rogue.sign(boot_statement(th_, message.csr));
  self_ = DeviceId(rogue.public_key().spki_hash().bytes());
  EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed);
}

TEST_F(AttestationTest, Row19CertificatesThatAreNotFit) {
  auto message = ask();
  auto fields = maker_.leaf_fields();
  fields.aaguid.reset();
  const auto key = crypto::PrivateKey::generate();
  message.attestation = attest_with(key, message, fields);
  EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed) << "it names no model";
  fields.ca_path_length = 0;
  message.attestation = attest_with(key, message, fields);
  EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed) << "a CA";
  message.attestation = attest_with(key, message, maker_.leaf_fields());
  message.attestation.x5c.front().pop_back();
  EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed) << "cut short";
}

TEST_F(AttestationTest, Row32WhatIsLeftOutIsNotFilledIn) {
  const auto good = ask();
  auto message = good;
  message.attestation.sig.clear();
  EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed);
  message = good;
  message.attestation.x5c.clear();
  EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed);
  message = good;
  message.attestation.sig.back() ^= 1U;
  EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed);
  message = good;
  message.attestation.fmt = "other";
  EXPECT_EQ(refusal(message), ErrorCode::kAttestationFailed);
}

}  // namespace
}  // namespace latchkey::enroll
