// Reading fields of documents from providers. Private to src/oidc.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "oidc/error.h"
#include "wire/strict_json.h"

namespace latchkey::oidc {

// An object of at most `limit` bytes.
inline Result<nlohmann::json> read_object(std::string_view text, std::size_t limit) {
  auto value = wire::parse_json(text, {limit, 8});
  if (!value || !value->is_object()) {
    return refuse(ErrorCode::kMalformed, "not a JSON object");
  }
  return *std::move(value);
}

// Missing and mistyped are one.
inline std::optional<std::string> text_in(const nlohmann::json& map, const char* name,
                                          std::size_t max) {
  const auto at = map.find(name);
  if (at == map.end() || !at->is_string() || at->get_ref<const std::string&>().size() > max) {
    return std::nullopt;
  }
  return at->get<std::string>();
}

inline bool flag_in(const nlohmann::json& map, const char* name) {
  const auto at = map.find(name);
  return at != map.end() && at->is_boolean() && at->get<bool>();
}

// Seconds, as a whole number or, as some write it, with a fraction; 0 to the year 9999.
inline std::optional<std::int64_t> seconds_in(const nlohmann::json& map, const char* name) {
  const auto at = map.find(name);
  if (at == map.end() || !at->is_number()) {
    return std::nullopt;
  }
  const double value = at->get<double>();
  if (!(value >= 0) || value > 253'402'300'799.0) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(value);
}

// Whether a list of texts names `wanted`; `otherwise` where there is no such list.
inline bool names(const nlohmann::json& map, const char* list, std::string_view wanted,
                  bool otherwise) {
  const auto at = map.find(list);
  if (at == map.end()) {
    return otherwise;
  }
  for (const auto& one : *at) {
    if (one.is_string() && one.get_ref<const std::string&>() == wanted) {
      return true;
    }
  }
  return false;
}

}  // namespace latchkey::oidc
