#include "front/access_line.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace latchkey::front {
namespace {

AccessLine line() {
  return {WallTime{971211336},
          "media-cache-k3f7x2m7q4ab.local",
          "192.168.1.5",
          "https://video.example",
          "GET",
          "/film.mp4?ticket=secret#x",
          "HTTP/2.0",
          "Mozilla/5.0 (X11)",
          206,
          2326};
}

TEST(AccessLineTest, CombinedIsWhatOtherProgramsRead) {
  EXPECT_EQ(format(line(), AccessFormat::kCombined),
            "192.168.1.5 - - [10/Oct/2000:20:55:36 +0000] \"GET /film.mp4 HTTP/2.0\" 206 2326 "
            "\"https://video.example\" \"Mozilla/5.0 (X11)\"\n");
}

TEST(AccessLineTest, JsonSaysTheSameByName) {
  const auto json = nlohmann::json::parse(format(line(), AccessFormat::kJson));
  const nlohmann::json expected = {{"time", "2000-10-10T20:55:36Z"},
                                   {"host", "media-cache-k3f7x2m7q4ab.local"},
                                   {"address", "192.168.1.5"},
                                   {"origin", "https://video.example"},
                                   {"method", "GET"},
                                   {"path", "/film.mp4"},
                                   {"protocol", "HTTP/2.0"},
                                   {"status", 206},
                                   {"bytes", 2326},
                                   {"agent", "Mozilla/5.0 (X11)"}};
  EXPECT_EQ(json, expected);
}

TEST(AccessLineTest, Threat48NothingAClientSaysEndsALineOrGivesASecretAway) {
  AccessLine evil = line();
  evil.origin = "x\" 200 0\n1.2.3.4 - - \"GET";
  evil.method = "G\"ET\r\n";
  evil.target = "/a\nb\x01\xff\"\\?cookie=secret";
  evil.agent = "a\"b\\c\nd\x7f" + std::string(5000, 'e');
  for (const AccessFormat as : {AccessFormat::kCombined, AccessFormat::kJson}) {
    const std::string text = format(evil, as);
    EXPECT_EQ(text.find('\n'), text.size() - 1);
    EXPECT_EQ(text.find("secret"), std::string::npos);
    EXPECT_LT(text.size(), 6000U);
    for (const char c : text.substr(0, text.size() - 1)) {
      EXPECT_TRUE(c >= 0x20 && c < 0x7f);
    }
  }
  const std::string text = format(evil, AccessFormat::kCombined);
  EXPECT_EQ(std::count(text.begin(), text.end(), '"'), 6);
  EXPECT_TRUE(nlohmann::json::accept(format(evil, AccessFormat::kJson)));
}

TEST(AccessLineTest, WhatIsMissingIsADash) {
  EXPECT_EQ(format({}, AccessFormat::kCombined),
            "- - - [01/Jan/1970:00:00:00 +0000] \"- - -\" 0 0 \"-\" \"-\"\n");
}

TEST(AccessLineTest, FormatsHaveNames) {
  EXPECT_EQ(parse_access_format("combined"), AccessFormat::kCombined);
  EXPECT_EQ(parse_access_format("json"), AccessFormat::kJson);
  EXPECT_FALSE(parse_access_format("common"));
}

}  // namespace
}  // namespace latchkey::front
