#include "crypto/keys.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "crypto/ec_math.h"

namespace latchkey::crypto {
namespace {

TEST(Keys, SignAndVerifyBothForms) {
  const PrivateKey key = PrivateKey::generate();
  const PublicKey& pub = key.public_key();
  const auto data = as_bytes("data");
  EXPECT_TRUE(pub.verify(data, key.sign(data)));
  EXPECT_TRUE(pub.verify_raw(data, key.sign_raw(data)));
  EXPECT_FALSE(pub.verify(as_bytes("date"), key.sign(data)));
  EXPECT_FALSE(pub.verify_raw(as_bytes("date"), key.sign_raw(data)));
  EXPECT_FALSE(PrivateKey::generate().public_key().verify(data, key.sign(data)));
  EXPECT_FALSE(pub.verify(data, {}));
  EXPECT_FALSE(pub.verify_raw(data, Bytes(64)));
}

TEST(Keys, ScalarRoundTrip) {
  const PrivateKey key = PrivateKey::generate();
  const auto again = PrivateKey::from_scalar(key.scalar().span());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->public_key(), key.public_key());
  EXPECT_TRUE(key.public_key().verify(as_bytes("x"), again->sign(as_bytes("x"))));
  EXPECT_FALSE(PrivateKey::from_scalar(Bytes(32)));
  EXPECT_FALSE(PrivateKey::from_scalar(Bytes(32, 0xff)));
  EXPECT_FALSE(PrivateKey::from_scalar(Bytes(31, 1)));
}

TEST(Keys, SpkiRoundTripAndRefusals) {
  const PublicKey pub = PrivateKey::generate().public_key();
  ASSERT_EQ(pub.spki().size(), 91U);
  const auto again = PublicKey::from_spki(pub.spki());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->spki_hash(), pub.spki_hash());
  Bytes trailing = pub.spki();
  trailing.push_back(0);
  EXPECT_FALSE(PublicKey::from_spki(trailing));
  Bytes off_curve = pub.spki();
  off_curve.back() ^= 1U;
  EXPECT_FALSE(PublicKey::from_spki(off_curve));
  EXPECT_FALSE(PublicKey::from_spki({}));
  // An Ed25519 key (RFC 8410 section 10.1).
  const auto ed25519 = hex_decode(
      "302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1",
      64);
  const auto refused = PublicKey::from_spki(*ed25519);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
}

// threats.md row 7: SPAKE2+ points at infinity or off the curve.
TEST(EcPoint, RefusesIdentityAndPointsOffTheCurve) {
  EXPECT_FALSE(EcPoint::parse(Bytes{0x00}));
  EXPECT_FALSE(EcPoint::parse({}));
  Bytes point = PrivateKey::generate().public_key().point();
  EXPECT_TRUE(EcPoint::parse_uncompressed(point));
  point.back() ^= 1U;
  EXPECT_FALSE(EcPoint::parse_uncompressed(point));
  point.back() ^= 1U;
  point[0] = 0x06;  // the hybrid form
  EXPECT_FALSE(EcPoint::parse_uncompressed(point));
}

TEST(EcPoint, Arithmetic) {
  const auto two = EcScalar::reduce(Bytes{2});
  const auto three = EcScalar::reduce(Bytes{3});
  const auto g = EcPoint::generator_times(EcScalar::reduce(Bytes{1}));
  EXPECT_EQ(g.times(two).plus(g).bytes(), g.times(three).bytes());
  EXPECT_EQ(g.times(three).minus(g).bytes(), EcPoint::generator_times(two).bytes());
  EXPECT_TRUE(g.minus(g).is_identity());
  EXPECT_TRUE(
      EcScalar::reduce(
          *hex_decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 32))
          .is_zero());
}

}  // namespace
}  // namespace latchkey::crypto
