#include "hello.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace latchkey::native_host {
namespace {

constexpr std::string_view kId = "abcdefghijklmnopabcdefghijklmnop";

TEST(StampHello, AddsTheExtension) {
  const auto stamped = stamp_hello(
      R"({"id":1,"method":"hello","params":{"client":"extension","version":"1"}})", kId);
  ASSERT_TRUE(stamped);
  const auto json = nlohmann::json::parse(*stamped);
  EXPECT_EQ(json["params"]["extension"], kId);
  EXPECT_EQ(json["params"]["client"], "extension");
  EXPECT_EQ(json["id"], 1);
}

TEST(StampHello, ReplacesWhatTheExtensionSaidOfItself) {
  const auto stamped =
      stamp_hello(R"({"id":1,"method":"hello","params":{"extension":"other"}})", kId);
  ASSERT_TRUE(stamped);
  EXPECT_EQ(nlohmann::json::parse(*stamped)["params"]["extension"], kId);
}

TEST(StampHello, RefusesAnythingElse) {
  for (const std::string_view message :
       {"", "[]", "{", "null", R"({"id":1,"method":"grants.list","params":{}})",
        R"({"id":1,"method":"hello"})", R"({"id":1,"method":"hello","params":[]})",
        R"({"id":1,"method":"hello","params":{"a":[[[[[[1]]]]]]}})"}) {
    EXPECT_FALSE(stamp_hello(message, kId)) << message;
  }
  EXPECT_FALSE(
      stamp_hello(R"({"id":1,"method":"hello","params":{}})" + std::string(5000, ' '), kId));
}

constexpr std::string_view kAddOn = "extension@latchkey.org";

std::optional<std::string> caller(std::vector<std::string_view> arguments) {
  return calling_extension(arguments, kId, kAddOn);
}

TEST(CallingExtension, IsWhatTheBrowserNames) {
  const std::string_view manifest =
      "/home/a/.mozilla/native-messaging-hosts/org.latchkey.agent.json";
  EXPECT_EQ(caller({"chrome-extension://abcdefghijklmnopabcdefghijklmnop/"}), kId);
  EXPECT_EQ(caller({"chrome-extension://abcdefghijklmnopabcdefghijklmnop/", "--parent-window=0"}),
            kId);
  EXPECT_EQ(caller({manifest, kAddOn}), kAddOn);
  EXPECT_FALSE(caller({}));
  EXPECT_FALSE(caller({manifest}));
  EXPECT_FALSE(caller({manifest, "other@latchkey.org"}));
  EXPECT_FALSE(caller({manifest, kId}));
  EXPECT_FALSE(caller({kAddOn, kAddOn}));
  EXPECT_FALSE(caller({"chrome-extension://extension@latchkey.org/"}));
  const std::vector<std::string_view> nobody{"/x", ""};
  EXPECT_FALSE(calling_extension(nobody, "", ""));
  EXPECT_FALSE(calling_extension(std::vector<std::string_view>{"chrome-extension:///"}, "", ""));
}

}  // namespace
}  // namespace latchkey::native_host
