#include "wire/strict_json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace latchkey::wire {
namespace {

// Brackets outside strings; the parser is only let at what cannot go deep.
bool depth_within(std::string_view text, std::size_t limit) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limit) {
        return false;
      }
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return true;
}

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text, const JsonLimits& limits) {
  using Event = nlohmann::json::parse_event_t;
  const auto refused = [](const char* why) { return fail(Error{ErrorCode::kMalformed, why}); };
  if (text.size() > limits.bytes || !depth_within(text, limits.depth)) {
    return refused("JSON over the limits");
  }
  std::vector<std::set<std::string>> open;
  bool duplicate = false;
  const auto watch = [&](int /*depth*/, Event event, nlohmann::json& parsed) {
    if (event == Event::object_start) {
      open.emplace_back();
    } else if (event == Event::object_end) {
      open.pop_back();
    } else if (event == Event::key) {
      duplicate = !open.back().insert(parsed.get<std::string>()).second || duplicate;
    }
    return true;
  };
  auto value = nlohmann::json::parse(text.begin(), text.end(), watch, false);
  if (value.is_discarded() || duplicate) {
    return refused(duplicate ? "JSON with a duplicate name" : "not JSON");
  }
  return value;
}

}  // namespace latchkey::wire
