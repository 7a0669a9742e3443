#include "crypto/hash.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace latchkey::crypto {
namespace {

Bytes unhex(std::string_view text) {
  return hex_decode(text, 200).value();
}

TEST(Hash, Sha256OfPartsIsOfTheirConcatenation) {
  EXPECT_EQ(hex_encode(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-2
  EXPECT_EQ(sha256({as_bytes("a"), as_bytes(""), as_bytes("bc")}), sha256(as_bytes("abc")));
}

TEST(Hash, HmacVector) {  // RFC 4231 test case 2
  EXPECT_EQ(hex_encode(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Hash, ManyMessagesUnderOneKey) {
  HmacSha256 mac(as_bytes("Jefe"));
  for (const char* message : {"what do ya want for nothing?", "", "a"}) {
    EXPECT_EQ(mac.of(as_bytes(message)), hmac_sha256(as_bytes("Jefe"), as_bytes(message)));
  }
}

TEST(Hash, HkdfVector) {  // RFC 5869 test case 1
  const SecretBytes okm = hkdf_sha256(Bytes(22, 0x0b), unhex("000102030405060708090a0b0c"),
                                      unhex("f0f1f2f3f4f5f6f7f8f9"), 42);
  EXPECT_EQ(hex_encode(okm.span()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

TEST(Hash, Sha1Vector) {  // FIPS 180-2 appendix A.1
  EXPECT_EQ(hex_encode(sha1(as_bytes("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST(Hash, HkdfWithEmptySalt) {  // RFC 5869 test case 3
  const SecretBytes okm = hkdf_sha256(Bytes(22, 0x0b), {}, {}, 42);
  EXPECT_EQ(hex_encode(okm.span()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Hash, Pbkdf2Vector) {  // RFC 7914 section 11
  const SecretBytes key = pbkdf2_sha256(as_bytes("passwd"), as_bytes("salt"), 1, 64);
  EXPECT_EQ(hex_encode(key.span()),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
            "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
}

}  // namespace
}  // namespace latchkey::crypto
