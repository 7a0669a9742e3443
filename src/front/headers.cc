#include "front/headers.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/encoding.h"
#include "grant/ticket.h"

namespace latchkey::front {

namespace {

using wire::HttpField;
using wire::HttpFields;
using wire::iequals;

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.push_back(trim(text.substr(0, at)));
    if (at == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(at + 1);
  }
}

char canonical(char c) {
  return c == '_' ? '-' : wire::ascii_lower(c);
}

// Lower case, '_' read as '-': how a CGI-like service would see the name. Made for every field of
// every request, so usual ones take no memory. It stays where it is made.
class CanonicalName {
 public:
  explicit CanonicalName(std::string_view name) {
    char* at = short_.data();
    if (name.size() > short_.size()) {
      long_.resize(name.size());
      at = long_.data();
    }
    std::transform(name.begin(), name.end(), at, canonical);
    view_ = {at, name.size()};
  }
  CanonicalName(const CanonicalName&) = delete;
  CanonicalName& operator=(const CanonicalName&) = delete;
  operator std::string_view() const { return view_; }

 private:
  std::array<char, 40> short_;
  std::string long_;
  std::string_view view_;
};

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// What is put in here and after this: by it one piece of memory is enough.
constexpr std::size_t kRoomForOurs = 8;

constexpr std::array<std::string_view, 12> kHopByHop = {"connection",
                                                        "keep-alive",
                                                        "proxy-connection",
                                                        "proxy-authenticate",
                                                        "proxy-authorization",
                                                        "te",
                                                        "trailer",
                                                        "transfer-encoding",
                                                        "upgrade",
                                                        "http2-settings",
                                                        "content-length",
                                                        "expect"};

bool is_hop_by_hop(std::string_view canonical) {
  return std::find(kHopByHop.begin(), kHopByHop.end(), canonical) != kHopByHop.end();
}

// Fields whose spelling with '_' some services would take for the real ones.
bool is_guarded(std::string_view canonical) {
  return canonical == "host" || canonical == "origin" || canonical == "cookie" ||
         canonical == "authorization" || is_hop_by_hop(canonical);
}

std::vector<std::string> nominated(const HttpFields& fields) {
  std::vector<std::string> names;
  for (const HttpField& field : fields.all()) {
    if (iequals(field.name, "Connection")) {
      for (const std::string_view name : split(field.value, ',')) {
        names.emplace_back(std::string_view(CanonicalName(name)));
      }
    }
  }
  return names;
}

// A cookie without a name ("=value") comes back from a browser as its bare value, which may look
// like a name and a value of ours.
bool is_our_cookie(std::string_view pair) {
  pair = trim(pair);
  while (pair.starts_with('=')) {
    pair = trim(pair.substr(1));
  }
  return iequals(trim(pair.substr(0, pair.find('='))), kCookie);
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string without_our_cookie(std::string_view value) {
  std::string out;
  for (const std::string_view pair : split(value, ';')) {
    if (!pair.empty() && !is_our_cookie(pair)) {
      out.append(out.empty() ? "" : "; ").append(pair);
    }
  }
  return out;
}

// Whether a credential is one of our tickets, wherever it was sent: the JWS header names the type.
bool is_our_authorization(std::string_view value) {
  const std::size_t blank = value.find(' ');
  if (blank == std::string_view::npos || !iequals(value.substr(0, blank), "Bearer")) {
    return false;
  }
  const std::string_view token = trim(value.substr(blank + 1));
  const auto header = base64url_decode(token.substr(0, token.find('.')), grant::kMaxTicket);
  return header && as_text(*header).find("latchkey") != std::string_view::npos;
}

// A text of a provider as one word of a field: what is not visible ASCII, ',' and '%' are written
// as %XX.
std::string field_word(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (c > 0x20 && c < 0x7f && c != ',' && c != '%') {
      out += c;
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      out.append({'%', kDigits[byte >> 4U], kDigits[byte & 15U]});
    }
  }
  return out;
}

void add_identity(HttpFields& fields, const oidc::Identity& who) {
  fields.add("X-Latchkey-User", field_word(who.subject));
  fields.add("X-Latchkey-Issuer", who.issuer);
  if (!who.email.empty()) {
    fields.add("X-Latchkey-Email", field_word(who.email));
  }
  std::string groups;
  for (const std::string& group : who.groups) {
    groups.append(groups.empty() ? "" : ",").append(field_word(group));
  }
  if (!groups.empty()) {
    fields.add("X-Latchkey-Groups", groups);
  }
}

void add_vary(HttpFields& fields) {
  const bool there = std::any_of(fields.all().begin(), fields.all().end(), [](const auto& field) {
    if (!iequals(field.name, "Vary")) {
      return false;
    }
    const auto names = split(field.value, ',');
    return std::any_of(names.begin(), names.end(),
                       [](std::string_view name) { return iequals(name, "Origin"); });
  });
  if (!there) {
    fields.add("Vary", "Origin");
  }
}

}  // namespace

