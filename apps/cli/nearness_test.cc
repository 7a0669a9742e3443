#include "nearness.h"

#include <gtest/gtest.h>

#include <string>

namespace latchkey::cli {
namespace {

using nlohmann::json;

json device(const std::string& name, json nearby, json signal) {
  return {{"name", name}, {"nearby", std::move(nearby)}, {"signal", std::move(signal)}};
}

std::string order_of(std::vector<json> devices) {
  sort_by_nearness(devices);
  std::string names;
  for (const json& one : devices) {
    names += one.value("name", "");
  }
  return names;
}

TEST(NearnessTest, TheNetworkFirstThenTheStrongestSignal) {
  EXPECT_EQ(order_of({device("a", "seen", 1), device("b", nullptr, nullptr), device("c", "seen", 4),
                      device("d", nullptr, nullptr), device("e", "seen", nullptr),
                      device("f", "seen", 0)}),
            "bdcafe");
}

TEST(NearnessTest, EqualOnesStayAsTheyWereFound) {
  EXPECT_EQ(order_of({device("b", "seen", 2), device("a", "seen", 2), device("c", "seen", 2)}),
            "bac");
}

TEST(NearnessTest, WhatIsNoSignalIsNone) {
  EXPECT_EQ(order_of({device("a", "seen", "strong"), device("b", "seen", 0),
                      device("c", "seen", 99), device("d", "seen", 4)}),
            "cdba");
}

}  // namespace
}  // namespace latchkey::cli
