#include "base/text.h"

#include <gtest/gtest.h>

namespace latchkey {
namespace {

TEST(Text, Utf8) {
  EXPECT_TRUE(is_utf8("Wohnzimmer \xF0\x9F\x93\xBA \xE3\x83\x86"));
  EXPECT_FALSE(is_utf8("\xC0\xAF"));
  EXPECT_FALSE(is_utf8("\xED\xA0\x80"));
  EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));
  EXPECT_FALSE(is_utf8("a\xE3\x83"));
}

// threats.md row 3: an evil twin's display name.
TEST(Text, CleanDisplayNameRemovesWhatCannotBeSeen) {
  EXPECT_EQ(clean_display_name("Living\x07 room"), "Living room");
  EXPECT_EQ(clean_display_name("a\xE2\x80\xAE"
                               "b\xE2\x80\x8B"
                               "c"),
            "abc");  // RLO, ZWSP
  EXPECT_EQ(clean_display_name("  two \n  lines  "), "two lines");
  EXPECT_EQ(clean_display_name("x\xFFy"), "x?y");
  EXPECT_EQ(clean_display_name("\xE2\x81\xA6\xE2\x81\xA9"), "");
}

TEST(Text, CleanDisplayNameEndsAtAWholeCharacter) {
  EXPECT_EQ(clean_display_name("\xE3\x83\x86\xE3\x83\x86", 5), "\xE3\x83\x86");
}

TEST(Text, LookalikesShareAKey) {
  EXPECT_EQ(lookalike_key("Living room"), lookalike_key("L\xD1\x96ving r\xD0\xBE"
                                                        "om"));
  EXPECT_EQ(lookalike_key("Cache 1"), lookalike_key("cache l"));
  EXPECT_NE(lookalike_key("Living room"), lookalike_key("Bedroom"));
}

}  // namespace
}  // namespace latchkey
