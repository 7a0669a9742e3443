#include "base/slug.h"

#include <gtest/gtest.h>

#include "base/host_name.h"

namespace latchkey {
namespace {

std::string slug(std::string_view text) {
  return slug_from(text, 40).value_or("(none)");
}

TEST(Slug, LatinLettersLoseTheirAccents) {
  EXPECT_EQ(slug("Living room cache"), "living-room-cache");
  EXPECT_EQ(slug("  Küche (oben)! "), "kueche-oben");
  EXPECT_EQ(slug("Mum's Straße №3"), "mums-strasse-3");
  EXPECT_EQ(slug("Ångström œuvre ĳs Żółw Ÿ ſ"), "angstroem-oeuvre-ijs-zolw-y-s");
  EXPECT_EQ(slug("A--B__C"), "a-b-c");
  EXPECT_EQ(slug("-x-"), "x");
  EXPECT_EQ(slug("ＮＡＳ　２"), "nas-2");
  EXPECT_EQ(slug("cafe\xCC\x81"), "cafe") << "an accent of its own";
}

TEST(Slug, OtherAlphabetsAsTheyAreUsuallyWritten) {
  EXPECT_EQ(slug("Гостиная"), "gostinaya");
  EXPECT_EQ(slug("Щука Їжак"), "shchuka-yizhak");
  EXPECT_EQ(slug("Σαλόνι Ψ"), "saloni-ps");
  EXPECT_EQ(slug("リビング"), "ribingu");
  EXPECT_EQ(slug("キャッシュ・カメラ"), "kyasshu-kamera");
  EXPECT_EQ(slug("ちょっと まっちゃ"), "chotto-matcha");
  EXPECT_EQ(slug("ファン"), "fan");
}

TEST(Slug, HalfANameIsNone) {
  EXPECT_EQ(slug("居間のカメラ"), "(none)");
  EXPECT_EQ(slug("NAS 居間"), "(none)");
  EXPECT_EQ(slug("거실"), "(none)");
  EXPECT_EQ(slug("🎥✨"), "(none)");
  EXPECT_EQ(slug(""), "(none)");
  EXPECT_EQ(slug("🎥 Attic"), "attic");
}

TEST(Slug, WhateverComesOutCanStandInAHostName) {
  std::string all;
  for (char32_t code = 1; code < 0x3100; ++code) {
    std::string text;
    if (code < 0x80) {
      text = {static_cast<char>(code)};
    } else if (code < 0x800) {
      text = {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
    } else {
      text = {static_cast<char>(0xE0 | (code >> 12)),
              static_cast<char>(0x80 | ((code >> 6) & 0x3F)),
              static_cast<char>(0x80 | (code & 0x3F))};
    }
    for (const std::string& name : {text, "a" + text + "b", "a " + text + text + " b"}) {
      if (const auto made = slug_from(name, 40)) {
        EXPECT_TRUE(HostName::parse(*made + ".local")) << name << " became " << *made;
        EXPECT_LE(made->size(), 40U);
        EXPECT_EQ(slug_from(*made, 40), made);
      }
    }
  }
  EXPECT_EQ(slug(std::string(39, 'a') + " b"), std::string(39, 'a'));
  EXPECT_EQ(slug(std::string(100000, 'a')).size(), 40U);
  EXPECT_EQ(slug("a\xFF\xC3"), "a");
}

}  // namespace
}  // namespace latchkey
