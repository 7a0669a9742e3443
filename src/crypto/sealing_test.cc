#include "crypto/sealing.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "support/fake_random.h"

namespace latchkey::crypto {
namespace {

using latchkey::testing::FakeRandom;

TEST(SealingTest, OpensWithItsKeyAndContextOnly) {
  FakeRandom random;
  const Bytes key(32, 7);
  const Bytes other(32, 8);
  for (const std::string_view text : {"", "x", "a secret of some length"}) {
    const Bytes sealed = seal_secret(key, as_bytes("here"), as_bytes(text), random);
    EXPECT_EQ(sealed.size(), text.size() + kSealOverhead);
    const auto opened = open_secret(key, as_bytes("here"), sealed);
    ASSERT_TRUE(opened);
    EXPECT_EQ(as_text(opened->span()), text);
    EXPECT_FALSE(open_secret(other, as_bytes("here"), sealed));
    EXPECT_FALSE(open_secret(key, as_bytes("there"), sealed));
    for (std::size_t at = 0; at < sealed.size(); ++at) {
      Bytes changed = sealed;
      changed[at] ^= 1;
      EXPECT_FALSE(open_secret(key, as_bytes("here"), changed)) << at;
    }
    EXPECT_FALSE(open_secret(key, as_bytes("here"), ByteSpan(sealed).first(sealed.size() - 1)));
  }
  EXPECT_FALSE(open_secret(key, {}, {}));
}

TEST(SealingTest, NoNonceComesTwice) {
  FakeRandom random;
  const Bytes key(32, 7);
  EXPECT_NE(seal_secret(key, {}, as_bytes("same"), random),
            seal_secret(key, {}, as_bytes("same"), random));
}

// RFC 7914, section 12, the first 32 bytes of the third vector (N = 16384, r = 8, p = 1).
TEST(SealingTest, ScryptIsTheStandards) {
  const auto key = scrypt(as_bytes("pleaseletmein"), as_bytes("SodiumChloride"), {14, 8, 1});
  ASSERT_TRUE(key);
  EXPECT_EQ(hex_encode(key->span()),
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2");
}

TEST(SealingTest, RefusesCostsOutOfBounds) {
  for (const ScryptCost cost :
       {ScryptCost{9, 8, 1}, ScryptCost{21, 8, 1}, ScryptCost{255, 8, 1}, ScryptCost{14, 0, 1},
        ScryptCost{14, 255, 1}, ScryptCost{14, 8, 0}, ScryptCost{14, 8, 5}}) {
    EXPECT_FALSE(is_sane(cost));
    EXPECT_FALSE(scrypt(as_bytes("x"), as_bytes("salt"), cost));
  }
  EXPECT_TRUE(is_sane(ScryptCost{}));
}

}  // namespace
}  // namespace latchkey::crypto
