#include "crypto/x509.h"

#include <gtest/gtest.h>

namespace latchkey::crypto {
namespace {

CertificateFields leaf_fields(const PublicKey& key, const PublicKey& issuer) {
  CertificateFields fields;
  fields.serial = {0x80, 1, 2, 3};
  fields.subject_cn = "nas.local";
  fields.issuer_cn = "Test CA";
  fields.not_before = {1'700'000'000};
  fields.not_after = {1'700'604'800};
  fields.dns_name = "nas.local";
  fields.subject_key_id = key_identifier(key);
  fields.authority_key_id = key_identifier(issuer);
  return fields;
}

TEST(Csr, RoundTrip) {
  const PrivateKey key = PrivateKey::generate();
  const Bytes csr = make_csr(key);
  const auto verified = verify_csr(csr);
  ASSERT_TRUE(verified) << verified.error().detail;
  EXPECT_EQ(*verified, key.public_key());
}

TEST(Csr, EveryFlippedBitIsRefused) {
  const Bytes csr = make_csr(PrivateKey::generate());
  for (std::size_t i = 0; i < csr.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes damaged = csr;
      damaged[i] = static_cast<std::uint8_t>(damaged[i] ^ (1U << bit));
      EXPECT_FALSE(verify_csr(damaged)) << i << "." << bit;
    }
  }
}

TEST(Csr, RefusesTrailingBytesAndTooLong) {
  Bytes csr = make_csr(PrivateKey::generate());
  csr.push_back(0);
  EXPECT_FALSE(verify_csr(csr));
  EXPECT_FALSE(verify_csr(Bytes(kMaxCsrSize + 1, 0x30)));
  EXPECT_FALSE(verify_csr({}));
}

TEST(Certificate, RoundTripFieldByField) {
  const PrivateKey issuer = PrivateKey::generate();
  const PublicKey key = PrivateKey::generate().public_key();
  const CertificateFields fields = leaf_fields(key, issuer.public_key());
  const auto der = build_certificate(fields, key, issuer);
  ASSERT_TRUE(der);
  const auto parsed = parse_certificate(*der);
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(parsed->fields, fields);
  EXPECT_EQ(parsed->key, key);
  EXPECT_TRUE(certificate_signed_by(*der, issuer.public_key()));
  EXPECT_FALSE(certificate_signed_by(*der, key));
  const auto standard = certificate_key(*der);
  ASSERT_TRUE(standard) << "OpenSSL's own parser reads it too";
  EXPECT_EQ(*standard, key);
}

TEST(Certificate, AuthorityRoundTrip) {
  const PrivateKey key = PrivateKey::generate();
  CertificateFields fields = leaf_fields(key.public_key(), key.public_key());
  fields.dns_name.reset();
  fields.ca_path_length = 1;
  fields.key_usage = KeyUsage::kCertAndCrlSign;
  fields.permitted_dns = {"local"};
  fields.excluded_dns = {"corp.local"};
  const auto der = build_certificate(fields, key.public_key(), key);
  ASSERT_TRUE(der);
  const auto parsed = parse_certificate(*der);
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(parsed->fields, fields);
}

// Whatever bit is flipped, the certificate no longer parses, or its signature no longer holds.
TEST(Certificate, EveryFlippedBitIsNoticed) {
  const PrivateKey issuer = PrivateKey::generate();
  const PublicKey key = PrivateKey::generate().public_key();
  const auto der = build_certificate(leaf_fields(key, issuer.public_key()), key, issuer);
  for (std::size_t i = 0; i < der->size(); ++i) {
    Bytes damaged = *der;
    damaged[i] ^= 1U;
    EXPECT_FALSE(parse_certificate(damaged) && certificate_signed_by(damaged, issuer.public_key()))
        << i;
  }
}

TEST(Certificate, BareCertificateCarriesTheKeyAndFitsNoTemplate) {
  const PrivateKey key = PrivateKey::generate();
  const Bytes der = make_bare_certificate(key);
  const auto read = certificate_key(der);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, key.public_key());
  EXPECT_FALSE(parse_certificate(der));
}

}  // namespace
}  // namespace latchkey::crypto
