#include "discovery/txt.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/host_name.h"

namespace latchkey::discovery {
namespace {

enum Key : std::size_t { kVersion, kType, kState, kRid, kKeyCount };
constexpr std::array<std::string_view, kKeyCount> kKeys{"v", "ty", "st", "rid"};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::optional<std::size_t> key_index(std::string_view text) {
  for (std::size_t i = 0; i < kKeys.size(); ++i) {
    if (std::equal(text.begin(), text.end(), kKeys.at(i).begin(), kKeys.at(i).end(),
                   [](char a, char b) { return lower(a) == b; })) {
      return i;
    }
  }
  return std::nullopt;
}

Digest256 rid_mac(ByteSpan discovery_key, ByteSpan nonce, Hmac hmac) {
  Bytes data;
  append(data, "rid");
  append(data, nonce);
  return hmac(discovery_key, data);
}

}  // namespace

std::vector<std::string> write_text(const ServiceText& text) {
  return {"v=1", "ty=" + text.type, text.window_open ? "st=open" : "st=closed",
          "rid=" + text.rid.hex()};
}

std::optional<ServiceText> read_text(std::span<const std::string> strings) {
  if (strings.size() > kMaxTextStrings) {
    return std::nullopt;
  }
  std::array<std::optional<std::string_view>, kKeyCount> values;
  std::size_t total = 0;
  for (const std::string_view string : strings) {
    total += string.size();
    if (string.size() > 255 || total > kMaxTextBytes) {
      return std::nullopt;
    }
    const auto equals = string.find('=');
    const auto index = key_index(string.substr(0, equals));
    if (!index) {
      continue;
    }
    if (equals == std::string_view::npos || values.at(*index)) {
      return std::nullopt;
    }
    values.at(*index) = string.substr(equals + 1);
  }
  if (values[kVersion] != "1" || !values[kType] || !values[kState] || !values[kRid] ||
      !is_device_type(*values[kType])) {
    return std::nullopt;
  }
  if (*values[kState] != "open" && *values[kState] != "closed") {
    return std::nullopt;
  }
  const auto rid = Rid::parse(*values[kRid]);
  if (!rid) {
    return std::nullopt;
  }
  return ServiceText{std::string(*values[kType]), *values[kState] == "open", *rid};
}

Rid make_rid(ByteSpan discovery_key, const ByteArray<4>& nonce, Hmac hmac) {
  const Digest256 mac = rid_mac(discovery_key, nonce, hmac);
  ByteArray<Rid::kSize> rid{};
  std::copy(nonce.begin(), nonce.end(), rid.begin());
  std::copy_n(mac.begin(), rid.size() - nonce.size(), rid.begin() + nonce.size());
  return Rid(rid);
}

bool matches_rid(ByteSpan discovery_key, const Rid& rid, Hmac hmac) {
  const Digest256 mac = rid_mac(discovery_key, rid.span().first(4), hmac);
  return constant_time_equal(rid.span().subspan(4), ByteSpan(mac).first(8));
}

}  // namespace latchkey::discovery
