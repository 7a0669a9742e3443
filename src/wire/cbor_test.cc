#include "wire/cbor.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "wire/frame.h"

namespace latchkey::wire {
namespace {

bool accepted(std::string_view hex) {
  return check_cbor(hex_decode(hex, kMaxFrame).value()).has_value();
}

TEST(Cbor, AcceptsWhatTheProtocolUses) {
  EXPECT_TRUE(accepted("a0"));
  EXPECT_TRUE(accepted("a1617401"));                // {"t": 1}
  EXPECT_TRUE(accepted("a16174f6"));                // null
  EXPECT_TRUE(accepted("a1617481a1617843010203"));  // {"t": [{"x": h'010203'}]}
  EXPECT_TRUE(accepted("a1617420"));                // -1
}

TEST(Cbor, RefusesEverythingElse) {
  EXPECT_FALSE(accepted(""));
  EXPECT_FALSE(accepted("01")) << "not a map";
  EXPECT_FALSE(accepted("a161740100")) << "trailing bytes";
  EXPECT_FALSE(accepted("a16174")) << "cut off";
  EXPECT_FALSE(accepted("a2617401617402")) << "a duplicate key";
  EXPECT_FALSE(accepted("a10101")) << "a key that is no text";
  EXPECT_FALSE(accepted("bf617401ff")) << "indefinite length";
  EXPECT_FALSE(accepted("a161745f4101ff")) << "indefinite string";
  EXPECT_FALSE(accepted("a16174c001")) << "a tag";
  EXPECT_FALSE(accepted("a16174f93c00")) << "a float";
  EXPECT_FALSE(accepted("a16174f7")) << "undefined";
  EXPECT_FALSE(accepted("a16174f814")) << "false in two bytes";
  EXPECT_FALSE(accepted("a1617461ff")) << "broken UTF-8";
  EXPECT_FALSE(accepted("a161743bffffffffffffffff")) << "below any number of ours";
  EXPECT_FALSE(accepted("a161745affffffff")) << "a length beyond the bytes";
  EXPECT_FALSE(accepted("a161749affffffff")) << "a count beyond the bytes";
  EXPECT_FALSE(accepted("bbffffffffffffffff")) << "a count that overflows when doubled";
}

TEST(Cbor, SameKeyInDifferentMapsIsNoDuplicate) {
  EXPECT_TRUE(
      accepted("a26161a1616101"
               "6162a1616102"));
}

// threats.md row 43: CBOR bombs.
TEST(Cbor, RefusesBombs) {
  EXPECT_FALSE(check_cbor(Bytes(kMaxFrame, 0x5f)));  // overflows nlohmann-json 3.11.2's stack
  EXPECT_FALSE(check_cbor(Bytes(kMaxFrame, 0x81)));
  EXPECT_FALSE(check_cbor(Bytes(kMaxFrame + 1, 0)));
  Bytes deep;
  for (std::size_t i = 0; i < kMaxCborDepth; ++i) {
    append(deep, Bytes{0xa1, 0x61, 0x61});
  }
  deep.push_back(0xa0);
  EXPECT_FALSE(check_cbor(deep)) << "nine levels";
  Bytes wide{0xb8, kMaxCborKeys + 1};
  for (std::size_t i = 0; i <= kMaxCborKeys; ++i) {
    append(wide, Bytes{0x61, static_cast<std::uint8_t>('0' + i), 0x00});
  }
  EXPECT_FALSE(check_cbor(wide));
}

TEST(Cbor, RoundTrip) {
  const nlohmann::json map = {{"t", "x"}, {"n", 7}, {"b", nlohmann::json::binary({1, 2})}};
  const auto decoded = decode_cbor(encode_cbor(map));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, map);
}

}  // namespace
}  // namespace latchkey::wire
