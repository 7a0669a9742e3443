#include "enroll/device.h"

#include <gtest/gtest.h>

#include "crypto/x509.h"
#include "enroll/agent.h"
#include "pki/pki.h"
#include "support/fake_random.h"
#include "support/memory_device_ledger.h"

namespace latchkey::enroll {
namespace {

using wire::ErrorCode;

constexpr WallTime kNow{1'800'000'000};

class DeviceEnrollmentTest : public ::testing::Test {
 protected:
  wire::Offer offer() {
    return {GrantId({1}),
            Origin::parse("https://video.example"),
            host_,
            random_.bytes<32>(),
            management_.public_key().spki(),
            ticket_.public_key().spki(),
            "AAAAAAAAAAAAAAAAAAAAAA",
            kNow};
  }
  SpkiHash agent() { return management_.public_key().spki_hash(); }
  wire::Result<wire::CsrMessage> send(const wire::Offer& message) {
    sent_ = wire::encode(message);
    return device_.on_offer(sent_, th_, agent(), kNow);
  }
  // As the agent checks an answer to the offer that was sent last.
  wire::Result<AcceptedCsr> check(const wire::CsrMessage& message, const Digest256& th,
                                  const DeviceId& device,
                                  std::span<const SpkiHash> forbidden = {}) const {
    return check_csr_message(message, sent_, th, device, "media-cache", forbidden, kNow);
  }
  ErrorCode refusal(const wire::Offer& message) {
    const auto result = send(message);
    EXPECT_FALSE(result);
    return result ? ErrorCode::kInternal : result.error().code;
  }
  wire::CertMessage cert_for(const crypto::PublicKey& key, WallTime now = kNow) {
    return {GrantId({1}), pki::issue_leaf(ca_, host_, key, now, random_).value(), ca_.certificate,
            now};
  }
  crypto::PublicKey enrol() {
    const auto csr = send(offer());
    const auto key = crypto::verify_csr(csr->csr).value();
    EXPECT_TRUE(device_.on_certificate(wire::encode(cert_for(key)), agent(), kNow));
    return key;
  }

  testing::FakeRandom random_;
  testing::MemoryDeviceLedger ledger_;
  DeviceIdentity identity_{
      crypto::PrivateKey::generate(), "Cache", "media-cache", "", "", {3}, 8443};
  DeviceEnrollment device_{ledger_, identity_};
  crypto::PrivateKey management_ = crypto::PrivateKey::generate();
  crypto::PrivateKey ticket_ = crypto::PrivateKey::generate();
  HostName host_ = *HostName::parse("media-cache-k3f7x2m7q4ab.local");
  pki::Authority root_ =
      pki::make_user_root(crypto::PrivateKey::generate(), {}, kNow, random_).value();
  pki::Authority ca_ = pki::make_grant_ca(root_, host_, kNow, random_).value();
  Digest256 th_{9};
  Bytes sent_;
  DeviceId self_{identity_.boot_key.public_key().spki_hash().bytes()};
};

TEST_F(DeviceEnrollmentTest, ARepeatedOfferGetsTheSameRequest) {
  const auto first = send(offer());
  const auto second = send(offer());  // another nonce
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->csr, second->csr);
  wire::Offer other = offer();
  other.sub = "BBBBBBBBBBBBBBBBBBBBBB";
  EXPECT_EQ(refusal(other), ErrorCode::kMalformed);
}

// threats.md row 9: the request belongs to this channel and this device.
TEST_F(DeviceEnrollmentTest, Row9TheBootstrapSignatureBindsRequestAndChannel) {
  const auto message = send(offer());
  ASSERT_TRUE(message);
  EXPECT_TRUE(check(*message, th_, self_));
  EXPECT_FALSE(check(*message, Digest256{8}, self_));
  EXPECT_FALSE(check(*message, th_, DeviceId(Digest256{1})));
  auto swapped = *message;
  swapped.csr = crypto::make_csr(crypto::PrivateKey::generate());
  EXPECT_FALSE(check(swapped, th_, self_));
  auto other_boot = *message;
  other_boot.boot_spki = crypto::PrivateKey::generate().public_key().spki();
  EXPECT_FALSE(check(other_boot, th_, self_));
}

// threats.md row 11: a key that has another use.
TEST_F(DeviceEnrollmentTest, Row11TheBootstrapKeyOrAForbiddenKeyIsRefused) {
  auto message = *send(offer());
  const auto key = crypto::verify_csr(message.csr)->spki_hash();
  EXPECT_FALSE(check(message, th_, self_, std::vector{key}));
  message.csr = crypto::make_csr(identity_.boot_key);
  message.boot_signature = identity_.boot_key.sign(boot_statement(th_, message.csr));
  EXPECT_FALSE(check(message, th_, self_));
}

// threats.md row 50.
TEST_F(DeviceEnrollmentTest, Row50HostsOfTheWrongShapeAreRefused) {
  for (const char* host : {"nas-k3f7x2m7q4ab.local", "media-cache.local"}) {
    auto message = offer();
    message.host = *HostName::parse(host);
    EXPECT_EQ(refusal(message), ErrorCode::kNameConflict) << host;
  }
  auto direct = offer();
  direct.origin.reset();
  EXPECT_EQ(refusal(direct), ErrorCode::kNameConflict) << "a direct name that looks pairwise";
  direct.host = *HostName::parse("media-cache.local");
  EXPECT_TRUE(send(direct));
}

TEST_F(DeviceEnrollmentTest, OfferKeysMustBeDistinctKeysOfTheAgent) {
  auto message = offer();
  message.ticket_spki = message.agent_spki;
  EXPECT_EQ(refusal(message), ErrorCode::kMalformed);
  message = offer();
  message.agent_spki = identity_.boot_key.public_key().spki();
  EXPECT_EQ(refusal(message), ErrorCode::kMalformed);
  message = offer();
  message.agent_spki = crypto::PrivateKey::generate().public_key().spki();
  EXPECT_EQ(refusal(message), ErrorCode::kNotGranted) << "not the management channel's key";
}

TEST_F(DeviceEnrollmentTest, AnAgentCannotFillTheDevice) {
  for (std::size_t i = 0; i < DeviceEnrollment::kMaxGrantsPerAgent; ++i) {
    auto grant =
        ledger_.grants.empty() ? std::nullopt : std::optional(ledger_.grants.begin()->second);
    if (!grant) {
      ASSERT_TRUE(send(offer()));
      continue;
    }
    grant->id = GrantId({2, static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8U)});
    grant->host = *HostName::parse("media-cache-aaaaaaaaaaaa.local");
    ledger_.grants.emplace(std::pair(grant->agent, grant->id), *grant);
  }
  auto message = offer();
  message.grant = GrantId({3});
  message.host = *HostName::parse("media-cache-bbbbbbbbbbbb.local");
  EXPECT_EQ(refusal(message), ErrorCode::kLocked);
}

TEST_F(DeviceEnrollmentTest, CertificateForAnotherKeyHostOrTimeIsRefused) {
  const auto csr = send(offer());
  const auto key = crypto::verify_csr(csr->csr).value();
  const auto refused = [&](const wire::CertMessage& cert, WallTime now = kNow) {
    return !device_.on_certificate(wire::encode(cert), agent(), now);
  };
  EXPECT_TRUE(refused(cert_for(crypto::PrivateKey::generate().public_key())));
  EXPECT_TRUE(refused(cert_for(key), kNow + pki::kLeafValidity)) << "expired";
  auto other = cert_for(key);
  const auto other_host = *HostName::parse("media-cache-aaaaaaaaaaaa.local");
  const auto other_ca = pki::make_grant_ca(root_, other_host, kNow, random_).value();
  other.leaf = pki::issue_leaf(other_ca, other_host, key, kNow, random_).value();
  other.grant_ca = other_ca.certificate;
  EXPECT_TRUE(refused(other));
  EXPECT_FALSE(device_.on_certificate(wire::encode(cert_for(key)), SpkiHash(Digest256{1}), kNow))
      << "another agent's grant";
  EXPECT_TRUE(device_.on_certificate(wire::encode(cert_for(key)), agent(), kNow));
}

// threats.md rows 33 and 49: a renewal proves the old key, on this channel, with a new key.
TEST_F(DeviceEnrollmentTest, Row33RenewalProvesTheOldKey) {
  const auto old_key = enrol();
  const Bytes request = wire::encode(wire::RenewRequest{GrantId({1})});
  const Digest256 exporter{4};
  const auto reply = device_.on_renew(request, agent(), exporter);
  ASSERT_TRUE(reply);
  const auto key = check_renewal(*reply, GrantId({1}), exporter, old_key, {});
  ASSERT_TRUE(key);
  EXPECT_FALSE(*key == old_key);
  EXPECT_FALSE(check_renewal(*reply, GrantId({1}), Digest256{5}, old_key, {}));
  EXPECT_FALSE(check_renewal(*reply, GrantId({2}), exporter, old_key, {}));
  EXPECT_FALSE(check_renewal(*reply, GrantId({1}), exporter, *key, {}));
  // The old certificate serves until the new one is there; then only the new key.
  EXPECT_EQ(ledger_.grants.begin()->second.key.public_key(), old_key);
  EXPECT_EQ(device_.on_renew(request, agent(), exporter)->csr, reply->csr) << "repeated";
  ASSERT_TRUE(device_.on_certificate(wire::encode(cert_for(*key)), agent(), kNow));
  EXPECT_EQ(ledger_.grants.begin()->second.key.public_key(), *key);
  EXPECT_FALSE(device_.on_certificate(wire::encode(cert_for(old_key)), agent(), kNow));
}

TEST_F(DeviceEnrollmentTest, OnlyLiveGrantsOfThisAgentAreRenewed) {
  const Bytes request = wire::encode(wire::RenewRequest{GrantId({1})});
  EXPECT_EQ(device_.on_renew(request, agent(), {}).error().code, ErrorCode::kNotGranted);
  ASSERT_TRUE(send(offer()));
  EXPECT_EQ(device_.on_renew(request, agent(), {}).error().code, ErrorCode::kNotGranted)
      << "pending";
  EXPECT_FALSE(device_.on_renew(request, SpkiHash(Digest256{1}), {}));
}

}  // namespace
}  // namespace latchkey::enroll
