// How the members of a request's parameters are read: one type and one length each, and none that
// was not expected. For the readers of requests alone.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace latchkey::agent::fields {

// Whether all members of `object` are among `names`.
inline bool only(const nlohmann::json& object, std::initializer_list<std::string_view> names) {
  for (const auto& [name, value] : object.items()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return false;
    }
  }
  return true;
}

// A member that is a text of 1 to `limit` bytes.
inline std::optional<std::string> text_of(const nlohmann::json& object, const char* name,
                                          std::size_t limit) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) {
    return std::nullopt;
  }
  const auto& text = found->get_ref<const std::string&>();
  if (text.empty() || text.size() > limit) {
    return std::nullopt;
  }
  return text;
}

inline bool is_absent(const nlohmann::json& object, const char* name) {
  return !object.contains(name);
}

template <class Id>
std::optional<Id> id_of(const nlohmann::json& object, const char* name) {
  const auto text = text_of(object, name, 2 * Id::kSize);
  return text ? Id::parse(*text) : std::nullopt;
}

}  // namespace latchkey::agent::fields