std::optional<std::string> session_cookie(const HttpFields& fields) {
  std::optional<std::string> found;
  for (const HttpField& field : fields.all()) {
    if (!iequals(field.name, "Cookie")) {
      continue;
    }
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::string_view pair = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos || trim(pair.substr(0, equals)) != kCookie) {
        continue;
      }
      if (found) {
        return std::nullopt;
      }
      found = std::string(trim(pair.substr(equals + 1)));
    }
  }
  return found;
}

HttpFields upstream_request_fields(const HttpFields& fields, const Visitor& visitor,
                                   bool websocket) {
  const std::vector<std::string> dropped = nominated(fields);
  HttpFields out;
  out.all().reserve(fields.all().size() + kRoomForOurs);
  for (const HttpField& field : fields.all()) {
    const CanonicalName canonical_name(field.name);
    const std::string_view name = canonical_name;
    const bool respelled = field.name.find('_') != std::string::npos;
    if (is_hop_by_hop(name) || (contains(dropped, name) && name != "host" && name != "origin") ||
        starts_with(name, "x-latchkey-") || starts_with(name, "x-forwarded-") ||
        name == "forwarded" || (respelled && is_guarded(name))) {
      continue;
    }
    if (name == "authorization" && is_our_authorization(field.value)) {
      continue;
    }
    if (name == "cookie") {
      const std::string rest = without_our_cookie(field.value);
      if (!rest.empty()) {
        out.add(field.name, rest);
      }
      continue;
    }
    out.add(field.name, field.value);
  }
  if (visitor.origin) {
    out.add("X-Latchkey-Origin", visitor.origin->text());
  }
  out.add("X-Latchkey-Sub", visitor.sub);
  if (visitor.identity != nullptr) {
    add_identity(out, *visitor.identity);
  }
  out.add("X-Forwarded-For", visitor.address);
  out.add("X-Forwarded-Proto", "https");
  if (websocket) {
    out.add("Connection", "Upgrade");
    out.add("Upgrade", "websocket");
  }
  return out;
}

HttpFields selection_fields(const HttpFields& fields) {
  static constexpr std::array<std::string_view, 6> kKept = {
      "range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"};
  HttpFields out;
  for (const HttpField& field : fields.all()) {
    if (std::any_of(kKept.begin(), kKept.end(),
                    [&field](std::string_view name) { return iequals(name, field.name); })) {
      out.add(field.name, field.value);
    }
  }
  return out;
}

HttpFields upstream_response_fields(const HttpFields& fields, bool websocket) {
  const std::vector<std::string> dropped = nominated(fields);
  HttpFields out;
  out.all().reserve(fields.all().size() + kRoomForOurs);
  for (const HttpField& field : fields.all()) {
    const CanonicalName canonical_name(field.name);
    const std::string_view name = canonical_name;
    if (is_hop_by_hop(name) || contains(dropped, name) || starts_with(name, "access-control-") ||
        name == "cross-origin-resource-policy" || starts_with(name, "x-latchkey-") ||
        starts_with(name, "latchkey-") || name == "alt-svc" || name == "x-content-type-options") {
      continue;
    }
    if (name == "set-cookie" && is_our_cookie(field.value.substr(0, field.value.find(';')))) {
      continue;
    }
    out.add(field.name, field.value);
  }
  if (websocket) {
    out.add("Connection", "Upgrade");
    out.add("Upgrade", "websocket");
  }
  return out;
}

void dress(HttpFields& fields, const std::optional<Origin>& origin) {
  fields.set("Cross-Origin-Resource-Policy", "same-origin");
  fields.set("X-Content-Type-Options", "nosniff");
  if (!origin) {
    return;
  }
  fields.set("Content-Security-Policy", "sandbox; frame-ancestors 'none'");
  add_vary(fields);
}

bool is_websocket_upgrade(const wire::HttpRequestHead& head) {
  const auto has = [&head](std::string_view name, std::string_view token) {
    for (const HttpField& field : head.fields.all()) {
      if (iequals(field.name, name)) {
        const auto tokens = split(field.value, ',');
        if (std::any_of(tokens.begin(), tokens.end(),
                        [token](std::string_view t) { return iequals(t, token); })) {
          return true;
        }
      }
    }
    return false;
  };
  return head.method == "GET" && head.minor_version == 1 && has("Connection", "upgrade") &&
         has("Upgrade", "websocket");
}

}  // namespace latchkey::front
