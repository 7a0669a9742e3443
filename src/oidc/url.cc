#include "oidc/url.h"

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <cstdint>

#include "base/encoding.h"
#include "oidc/error.h"
#include "wire/http_head.h"

namespace latchkey::oidc {

namespace {

namespace urls = boost::urls;

constexpr std::size_t kMaxLocalPath = 1024;

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::optional<urls::url_view> read(std::string_view url) {
  if (url.size() > kMaxUrl || !is_visible(url) || url.find('\\') != std::string_view::npos ||
      !url.starts_with("https://")) {
    return std::nullopt;
  }
  const auto view = urls::parse_uri({url.data(), url.size()});
  if (!view || !view->has_authority() || view->has_userinfo() || view->has_fragment() ||
      view->encoded_host().empty()) {
    return std::nullopt;
  }
  return *view;
}

std::string decoded(std::string_view text) {
  std::string out(text);
  std::replace(out.begin(), out.end(), '+', ' ');
  return out;
}

}  // namespace

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kMalformed:
      return "malformed";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kBadSignature:
      return "bad_signature";
    case ErrorCode::kForeignToken:
      return "foreign_token";
    case ErrorCode::kOutOfTime:
      return "out_of_time";
    case ErrorCode::kMixUp:
      return "mix_up";
    case ErrorCode::kUnknownFlow:
      return "unknown_flow";
    case ErrorCode::kRefused:
      return "refused";
    case ErrorCode::kUnreachable:
      return "provider_unreachable";
    case ErrorCode::kNotAllowed:
      return "not_allowed";
    case ErrorCode::kUnknownIssuer:
      return "unknown_issuer";
    case ErrorCode::kBadRequest:
      return "bad_request";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kNotSignedIn:
      return "not_signed_in";
  }
  return "malformed";
}

bool is_https_url(std::string_view url) {
  return read(url).has_value();
}

std::string origin_of(std::string_view url) {
  const auto view = read(url);
  if (!view) {
    return {};
  }
  const auto host = view->encoded_host();
  std::string out = "https://";
  std::transform(host.begin(), host.end(), std::back_inserter(out), wire::ascii_lower);
  const auto port = view->port();
  if (!port.empty() && port != "443") {
    out.append(":").append(port.data(), port.size());
  }
  return out;
}

bool is_issuer(std::string_view url) {
  const auto view = read(url);
  return view && !view->has_query();
}

bool is_local_path(std::string_view path) {
  return !path.empty() && path.size() <= kMaxLocalPath && path.front() == '/' &&
         !path.starts_with("//") && path.find('\\') == std::string_view::npos && is_visible(path);
}

std::string form_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      out.append({'%', kDigits[byte >> 4U], kDigits[byte & 15U]});
    }
  }
  return out;
}

std::string form(std::initializer_list<Pair> pairs) {
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!value.empty()) {
      out.append(out.empty() ? "" : "&").append(form_encode(name)).append("=");
      out.append(form_encode(value));
    }
  }
  return out;
}

std::string with_query(std::string_view url, std::initializer_list<Pair> pairs) {
  std::string out(url);
  const std::string query = form(pairs);
  if (!query.empty()) {
    out += out.find('?') == std::string::npos ? "?" : "&";
    out += query;
  }
  return out;
}

std::optional<std::string> form_value(std::string_view text, std::string_view name,
                                      std::size_t max) {
  std::optional<std::string> found;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != name) {
      continue;
    }
    if (found || pair.size() > 3 * max + name.size() + 1) {
      return std::nullopt;
    }
    found = percent_decode(decoded(pair.substr(equals + 1)));
    if (!found || found->size() > max) {
      return std::nullopt;
    }
  }
  return found;
}

}  // namespace latchkey::oidc
