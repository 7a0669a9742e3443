#include "base/encoding.h"

#include <gtest/gtest.h>

namespace latchkey {
namespace {

TEST(Encoding, HexRoundTripAndRefusals) {
  EXPECT_EQ(hex_encode(Bytes{0x00, 0x9f, 0xff}), "009fff");
  EXPECT_EQ(hex_decode("009fff", 3), (Bytes{0x00, 0x9f, 0xff}));
  EXPECT_FALSE(hex_decode("009fff", 2));
  EXPECT_FALSE(hex_decode("0", 2));
  EXPECT_FALSE(hex_decode("FF", 2));
}

// RFC 4648 section 10.
TEST(Encoding, Base64Vectors) {
  EXPECT_EQ(base64_encode(as_bytes("")), "");
  EXPECT_EQ(base64_encode(as_bytes("f")), "Zg==");
  EXPECT_EQ(base64_encode(as_bytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(base64url_encode(as_bytes("fo")), "Zm8");
}

TEST(Encoding, Base64UrlIsStrict) {
  EXPECT_EQ(base64url_decode("Zm8", 2), to_bytes(as_bytes("fo")));
  EXPECT_FALSE(base64url_decode("Zm9", 2)) << "stray bits: a second text for the same bytes";
  EXPECT_FALSE(base64url_decode("Zm8=", 2));
  EXPECT_FALSE(base64url_decode("Z", 2));
  EXPECT_FALSE(base64url_decode("Zm8v", 2)) << "over the limit";
  EXPECT_FALSE(base64url_decode("Zm 8", 3));
}

TEST(Encoding, Base32Prefix) {
  EXPECT_EQ(base32_prefix(as_bytes("foobar"), 8), "mzxw6ytb");  // RFC 4648, lower case
  EXPECT_EQ(base32_prefix(as_bytes("f"), 1), "m");
  EXPECT_EQ(base32_prefix(Bytes(32, 0x66), 3), "mzt") << "many more bytes than characters";
}

TEST(Encoding, Base64Decode) {
  EXPECT_EQ(base64_decode("Zm9vYg==", 4), to_bytes(as_bytes("foob")));
  EXPECT_EQ(base64_decode("+/8=", 2), (Bytes{0xfb, 0xff}));
  EXPECT_EQ(base64_decode("", 4), Bytes{});
  for (const char* text : {"Zg", "Zg=", "Zh==", "====", "Z===", "Zm9v====", "Zm 9v", "-_8="}) {
    EXPECT_FALSE(base64_decode(text, 64)) << text;
  }
  EXPECT_FALSE(base64_decode("Zm9vYg==", 3)) << "over the limit";
}

TEST(Encoding, PercentDecode) {
  EXPECT_EQ(percent_decode("a%2Fb%c3%bc+"), "a/b\xC3\xBC+");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
  for (const char* text : {"%", "%2", "%2g", "a%", "%%%"}) {
    EXPECT_FALSE(percent_decode(text)) << text;
  }
}

TEST(Bytes, ConstantTimeEqual) {
  EXPECT_TRUE(constant_time_equal(Bytes{1, 2}, Bytes{1, 2}));
  EXPECT_FALSE(constant_time_equal(Bytes{1, 2}, Bytes{1, 3}));
  EXPECT_FALSE(constant_time_equal(Bytes{1, 2}, Bytes{1}));
}

}  // namespace
}  // namespace latchkey
