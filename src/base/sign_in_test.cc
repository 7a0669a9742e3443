#include "base/sign_in.h"

#include <gtest/gtest.h>

namespace latchkey {
namespace {

// extension/test/page-messages.test.ts reads the same lists: what one side takes the other does.
TEST(Issuer, IsAnAddressInItsOneSpelling) {
  for (const char* good : {"https://accounts.example", "https://accounts.example/",
                           "https://a.example:8443", "https://login.example/tenant/v2.0",
                           "https://login.example/realms/Home/", "https://xn--vdeo-l9d.example"}) {
    EXPECT_EQ(Issuer::parse(good).value().text(), good);
  }
  for (const char* bad : {"",
                          "accounts.example",
                          "http://accounts.example",
                          "HTTPS://accounts.example",
                          "https://Accounts.example",
                          "https://accounts.example:443",
                          "https://ann@accounts.example",
                          "https://accounts.example?a=b",
                          "https://accounts.example/#x",
                          "https://accounts.example//",
                          "https://accounts.example/a//b",
                          "https://accounts.example/./a",
                          "https://accounts.example/a/..",
                          "https://accounts.example/%2e",
                          "https://",
                          "https:///accounts.example",
                          "https://accounts.example\\a",
                          "https://accounts.example/a b",
                          "https://accounts.example./",
                          "https://\xc3\xa4.example"}) {
    EXPECT_FALSE(Issuer::parse(bad)) << bad;
  }
  EXPECT_TRUE(Issuer::parse("https://a.example/" + std::string(494, 'a')));
  EXPECT_FALSE(Issuer::parse("https://a.example/" + std::string(495, 'a')));
}

TEST(SignInOffer, HasAVisibleClientOrNone) {
  EXPECT_TRUE(SignInOffer::make("https://a.example", ""));
  EXPECT_EQ(SignInOffer::make("https://a.example", "video")->client, "video");
  EXPECT_FALSE(SignInOffer::make("http://a.example", "video"));
  EXPECT_FALSE(SignInOffer::make("https://a.example", "a b"));
  EXPECT_FALSE(SignInOffer::make("https://a.example", "a\n"));
  EXPECT_FALSE(SignInOffer::make("https://a.example", std::string(256, 'a')));
}

}  // namespace
}  // namespace latchkey
