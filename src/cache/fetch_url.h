// URLs that the cache fetches by itself, and what their content is called here.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "cache/names.h"

namespace latchkey::cache {

inline constexpr std::size_t kMaxFetchUrl = 1000;  // its name must fit as well

// https only, no user, no fragment, normalised (RFC 3986 section 6.2.2). That the address behind
// the host is a public one is checked when it is connected to: a name says nothing about it.
class FetchUrl {
 public:
  enum class Schemes {
    kHttps,
    kHttpToo  // tests, with a server of their own
  };
  static std::optional<FetchUrl> parse(std::string_view text, Schemes schemes = Schemes::kHttps);
  // What a reference in the text that came from here means (RFC 3986 section 5); a fragment is
  // dropped. Nothing where that is no URL to be fetched. Never goes from https to http.
  [[nodiscard]] std::optional<FetchUrl> resolve(std::string_view reference) const;

  [[nodiscard]] const std::string& text() const { return text_; }
  // "cdn.example" or "cdn.example:8443": whom politeness is for.
  [[nodiscard]] const std::string& host() const { return host_; }
  // "cdn.example/film/1.ts?a=b": relative references inside a playlist lead to the same names.
  [[nodiscard]] const ObjectName& name() const { return name_; }
  friend bool operator==(const FetchUrl& a, const FetchUrl& b) { return a.text_ == b.text_; }
  friend auto operator<=>(const FetchUrl& a, const FetchUrl& b) { return a.text_ <=> b.text_; }

 private:
  FetchUrl(std::string text, std::string host, ObjectName name)
      : text_(std::move(text)), host_(std::move(host)), name_(std::move(name)) {}
  std::string text_;
  std::string host_;
  ObjectName name_;
};

}  // namespace latchkey::cache
