#include "crypto/chain.h"

#include <gtest/gtest.h>

#include "support/fake_random.h"

namespace latchkey::crypto {
namespace {

constexpr WallTime kNow{1'790'000'000};
constexpr seconds kYear{365LL * 86400};

struct ChainTest : ::testing::Test {
  struct Pair {
    PrivateKey key;
    Bytes certificate;
    [[nodiscard]] Issuer issuer() const { return {key, certificate}; }
  };
  IssueFields fields(const std::string& name, std::optional<int> path_length) {
    return {.common_name = name,
            .organization = "Acme",
            .not_before = kNow - seconds(60),
            .not_after = kNow + kYear,
            .ca_path_length = path_length,
            .aaguid = std::nullopt};
  }
  Pair make_root(int path_length = 1) {
    auto key = PrivateKey::generate();
    Bytes certificate = *issue_root(fields("Root", path_length), key, random);
    return {key, std::move(certificate)};
  }
  Pair under(const Pair& issuer, const IssueFields& what) {
    auto key = PrivateKey::generate();
    Bytes certificate = *issue_certificate(what, key.public_key(), issuer.issuer(), random);
    return {key, std::move(certificate)};
  }
  static bool holds(const std::vector<Bytes>& x5c, const std::vector<Bytes>& anchors,
                    WallTime now = kNow) {
    return verify_chain(x5c, anchors, now).has_value();
  }
  testing::FakeRandom random;
};

TEST_F(ChainTest, LeadsToItsOwnRootOnly) {
  const Pair root = make_root();
  const Pair middle = under(root, fields("Middle", 0));
  auto with_model = fields("Leaf", std::nullopt);
  with_model.aaguid = ByteArray<16>{1, 2, 3};
  const Pair leaf = under(middle, with_model);
  const auto verified = verify_chain(std::vector<Bytes>{leaf.certificate, middle.certificate},
                                     std::vector<Bytes>{root.certificate}, kNow);
  ASSERT_TRUE(verified) << verified.error().detail;
  EXPECT_EQ(verified->key, leaf.key.public_key());
  EXPECT_EQ(verified->aaguid, (ByteArray<16>{1, 2, 3}));
  EXPECT_FALSE(holds({leaf.certificate}, {root.certificate})) << "the intermediate is missing";
  EXPECT_FALSE(holds({leaf.certificate, middle.certificate}, {make_root().certificate}))
      << "another root of the same name";
  EXPECT_FALSE(holds({leaf.certificate, middle.certificate}, {}));
  EXPECT_FALSE(holds({}, {root.certificate}));
  EXPECT_FALSE(holds({leaf.certificate, middle.certificate}, {root.certificate}, kNow + 2 * kYear));
  EXPECT_FALSE(holds({leaf.certificate, middle.certificate}, {root.certificate}, kNow - kYear));
  EXPECT_FALSE(holds({middle.certificate}, {root.certificate})) << "a CA is no end";
  EXPECT_FALSE(holds({leaf.certificate}, {leaf.certificate})) << "a leaf is no anchor";
}

TEST_F(ChainTest, ALeafSignsNoCertificates) {
  const Pair root = make_root();
  const Pair leaf = under(root, fields("Leaf", std::nullopt));
  EXPECT_FALSE(issue_certificate(fields("Below", std::nullopt), leaf.key.public_key(),
                                 leaf.issuer(), random))
      << "our tools refuse";
  // Somebody else's tool does it: signed by hand with the leaf's key, under the leaf's name.
  auto fake = make_root();
  const Pair below = under(fake, fields("Below", std::nullopt));
  EXPECT_FALSE(holds({below.certificate, leaf.certificate}, {root.certificate}));
}

TEST_F(ChainTest, ThePathLengthCounts) {
  const Pair root = make_root(0);
  const Pair middle = under(root, fields("Middle", 0));
  const Pair leaf = under(middle, fields("Leaf", std::nullopt));
  EXPECT_FALSE(holds({leaf.certificate, middle.certificate}, {root.certificate}));
}

TEST_F(ChainTest, NothingOutlivesItsIssuer) {
  const Pair root = make_root();
  auto longer = fields("Leaf", std::nullopt);
  longer.not_after = kNow + 2 * kYear;
  EXPECT_FALSE(
      issue_certificate(longer, PrivateKey::generate().public_key(), root.issuer(), random));
  EXPECT_FALSE(
      issue_certificate(fields("", std::nullopt), root.key.public_key(), root.issuer(), random))
      << "no name";
  EXPECT_FALSE(issue_certificate(fields("x", std::nullopt), root.key.public_key(),
                                 {PrivateKey::generate(), root.certificate}, random))
      << "a key that is not the certificate's";
}

TEST_F(ChainTest, PemComesBack) {
  const Pair root = make_root();
  const std::string text =
      certificates_to_pem(std::vector<Bytes>{root.certificate, root.certificate});
  EXPECT_EQ(certificates_from_pem("words before\n" + text)->size(), 2U);
  EXPECT_EQ(certificates_from_pem(text)->front(), root.certificate);
  EXPECT_FALSE(certificates_from_pem(""));
  EXPECT_FALSE(
      certificates_from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  const std::string key = private_key_to_pem(root.key);
  EXPECT_EQ(private_key_from_pem(key)->public_key(), root.key.public_key());
  EXPECT_EQ(*public_key_from_pem(public_key_to_pem(root.key.public_key())), root.key.public_key());
  EXPECT_FALSE(private_key_from_pem(public_key_to_pem(root.key.public_key())));
  EXPECT_FALSE(private_key_from_pem(""));
  EXPECT_FALSE(public_key_from_pem("garbage"));
  EXPECT_EQ(certificate_name(root.certificate), "Root");
  EXPECT_TRUE(is_ca_certificate(root.certificate));
}

}  // namespace
}  // namespace latchkey::crypto
