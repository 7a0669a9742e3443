// The few things that are done with URLs and forms.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace latchkey::oidc {

inline constexpr std::size_t kMaxUrl = 2048;

// An https URL with a host, without user or fragment, of visible ASCII, at most kMaxUrl bytes.
bool is_https_url(std::string_view url);
// The origin of such a URL as a browser would say it ("https://idp.example", ":443" left out, lower
// case); empty where it is none.
std::string origin_of(std::string_view url);
// An issuer (OpenID Connect Discovery section 2): such a URL, without a query.
bool is_issuer(std::string_view url);
// Where a person may be sent on this host afterwards: a path that no browser takes for another
// host. "/" and what begins with it, but not "//", no backslash, nothing invisible; 1024 bytes.
bool is_local_path(std::string_view path);

// application/x-www-form-urlencoded.
std::string form_encode(std::string_view text);
// "a=1&b=2"; pairs with an empty value are left out.
using Pair = std::pair<std::string_view, std::string_view>;
std::string form(std::initializer_list<Pair> pairs);
// `url` with these added to its query.
std::string with_query(std::string_view url, std::initializer_list<Pair> pairs);

// The value of one field of a form or query; nothing where it is missing, there twice, longer than
// `max` bytes, or broken.
std::optional<std::string> form_value(std::string_view form, std::string_view name,
                                      std::size_t max);

}  // namespace latchkey::oidc
