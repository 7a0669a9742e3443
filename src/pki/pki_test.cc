#include "pki/pki.h"

#include <gtest/gtest.h>

#include "crypto/x509.h"
#include "pki/profile.h"
#include "support/fake_random.h"
#include "support/files.h"

namespace latchkey::pki {
namespace {

constexpr WallTime kNow{1'800'000'000};

class PkiTest : public ::testing::Test {
 protected:
  Bytes leaf_for(const Authority& ca, const HostName& host, WallTime now = kNow) {
    return issue_leaf(ca, host, key_.public_key(), now, random_).value();
  }
  // A certificate of whatever fields, signed by whoever: what an attacker could make.
  Bytes forge(const crypto::CertificateFields& fields, const crypto::PublicKey& key,
              const crypto::PrivateKey& issuer) {
    return crypto::build_certificate(fields, key, issuer).value();
  }

  testing::FakeRandom random_;
  HostName host_ = *HostName::parse("media-cache-k3f7x2m7q4ab.local");
  HostName other_ = *HostName::parse("nas-aaaaaaaaaaaa.local");
  Authority root_ = make_user_root(crypto::PrivateKey::generate(), {}, kNow, random_).value();
  Authority ca_ = make_grant_ca(root_, host_, kNow, random_).value();
  crypto::PrivateKey key_ = crypto::PrivateKey::generate();
};

TEST_F(PkiTest, AnIssuedChainPassesOurCheckAndOpenssls) {
  const Bytes leaf = leaf_for(ca_, host_);
  const auto info = check_chain(leaf, ca_.certificate, root_.certificate, host_, kNow);
  ASSERT_TRUE(info) << info.error().detail;
  EXPECT_EQ(info->key, key_.public_key());
  EXPECT_EQ(info->not_after, kNow + kLeafValidity);
  EXPECT_EQ(renew_at(*info), kNow + kLeafValidity - kRenewBefore);
  const auto verified =
      crypto::verify_server_chain(leaf, ca_.certificate, root_.certificate, host_.text(), kNow);
  EXPECT_TRUE(verified) << verified.error().detail;
  EXPECT_TRUE(check_chain(leaf, ca_.certificate, std::nullopt, host_, kNow)) << "the device";
}

TEST_F(PkiTest, EveryFieldIsTheTemplates) {
  const auto leaf = crypto::parse_certificate(leaf_for(ca_, host_))->fields;
  EXPECT_EQ(leaf.subject_cn, host_.text());
  EXPECT_EQ(leaf.dns_name, host_.text());
  EXPECT_FALSE(leaf.ca_path_length);
  EXPECT_TRUE(leaf.permitted_dns.empty());
  EXPECT_EQ(leaf.not_before, kNow - kBackdate);
  const auto ca = crypto::parse_certificate(ca_.certificate)->fields;
  EXPECT_EQ(ca.ca_path_length, 0);
  EXPECT_EQ(ca.permitted_dns, std::vector<std::string>{host_.text()});
  EXPECT_EQ(ca.not_after, kNow + kGrantCaValidity);
  const auto root = crypto::parse_certificate(root_.certificate)->fields;
  EXPECT_EQ(root.ca_path_length, 1);
  EXPECT_EQ(root.permitted_dns, std::vector<std::string>{"local"});
}

// threats.md row 10: a CSR that asks to be a CA, for wildcard, public, IP and URI names, and for
// every key usage (tests/data/csr/generate.sh).
TEST_F(PkiTest, Row10TheCsrsWishesAreIgnored) {
  const auto key = accept_csr(testing::read_data("csr/greedy.der"), {});
  ASSERT_TRUE(key);
  const Bytes leaf = issue_leaf(ca_, host_, *key, kNow, random_).value();
  EXPECT_TRUE(check_chain(leaf, ca_.certificate, root_.certificate, host_, kNow));
  const auto parsed = crypto::parse_certificate(leaf);
  auto expected = leaf_profile(*key, crypto::key_identifier(ca_.key.public_key()), host_,
                               {kNow - kBackdate, kNow + kLeafValidity});
  expected.serial = parsed->fields.serial;
  EXPECT_EQ(parsed->fields, expected);
}

// threats.md row 11: weak and foreign curves, other algorithms.
TEST_F(PkiTest, Row11CsrsOfOtherCurvesAndAlgorithmsAreRefused) {
  EXPECT_TRUE(accept_csr(testing::read_data("csr/plain.der"), {}));
  for (const char* name : {"sha512", "p384", "secp256k1", "explicit-curve", "rsa", "ed25519"}) {
    EXPECT_FALSE(accept_csr(testing::read_data(std::string("csr/") + name + ".der"), {})) << name;
  }
}

// threats.md row 11: a bad signature, a reused key.
TEST_F(PkiTest, Row11CsrWithBadSignatureOrForbiddenKeyIsRefused) {
  Bytes csr = crypto::make_csr(key_);
  EXPECT_TRUE(accept_csr(csr, {}));
  const std::vector<SpkiHash> forbidden{key_.public_key().spki_hash()};
  const auto reused = accept_csr(csr, forbidden);
  ASSERT_FALSE(reused);
  EXPECT_EQ(reused.error().code, ErrorCode::kKeyReused);
  csr.back() ^= 1U;
  EXPECT_FALSE(accept_csr(csr, {}));
}

// threats.md row 12: a leaf outside its CA's namespace.
TEST_F(PkiTest, Row12ALeafForAnotherNameIsNotIssuedAndNotAccepted) {
  EXPECT_FALSE(issue_leaf(ca_, other_, key_.public_key(), kNow, random_));
  const auto fields = leaf_profile(key_.public_key(), crypto::key_identifier(ca_.key.public_key()),
                                   other_, {kNow, kNow + kLeafValidity});
  const Bytes forged = forge(fields, key_.public_key(), ca_.key);
  EXPECT_FALSE(check_chain(forged, ca_.certificate, root_.certificate, other_, kNow));
  EXPECT_FALSE(
      crypto::verify_server_chain(forged, ca_.certificate, root_.certificate, other_.text(), kNow));
}

// threats.md row 13: a leaf used as a CA.
TEST_F(PkiTest, Row13ALeafCannotSign) {
  const Bytes leaf = leaf_for(ca_, host_);
  const auto victim = crypto::PrivateKey::generate();
  const auto fields = leaf_profile(victim.public_key(), crypto::key_identifier(key_.public_key()),
                                   host_, {kNow, kNow + kLeafValidity});
  const Bytes forged = forge(fields, victim.public_key(), key_);
  EXPECT_FALSE(check_chain(forged, leaf, root_.certificate, host_, kNow));
  EXPECT_FALSE(crypto::verify_server_chain(forged, leaf, ca_.certificate, host_.text(), kNow));
}

// threats.md row 14: the user root or a grant CA used for a public host or another device.
TEST_F(PkiTest, Row14CasCannotNamePublicHostsOrOtherDevices) {
  auto fields = leaf_profile(key_.public_key(), crypto::key_identifier(ca_.key.public_key()), host_,
                             {kNow, kNow + kLeafValidity});
  fields.dns_name = "bank.example";
  fields.subject_cn = "bank.example";
  const Bytes by_grant_ca = forge(fields, key_.public_key(), ca_.key);
  EXPECT_FALSE(crypto::verify_server_chain(by_grant_ca, ca_.certificate, root_.certificate,
                                           "bank.example", kNow));
  // A CA under the root for a public name.
  const auto evil = crypto::PrivateKey::generate();
  auto ca_fields =
      grant_ca_profile(evil.public_key(), crypto::key_identifier(root_.key.public_key()), host_,
                       {kNow, kNow + kGrantCaValidity});
  ca_fields.permitted_dns = {"bank.example"};
  const Bytes evil_ca = forge(ca_fields, evil.public_key(), root_.key);
  fields.authority_key_id = crypto::key_identifier(evil.public_key());
  const Bytes by_evil_ca = forge(fields, key_.public_key(), evil);
  EXPECT_FALSE(
      crypto::verify_server_chain(by_evil_ca, evil_ca, root_.certificate, "bank.example", kNow));
  // Directly under the root, as a grant CA is needed in between.
  EXPECT_FALSE(check_chain(by_evil_ca, evil_ca, root_.certificate, host_, kNow));
}

// threats.md row 33.
TEST_F(PkiTest, Row33ExpiredOrNotYetValidIsRefused) {
  const Bytes leaf = leaf_for(ca_, host_);
  const auto at = [&](WallTime now) {
    return check_chain(leaf, ca_.certificate, root_.certificate, host_, now);
  };
  EXPECT_TRUE(at(kNow + kLeafValidity - seconds(1)));
  EXPECT_EQ(at(kNow + kLeafValidity).error().code, ErrorCode::kExpired);
  EXPECT_FALSE(at(kNow - kBackdate - seconds(301)));
  EXPECT_TRUE(at(kNow - kBackdate - seconds(300)));
  EXPECT_FALSE(issue_leaf(ca_, host_, key_.public_key(), kNow + kGrantCaValidity, random_));
  EXPECT_FALSE(make_grant_ca(root_, host_, kNow + kRootValidity, random_));
}

TEST_F(PkiTest, ALeafNeverOutlivesItsCa) {
  const WallTime late = kNow + kGrantCaValidity - seconds(86400);
  const auto fields = crypto::parse_certificate(leaf_for(ca_, host_, late))->fields;
  EXPECT_EQ(fields.not_after, kNow + kGrantCaValidity);
}

TEST_F(PkiTest, AChainUnderAnotherRootIsRefused) {
  const auto stranger = make_user_root(crypto::PrivateKey::generate(), {}, kNow, random_).value();
  EXPECT_FALSE(
      check_chain(leaf_for(ca_, host_), ca_.certificate, stranger.certificate, host_, kNow));
}

// Each deviation from the template, one at a time, is refused though the signatures hold.
TEST_F(PkiTest, AnyDeviationFromTheLeafTemplateIsRefused) {
  using Fields = crypto::CertificateFields;
  const std::vector<std::pair<const char*, void (*)(Fields&)>> deviations{
      {"ca", [](Fields& f) { f.ca_path_length = 0; }},
      {"usage", [](Fields& f) { f.key_usage = crypto::KeyUsage::kCertAndCrlSign; }},
      {"no server auth", [](Fields& f) { f.server_auth = false; }},
      {"too long", [](Fields& f) { f.not_after = f.not_after + kLeafValidity; }},
      {"no name", [](Fields& f) { f.dns_name.reset(); }},
      {"other name", [](Fields& f) { f.dns_name = "x." + *f.dns_name; }},
      {"wildcard", [](Fields& f) { f.dns_name = "*.local"; }},
      {"other cn", [](Fields& f) { f.subject_cn = "x"; }},
      {"other issuer", [](Fields& f) { f.issuer_cn = "x"; }},
      {"constraints", [](Fields& f) { f.permitted_dns = {"local"}; }},
      {"key id", [](Fields& f) { f.subject_key_id[0] ^= 1U; }},
  };
  for (const auto& [what, change] : deviations) {
    auto fields = leaf_profile(key_.public_key(), crypto::key_identifier(ca_.key.public_key()),
                               host_, {kNow, kNow + kLeafValidity});
    change(fields);
    const Bytes forged = forge(fields, key_.public_key(), ca_.key);
    EXPECT_FALSE(check_chain(forged, ca_.certificate, root_.certificate, host_, kNow)) << what;
  }
}

TEST_F(PkiTest, RootExcludesSubtreesThatUnicastDnsServes) {
  const std::vector<std::string> excluded{"corp.local"};
  const auto root = make_user_root(crypto::PrivateKey::generate(), excluded, kNow, random_).value();
  EXPECT_TRUE(check_root(root.certificate, kNow));
  EXPECT_EQ(crypto::parse_certificate(root.certificate)->fields.excluded_dns, excluded);
}

}  // namespace
}  // namespace latchkey::pki
