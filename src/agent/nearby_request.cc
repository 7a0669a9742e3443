#include "agent/nearby_request.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "agent/request_fields.h"
#include "base/encoding.h"

namespace latchkey::agent {
namespace {

using fields::only;
using fields::text_of;
using nlohmann::json;

constexpr std::size_t kMaxLink = 10;

template <class Message>
std::optional<Message> read_link(const json& p) {
  auto link = text_of(p, "link", kMaxLink);
  return link && only(p, {"link"}) ? std::optional(Message{std::move(*link)}) : std::nullopt;
}

}  // namespace

std::optional<NearbyOpen> read_nearby_open(const json& p) {
  NearbyOpen open;
  const auto text = text_of(p, "rid", 24);
  const auto bytes = text ? hex_decode(*text, open.rid.size()) : std::nullopt;
  const auto rid = bytes ? to_array<12>(*bytes) : std::nullopt;
  if (!only(p, {"link", "rid"}) || !rid) {
    return std::nullopt;
  }
  open.rid = *rid;
  if (p.contains("link")) {
    open.link = text_of(p, "link", kMaxLink);
    if (!open.link) {
      return std::nullopt;
    }
  }
  return open;
}

std::optional<NearbyValue> read_nearby_value(const json& p) {
  auto link = text_of(p, "link", kMaxLink);
  const auto text = text_of(p, "value", (kMaxNearbyValue + 2) / 3 * 4);
  auto value = text ? base64_decode(*text, kMaxNearbyValue) : std::nullopt;
  if (!only(p, {"link", "value"}) || !link || !value || value->empty()) {
    return std::nullopt;
  }
  return NearbyValue{std::move(*link), std::move(*value)};
}

std::optional<NearbyTaken> read_nearby_taken(const json& p) {
  return read_link<NearbyTaken>(p);
}

std::optional<NearbyLost> read_nearby_lost(const json& p) {
  return read_link<NearbyLost>(p);
}

std::optional<NearbyClose> read_nearby_close(const json& p) {
  return read_link<NearbyClose>(p);
}

std::optional<PairNetwork> read_pair_network(const json& p) {
  auto session = text_of(p, "session", 32);
  const auto ssid = p.find("ssid");
  if (!only(p, {"session", "ssid", "psk"}) || !session || ssid == p.end()) {
    return std::nullopt;
  }
  if (ssid->is_null()) {
    return p.contains("psk") ? std::nullopt
                             : std::optional(PairNetwork{std::move(*session), std::nullopt});
  }
  const auto name = text_of(p, "ssid", wire::kMaxSsid);
  const auto psk = p.find("psk");
  if (!name || psk == p.end() || !psk->is_string()) {
    return std::nullopt;
  }
  const auto& secret = psk->get_ref<const std::string&>();
  if (secret.size() > wire::kMaxPsk) {
    return std::nullopt;
  }
  wire::NetworkCredentials wifi{to_bytes(as_bytes(*name)), SecretBytes::copy_of(as_bytes(secret))};
  if (!wire::are_sound(wifi)) {
    return std::nullopt;
  }
  return PairNetwork{std::move(*session), std::move(wifi)};
}

}  // namespace latchkey::agent
