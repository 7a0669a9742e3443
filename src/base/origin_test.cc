#include "base/origin.h"

#include <gtest/gtest.h>

namespace latchkey {
namespace {

TEST(Origin, AcceptsCanonicalHttpsOrigins) {
  const auto plain = Origin::parse("https://video.example");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->host(), "video.example");
  EXPECT_EQ(plain->port(), 443);
  const auto port = Origin::parse("https://video.example:9443");
  ASSERT_TRUE(port);
  EXPECT_EQ(port->host(), "video.example");
  EXPECT_EQ(port->port(), 9443);
  EXPECT_NE(*plain, *port);
  EXPECT_TRUE(Origin::parse("https://xn--bcher-kva.example"));
  EXPECT_TRUE(Origin::parse("https://[fd00::1]:8443"));
}

TEST(Origin, RefusesEverySecondSpelling) {
  for (const char* text :
       {"null", "", "http://video.example", "https://", "https://Video.example",
        "https://video.example/", "https://video.example:443",
        "https://video.example:", "https://video.example:0443", "https://video.example:99999",
        "https://video.example.", "https://user@video.example", "https://video..example",
        "https://v\xC3\xAD"
        "deo.example",
        "https://video.example?x", "HTTPS://video.example", " https://video.example",
        "https://video.example:80a"}) {
    EXPECT_FALSE(Origin::parse(text)) << text;
  }
  EXPECT_FALSE(Origin::parse("https://" + std::string(300, 'a')));
}

}  // namespace
}  // namespace latchkey
