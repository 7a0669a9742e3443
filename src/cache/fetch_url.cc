#include "cache/fetch_url.h"

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <charconv>
#include <vector>

#include "wire/http_head.h"

namespace latchkey::cache {

namespace {

namespace urls = boost::urls;

// Boost.URL says what the parts are. They are put together here, since its 1.81 takes an escaped
// '/' of a path for a real one when it normalises, and gives up on too many "..".
template <class Text>
std::string plain(const Text& text) {
  return {text.data(), text.size()};
}

// RFC 3986 section 5.2.4, for a path that is empty or begins with '/'.
std::string without_dots(std::string_view path) {
  std::vector<std::string_view> kept;
  bool folder = path.empty();
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    folder = segment == "." || segment == "..";
    if (!folder) {
      kept.push_back(segment);
    } else if (segment == ".." && !kept.empty()) {
      kept.pop_back();
    }
  }
  std::string out;
  for (const std::string_view segment : kept) {
    out.append("/").append(segment);
  }
  return folder ? out + "/" : out;
}

// ":8443", or nothing where it is the scheme's own; nothing at all where it is none.
std::optional<std::string> port_text(std::string_view digits, bool secure) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || port == 0) {
    return std::nullopt;
  }
  return port == (secure ? 443 : 80) ? std::string() : ":" + std::to_string(port);
}

}  // namespace

std::optional<FetchUrl> FetchUrl::parse(std::string_view text, Schemes schemes) {
  if (text.size() > kMaxFetchUrl) {
    return std::nullopt;
  }
  const auto view = urls::parse_uri({text.data(), text.size()});
  if (!view || !view->has_authority() || view->has_userinfo() || view->has_fragment()) {
    return std::nullopt;
  }
  const bool secure = wire::iequals(plain(view->scheme()), "https");
  if (!secure && (!wire::iequals(plain(view->scheme()), "http") || schemes != Schemes::kHttpToo)) {
    return std::nullopt;
  }
  std::string host = plain(view->encoded_host());
  // Escapes in a host name would be read in two ways by two readers, and zones are local.
  if (host.empty() || host.find('%') != std::string::npos) {
    return std::nullopt;
  }
  std::ranges::transform(host, host.begin(), wire::ascii_lower);
  if (view->has_port()) {
    const auto port = port_text(plain(view->port()), secure);
    if (!port) {
      return std::nullopt;
    }
    host.append(*port);
  }
  const std::string path = without_dots(plain(view->encoded_path()));
  const std::string query = view->has_query() ? "?" + plain(view->encoded_query()) : std::string();
  // A folder's page has no name of its own.
  auto name = ObjectName::from_target(host + path + (path.ends_with('/') ? "index" : "") + query);
  if (!name) {
    return std::nullopt;
  }
  std::string whole = (secure ? "https://" : "http://") + host + path + query;
  return FetchUrl(std::move(whole), std::move(host), *std::move(name));
}

std::optional<FetchUrl> FetchUrl::resolve(std::string_view reference) const {
  if (reference.size() > kMaxFetchUrl) {
    return std::nullopt;
  }
  const auto view = urls::parse_uri_reference({reference.data(), reference.size()});
  const auto base = urls::parse_uri({text_.data(), text_.size()});
  if (!view || !base) {
    return std::nullopt;
  }
  const bool secure = text_.starts_with("https:");
  const Schemes schemes = secure ? Schemes::kHttps : Schemes::kHttpToo;
  if (view->has_scheme()) {
    return parse(reference.substr(0, reference.find('#')), schemes);
  }
  std::string out = secure ? "https:" : "http:";
  std::string path = plain(view->encoded_path());
  bool has_query = view->has_query();
  std::string query = plain(view->encoded_query());
  if (view->has_authority()) {
    out.append("//").append(plain(view->encoded_authority()));
  } else {
    out.append("//").append(plain(base->encoded_authority()));
    const std::string base_path = plain(base->encoded_path());
    if (path.empty()) {
      path = base_path;
      if (!has_query) {
        has_query = base->has_query();
        query = plain(base->encoded_query());
      }
    } else if (!path.starts_with('/')) {
      path.insert(0, base_path.substr(0, base_path.rfind('/') + 1));
    }
  }
  out.append(path);
  if (has_query) {
    out.append("?").append(query);
  }
  return parse(out, schemes);
}

}  // namespace latchkey::cache
