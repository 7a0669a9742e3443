#include "wire/network_messages.h"

#include <algorithm>
#include <array>
#include <utility>

#include "wire/fields.h"

namespace latchkey::wire {

using nlohmann::json;

namespace {

constexpr std::array kStates = {
    std::pair{NetworkState::kJoined, std::string_view("joined")},
    std::pair{NetworkState::kFailed, std::string_view("failed")},
    std::pair{NetworkState::kWrongPassword, std::string_view("wrong_password")},
    std::pair{NetworkState::kNotFound, std::string_view("not_found")},
    std::pair{NetworkState::kUnsupported, std::string_view("unsupported")},
    std::pair{NetworkState::kWanted, std::string_view("wanted")},
};

bool is_hex(std::uint8_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Takes the bytes of a field out of the map and leaves none behind.
std::optional<SecretBytes> take_secret(json& map, const char* name) {
  const auto at = map.find(name);
  if (at == map.end() || !at->is_binary()) {
    return std::nullopt;
  }
  auto& bytes = at->get_binary();
  SecretBytes secret = SecretBytes::copy_of(bytes);
  wipe(bytes);
  return secret;
}

}  // namespace

bool are_sound(const NetworkCredentials& credentials) {
  const ByteSpan psk = credentials.psk.span();
  const bool printable =
      std::ranges::all_of(psk, [](std::uint8_t c) { return c >= 0x20 && c <= 0x7E; });
  const bool length = psk.empty() || (psk.size() >= 8 && psk.size() < kMaxPsk) ||
                      (psk.size() == kMaxPsk && std::ranges::all_of(psk, is_hex));
  return !credentials.ssid.empty() && credentials.ssid.size() <= kMaxSsid && printable && length;
}

std::string_view name_of(NetworkState state) {
  for (const auto& [value, name] : kStates) {
    if (value == state) {
      return name;
    }
  }
  return "failed";
}

// By hand: a library would leave copies of the password behind.
SecretBytes encode(const NetworkCredentials& credentials) {
  LATCHKEY_CHECK(are_sound(credentials));
  const std::size_t psk = credentials.psk.size();
  Bytes out;
  out.reserve(32 + credentials.ssid.size() + psk);
  out.push_back(0xA3);  // a map of three
  const auto text = [&](std::string_view value) {
    out.push_back(static_cast<std::uint8_t>(0x60U + value.size()));
    append(out, value);
  };
  const auto bytes = [&](ByteSpan value) {
    if (value.size() < 24) {
      out.push_back(static_cast<std::uint8_t>(0x40U + value.size()));
    } else {
      out.push_back(0x58);
      out.push_back(static_cast<std::uint8_t>(value.size()));
    }
    append(out, value);
  };
  text(kType);
  text("network");
  text("psk");
  bytes(credentials.psk.span());
  text("ssid");
  bytes(credentials.ssid);
  SecretBytes secret = SecretBytes::copy_of(out);
  wipe(out);
  return secret;
}

Bytes encode(const NetworkReply& reply) {
  return encode_cbor({{kType, "network"}, {"state", std::string(name_of(reply.state))}});
}

Bytes encode_network_query() {
  return encode_cbor({{kType, "network_query"}});
}

bool is_network_query(ByteSpan bytes) {
  return open_message(bytes, "network_query").has_value();
}

Result<std::optional<NetworkCredentials>> read_network(ByteSpan bytes) {
  auto map = decode_cbor(bytes);
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  const json* type = fields.find(kType);
  if (type == nullptr || !type->is_string() || *type != "network") {
    return std::optional<NetworkCredentials>();
  }
  auto psk = take_secret(*map, "psk");
  NetworkCredentials credentials{fields.bytes("ssid", 1, kMaxSsid), {}};
  if (!psk || !fields.ok()) {
    return malformed("network");
  }
  credentials.psk = *std::move(psk);
  if (!are_sound(credentials)) {
    return malformed("network");
  }
  return std::optional(std::move(credentials));
}

template <>
Result<NetworkReply> decode<NetworkReply>(ByteSpan bytes) {
  const auto map = open_message(bytes, "network");
  if (!map) {
    return fail(map.error());
  }
  FieldReader fields(*map);
  const std::string name = fields.text("state", 32);
  const auto* const at =
      std::ranges::find(kStates, name, [](const auto& one) { return one.second; });
  if (!fields.ok() || at == kStates.end()) {
    return malformed("network");
  }
  return NetworkReply{at->first};
}

}  // namespace latchkey::wire
