#include "agent/connection.h"

#include <gtest/gtest.h>

namespace latchkey::agent {
namespace {

const std::string kExtension = "abcdefghijklmnopabcdefghijklmnop";
const ProfileId kProfile = *ProfileId::parse("00112233445566778899aabbccddeeff");
const ProfileId kOther = *ProfileId::parse("ff112233445566778899aabbccddeeff");
const ProfileId kCommandLine{ByteArray<16>{}};
constexpr MonoTime kNow{5000};

Hello from_extension() {
  return {Hello::Client::kExtension, "1", kProfile, kExtension};
}
Hello from_command_line() {
  return {Hello::Client::kCommandLine, "1", std::nullopt, std::nullopt};
}

TEST(Connection, HelloComesFirstAndOnce) {
  Connection connection(kExtension);
  EXPECT_FALSE(connection.admit(GrantsList{}, kNow));
  EXPECT_FALSE(connection.greeted());
  EXPECT_FALSE(connection.sees(kProfile));
  EXPECT_TRUE(connection.admit(from_extension(), kNow));
  EXPECT_TRUE(connection.admit(GrantsList{}, kNow));
  EXPECT_FALSE(connection.admit(from_extension(), kNow));
}

TEST(Connection, OnlyTheOneExtensionInAProfileOfItsOwn) {
  auto hello = from_extension();
  hello.extension = "ponmlkjihgfedcbaponmlkjihgfedcba";
  EXPECT_FALSE(Connection(kExtension).admit(hello, kNow));
  hello.extension = std::nullopt;
  EXPECT_FALSE(Connection(kExtension).admit(hello, kNow));
  EXPECT_FALSE(Connection("").admit(from_extension(), kNow));
  hello = from_extension();
  hello.profile = std::nullopt;
  EXPECT_FALSE(Connection(kExtension).admit(hello, kNow));
  hello.profile = kCommandLine;
  EXPECT_FALSE(Connection(kExtension).admit(hello, kNow));
  // The native host adds the extension's id to whatever comes through it.
  hello = from_command_line();
  hello.extension = kExtension;
  EXPECT_FALSE(Connection(kExtension).admit(hello, kNow));
}

TEST(Connection, KnowsWhichBrowserItIs) {
  const std::string add_on = "extension@latchkey.org";
  Connection chromium(kExtension, add_on);
  EXPECT_EQ(chromium.browser(), Browser::kNone);
  ASSERT_TRUE(chromium.admit(from_extension(), kNow));
  EXPECT_EQ(chromium.browser(), Browser::kChromium);
  auto hello = from_extension();
  hello.extension = add_on;
  Connection firefox(kExtension, add_on);
  ASSERT_TRUE(firefox.admit(hello, kNow));
  EXPECT_EQ(firefox.browser(), Browser::kFirefox);
  Connection command_line(kExtension, add_on);
  ASSERT_TRUE(command_line.admit(from_command_line(), kNow));
  EXPECT_EQ(command_line.browser(), Browser::kNone);

  hello.extension = "other@latchkey.org";
  EXPECT_FALSE(Connection(kExtension, add_on).admit(hello, kNow));
  hello.extension = "";
  EXPECT_FALSE(Connection("", "").admit(hello, kNow));
}

TEST(Connection, SeesItsProfileOnly) {
  Connection extension(kExtension);
  ASSERT_TRUE(extension.admit(from_extension(), kNow));
  EXPECT_TRUE(extension.sees(kProfile));
  EXPECT_FALSE(extension.sees(kOther));
  EXPECT_EQ(extension.profile(), kProfile);
  Connection command_line(kExtension);
  ASSERT_TRUE(command_line.admit(from_command_line(), kNow));
  EXPECT_TRUE(command_line.sees(kOther));
  EXPECT_EQ(command_line.profile(), kCommandLine);
}

// What was added on the command line to be opened directly is the person's, in every browser.
TEST(Connection, SeesWhatTheUserAddedToOpen) {
  const auto grant_of = [](const ProfileId& profile, std::optional<Origin> origin) {
    return grant::AgentGrant{.id = GrantId{ByteArray<16>{9}},
                             .profile = profile,
                             .device = DeviceId{ByteArray<32>{3}},
                             .origin = std::move(origin),
                             .host = *HostName::direct("attic"),
                             .sub = {},
                             .ca_key = crypto::PrivateKey::generate(),
                             .ca_certificate = {},
                             .ticket_key = crypto::PrivateKey::generate(),
                             .offer = {},
                             .leaf = {},
                             .not_after = {},
                             .renew_at = {},
                             .port = 443,
                             .state = grant::State::kActive,
                             .created = {},
                             .last_used = {},
                             .block_until = {}};
  };
  Connection extension(kExtension);
  EXPECT_FALSE(extension.sees(grant_of(kCommandLine, std::nullopt))) << "before hello";
  ASSERT_TRUE(extension.admit(from_extension(), kNow));
  EXPECT_TRUE(extension.sees(grant_of(kCommandLine, std::nullopt)));
  EXPECT_FALSE(extension.sees(grant_of(kCommandLine, Origin::parse("https://video.example"))));
  EXPECT_FALSE(extension.sees(grant_of(kOther, std::nullopt)));
}

TEST(Connection, ExtensionsDoNotSayWhereThingsAre) {
  Connection extension(kExtension);
  ASSERT_TRUE(extension.admit(from_extension(), kNow));
  EXPECT_TRUE(extension.admit(Doctor{}, kNow));
  EXPECT_FALSE(extension.admit(Doctor{std::vector<std::string>{"/tmp"}, std::nullopt}, kNow));
}

TEST(Connection, OnlyTheCommandLineSetsUpFirefox) {
  Connection extension(kExtension);
  ASSERT_TRUE(extension.admit(from_extension(), kNow));
  EXPECT_FALSE(extension.admit(SetupFirefox{true, {}}, kNow));
  Connection command_line(kExtension);
  ASSERT_TRUE(command_line.admit(from_command_line(), kNow));
  EXPECT_TRUE(command_line.admit(SetupFirefox{true, {}}, kNow));
}

TEST(Connection, TooMuchAtOnceIsRefusedForAWhile) {
  Connection connection(kExtension);
  ASSERT_TRUE(connection.admit(from_command_line(), kNow));
  const PairBegin begin{Origin::parse("https://video.example"), "media-cache", {"d1"}, {}};
  int taken = 0;
  for (int i = 0; i < 100; ++i) {
    taken += connection.admit(begin, kNow) ? 1 : 0;
  }
  EXPECT_EQ(taken, 10);
  EXPECT_TRUE(connection.admit(GrantsList{}, kNow));
  EXPECT_TRUE(connection.admit(begin, kNow + std::chrono::seconds(6)));
  EXPECT_FALSE(connection.admit(begin, kNow + std::chrono::seconds(6)));
}

TEST(RateLimit, RefillsToItsBurstAndNoFurther) {
  RateLimit limit({2, std::chrono::seconds(1)});
  EXPECT_TRUE(limit.take(kNow));
  EXPECT_TRUE(limit.take(kNow));
  EXPECT_FALSE(limit.take(kNow));
  const MonoTime later = kNow + std::chrono::hours(5);
  EXPECT_TRUE(limit.take(later));
  EXPECT_TRUE(limit.take(later));
  EXPECT_FALSE(limit.take(later));
  // A clock that went back is no time passing.
  EXPECT_FALSE(limit.take(kNow));
}

}  // namespace
}  // namespace latchkey::agent
