#include "hello.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

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

}  // namespace
}  // namespace latchkey::native_host
