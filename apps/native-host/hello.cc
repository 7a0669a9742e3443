#include "hello.h"

#include <nlohmann/json.hpp>

namespace latchkey::native_host {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxHello = 4096;
constexpr int kMaxDepth = 4;

}  // namespace

std::optional<std::string> calling_extension(std::span<const std::string_view> arguments,
                                             std::string_view chromium_id,
                                             std::string_view firefox_id) {
  if (arguments.empty()) {
    return std::nullopt;
  }
  if (!chromium_id.empty() &&
      arguments[0] == "chrome-extension://" + std::string(chromium_id) + "/") {
    return std::string(chromium_id);
  }
  if (!firefox_id.empty() && arguments.size() >= 2 && arguments[0].starts_with('/') &&
      arguments[1] == firefox_id) {
    return std::string(firefox_id);
  }
  return std::nullopt;
}

std::optional<std::string> stamp_hello(std::string_view message, std::string_view extension_id) {
  if (message.size() > kMaxHello) {
    return std::nullopt;
  }
  bool deep = false;
  const auto watch = [&deep](int depth, json::parse_event_t, json&) {
    deep = deep || depth > kMaxDepth;
    return true;
  };
  json hello = json::parse(message.begin(), message.end(), watch, /*allow_exceptions=*/false);
  if (deep || hello.is_discarded() || !hello.is_object() ||
      hello.value("method", json()) != "hello") {
    return std::nullopt;
  }
  if (!hello.contains("params") || !hello["params"].is_object()) {
    return std::nullopt;
  }
  hello["params"]["extension"] = extension_id;
  return hello.dump();
}

}  // namespace latchkey::native_host
