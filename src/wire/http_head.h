// Heads of HTTP/1.1 messages (RFC 9110, RFC 9112) as values. Field names compare without regard to
// case; fields keep their order. Parsing is src/net/http1.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace latchkey::wire {

inline char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

inline bool iequals(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

struct HttpField {
  std::string name;
  std::string value;
};

class HttpFields {
 public:
  void add(std::string_view name, std::string_view value) {
    list_.push_back({std::string(name), std::string(value)});
  }
  void set(std::string_view name, std::string_view value) {
    remove(name);
    add(name, value);
  }
  void remove(std::string_view name) {
    remove_if([name](const HttpField& field) { return iequals(field.name, name); });
  }
  template <class Predicate>
  void remove_if(Predicate predicate) {
    std::erase_if(list_, predicate);
  }
  [[nodiscard]] std::size_t count(std::string_view name) const {
    return static_cast<std::size_t>(
        std::count_if(list_.begin(), list_.end(),
                      [name](const HttpField& field) { return iequals(field.name, name); }));
  }
  // The first one's value, or nullptr.
  [[nodiscard]] const std::string* find(std::string_view name) const {
    const auto at = std::find_if(list_.begin(), list_.end(), [name](const HttpField& field) {
      return iequals(field.name, name);
    });
    return at == list_.end() ? nullptr : &at->value;
  }
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  [[nodiscard]] const std::vector<HttpField>& all() const { return list_; }
  [[nodiscard]] std::vector<HttpField>& all() { return list_; }

 private:
  std::vector<HttpField> list_;
};

struct HttpRequestHead {
  std::string method;
  std::string target;
  int minor_version = 1;  // HTTP/1.x
  HttpFields fields;
};

struct HttpResponseHead {
  int status = 200;
  std::string reason;
  int minor_version = 1;
  HttpFields fields;
};

}  // namespace latchkey::wire
