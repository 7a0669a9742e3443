#include "wire/strict_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace latchkey::wire {
namespace {

bool accepted(std::string_view text) {
  return parse_json(text, {64, 4}).has_value();
}

TEST(StrictJson, OneReadingOnly) {
  EXPECT_TRUE(accepted(R"({"a":1,"b":{"a":2}})"));
  EXPECT_TRUE(accepted(R"({"a":"[[[[[[[["})"));
  EXPECT_FALSE(accepted(R"({"a":1,"a":2})"));
  EXPECT_FALSE(accepted(R"({"b":{"a":1,"a":2}})"));
  EXPECT_FALSE(accepted(R"({"a":1,"\u0061":2})")) << "the same name, written otherwise";
  EXPECT_FALSE(accepted(R"({"a":1}x)"));
  EXPECT_FALSE(accepted("{\"a\":\"\xff\"}"));
  EXPECT_FALSE(accepted(""));
}

// threats.md row 43.
TEST(StrictJson, Limits) {
  EXPECT_FALSE(accepted("[[[[[]]]]]"));
  EXPECT_FALSE(accepted(std::string(65, ' ')));
}

}  // namespace
}  // namespace latchkey::wire
