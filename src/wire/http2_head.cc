#include "wire/http2_head.h"

#include <array>
#include <charconv>
#include <string>
#include <string_view>

namespace latchkey::wire {

namespace {

constexpr std::array<std::string_view, 6> kOfConnection = {"connection",       "keep-alive",
                                                           "proxy-connection", "transfer-encoding",
                                                           "upgrade",          "http2-settings"};

bool is_of_connection(std::string_view name) {
  return std::find(kOfConnection.begin(), kOfConnection.end(), name) != kOfConnection.end();
}

bool is_small_token(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_method(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_value(std::string_view value) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  if (!value.empty() && (blank(value.front()) || blank(value.back()))) {
    return false;
  }
  return std::none_of(value.begin(), value.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

bool is_visible(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::optional<std::uint64_t> read_length(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool digits = text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits || text.size() > 18 || error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

// The pseudo-fields, each at most once.
struct Pseudo {
  std::optional<std::string> method, scheme, authority, path, protocol;
  bool take(const HttpField& field) {
    auto* to = field.name == ":method"      ? &method
               : field.name == ":scheme"    ? &scheme
               : field.name == ":authority" ? &authority
               : field.name == ":path"      ? &path
               : field.name == ":protocol"  ? &protocol
                                            : nullptr;
    if (to == nullptr || to->has_value()) {
      return false;
    }
    *to = field.value;
    return true;
  }
  [[nodiscard]] bool make_a_request() const {
    const bool target = path && is_visible(*path) && path->find('#') == std::string::npos &&
                        (path->front() == '/' || (*path == "*" && method == "OPTIONS"));
    // RFC 8441 section 4; a CONNECT of the old kind has no path and is for proxies.
    const bool connects = method == "CONNECT";
    return method && is_method(*method) && connects == protocol.has_value() &&
           (!protocol || protocol == "websocket") && scheme == "https" && target &&
           (!authority || is_visible(*authority));
  }
};

// A field of the request's own. False: not in HTTP/2.
bool take_field(const HttpField& field, HttpRequestHead& head, std::string& cookies) {
  if (!is_small_token(field.name) || !is_value(field.value) || is_of_connection(field.name) ||
      (field.name == "te" && !iequals(field.value, "trailers"))) {
    return false;
  }
  if (field.name == "cookie") {
    // An empty one would leave a blank at the end, which no field may have.
    if (!field.value.empty()) {
      cookies.append(cookies.empty() ? "" : "; ").append(field.value);
    }
    return true;
  }
  if (field.name == "content-length" &&
      (head.fields.has("content-length") || !read_length(field.value))) {
    return false;
  }
  head.fields.add(field.name, field.value);
  return true;
}

// The key of HTTP/1.1's handshake has no meaning here (RFC 8441 section 5.1), and a length neither.
bool become_websocket(HttpRequestHead& head) {
  if (head.fields.has("content-length") || head.fields.has("sec-websocket-key")) {
    return false;
  }
  head.method = "GET";
  head.fields.add("connection", "Upgrade");
  head.fields.add("upgrade", "websocket");
  return true;
}

}  // namespace

std::optional<HttpRequestHead> request_from_http2(const std::vector<HttpField>& fields) {
  Pseudo pseudo;
  HttpRequestHead head;
  std::string cookies;
  bool regular = false;
  for (const HttpField& field : fields) {
    const bool is_pseudo = field.name.starts_with(':');
    regular = regular || !is_pseudo;
    if (is_pseudo ? regular || !pseudo.take(field) : !take_field(field, head, cookies)) {
      return std::nullopt;
    }
  }
  if (!pseudo.make_a_request()) {
    return std::nullopt;
  }
  const std::size_t hosts = head.fields.count("host");
  if (hosts > 1 || (hosts == 0 && !pseudo.authority) ||
      (hosts == 1 && pseudo.authority && *head.fields.find("host") != *pseudo.authority)) {
    return std::nullopt;
  }
  if (hosts == 0) {
    head.fields.add("host", *pseudo.authority);
  }
  if (!cookies.empty()) {
    head.fields.add("cookie", cookies);
  }
  head.method = *std::move(pseudo.method);
  head.target = *std::move(pseudo.path);
  if (pseudo.protocol && !become_websocket(head)) {
    return std::nullopt;
  }
  return head;
}

bool opens_websocket(const HttpRequestHead& head) {
  return head.fields.has("upgrade");
}

std::optional<std::uint64_t> promised_length(const HttpRequestHead& head) {
  const std::string* value = head.fields.find("content-length");
  return value == nullptr ? std::nullopt : read_length(*value);
}

std::vector<HttpField> response_to_http2(const HttpResponseHead& head) {
  std::vector<HttpField> out{{":status", std::to_string(head.status)}};
  for (const HttpField& field : head.fields.all()) {
    std::string name = field.name;
    std::transform(name.begin(), name.end(), name.begin(), ascii_lower);
    if (!is_of_connection(name)) {
      out.push_back({std::move(name), field.value});
    }
  }
  return out;
}

}  // namespace latchkey::wire
