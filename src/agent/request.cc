#include "agent/request.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "agent/direct_name.h"
#include "agent/keeping_request.h"
#include "agent/request_fields.h"
#include "base/encoding.h"
#include "base/host_name.h"
#include "wire/names.h"
#include "wire/strict_json.h"

namespace latchkey::agent {
namespace {

using fields::id_of;
using fields::is_absent;
using fields::only;
using fields::text_of;
using nlohmann::json;

// An object that can be read in one way only, or nothing.
std::optional<json> parse_object(std::string_view text) {
  auto value = wire::parse_json(text, {wire::kMaxAgentMessage, kMaxJsonDepth});
  return value && value->is_object() ? std::optional(std::move(*value)) : std::nullopt;
}

// A web origin, or null for a direct grant. A type of its own: an optional in an optional turns
// "wrong" into "null" all too easily.
struct OriginOrNull {
  std::optional<Origin> value;
};
std::optional<OriginOrNull> origin_or_null(const json& object) {
  const auto found = object.find("origin");
  if (found == object.end()) {
    return std::nullopt;
  }
  if (found->is_null()) {
    return OriginOrNull{std::nullopt};
  }
  const auto text = text_of(object, "origin", 300);
  auto origin = text ? Origin::parse(*text) : std::nullopt;
  if (!origin) {
    return std::nullopt;
  }
  return OriginOrNull{std::move(origin)};
}

std::optional<std::string> type_of(const json& object) {
  auto text = text_of(object, "type", 32);
  return text && is_device_type(*text) ? text : std::nullopt;
}

std::optional<Method> read_hello(const json& p) {
  if (!only(p, {"client", "version", "profile", "extension"})) {
    return std::nullopt;
  }
  const auto client = text_of(p, "client", 16);
  auto version = text_of(p, "version", 32);
  if (!client || !version || (*client != "extension" && *client != "cli")) {
    return std::nullopt;
  }
  Hello hello;
  hello.client = *client == "cli" ? Hello::Client::kCommandLine : Hello::Client::kExtension;
  hello.version = std::move(*version);
  if (!is_absent(p, "profile") && !p["profile"].is_null()) {
    hello.profile = id_of<ProfileId>(p, "profile");
    if (!hello.profile) {
      return std::nullopt;
    }
  }
  if (!is_absent(p, "extension")) {
    hello.extension = text_of(p, "extension", 64);
    if (!hello.extension) {
      return std::nullopt;
    }
  }
  return hello;
}

std::optional<Method> read_discover_start(const json& p) {
  DiscoverStart start;
  if (!only(p, {"type", "nearby"}) || (!is_absent(p, "nearby") && !p["nearby"].is_boolean())) {
    return std::nullopt;
  }
  start.nearby = !is_absent(p, "nearby") && p["nearby"].get<bool>();
  if (!is_absent(p, "type") && !p["type"].is_null()) {
    start.type = type_of(p);
    if (!start.type) {
      return std::nullopt;
    }
  }
  return start;
}

std::optional<SignInOffer> sign_in_of(const json& sso) {
  if (!sso.is_object() || !only(sso, {"issuer", "client"})) {
    return std::nullopt;
  }
  const auto issuer = text_of(sso, "issuer", Issuer::kMaxSize);
  const bool names_client = !is_absent(sso, "client");
  const auto client = names_client ? text_of(sso, "client", SignInOffer::kMaxClient)
                                   : std::optional<std::string>("");
  return issuer && client ? SignInOffer::make(*issuer, *client) : std::nullopt;
}

std::optional<Method> read_pair_begin(const json& p) {
  auto origin = origin_or_null(p);
  auto type = type_of(p);
  auto key = text_of(p, "key", kMaxDeviceKey);
  if (!only(p, {"origin", "type", "key", "name", "sso"}) || !origin || !type || !key) {
    return std::nullopt;
  }
  PairBegin begin{origin->value, std::move(*type), {std::move(*key)}, std::nullopt};
  if (!is_absent(p, "name") && !p["name"].is_null()) {
    begin.name = text_of(p, "name", kMaxAskedName);
    if (!begin.name || begin.origin) {
      return std::nullopt;
    }
  }
  if (!is_absent(p, "sso") && !p["sso"].is_null()) {
    begin.sso = sign_in_of(p["sso"]);
    if (!begin.sso || !begin.origin) {
      return std::nullopt;
    }
  }
  return begin;
}

std::optional<Method> read_pair_name(const json& p) {
  auto session = text_of(p, "session", 32);
  auto name = text_of(p, "name", kMaxAskedName);
  if (!only(p, {"session", "name"}) || !session || !name) {
    return std::nullopt;
  }
  return PairName{{std::move(*session)}, std::move(*name)};
}

std::optional<Method> read_pair_code(const json& p) {
  auto session = text_of(p, "session", 32);
  auto code = text_of(p, "code", kMaxCodeText);
  if (!only(p, {"session", "code"}) || !session || !code) {
    return std::nullopt;
  }
  return PairCode{{std::move(*session)}, SecretBytes::take(std::move(*code))};
}

std::optional<Method> read_pair_cancel(const json& p) {
  auto session = text_of(p, "session", 32);
  if (!only(p, {"session"}) || !session) {
    return std::nullopt;
  }
  return PairCancel{{std::move(*session)}};
}

std::optional<Method> read_grants_list(const json& p) {
  const bool begins = is_absent(p, "after") || p["after"].is_null();
  const auto after = begins ? std::nullopt : id_of<GrantId>(p, "after");
  if (!only(p, {"all", "after"}) || (!begins && !after) ||
      (!is_absent(p, "all") && !p["all"].is_boolean())) {
    return std::nullopt;
  }
  return GrantsList{p.value("all", false), after};
}

template <class WithId>
std::optional<Method> read_id(const json& p) {
  const auto id = id_of<decltype(WithId::id)>(p, "id");
  if (!only(p, {"id"}) || !id) {
    return std::nullopt;
  }
  return WithId{*id};
}

std::optional<Method> read_ticket_mint(const json& p) {
  const auto id = id_of<GrantId>(p, "id");
  const auto origin = origin_or_null(p);
  if (!only(p, {"id", "origin", "nonce", "failed"}) || !id || !origin ||
      (!is_absent(p, "failed") && !p["failed"].is_boolean())) {
    return std::nullopt;
  }
  TicketMint mint{*id, origin->value, std::nullopt, p.value("failed", false)};
  if (!is_absent(p, "nonce") && !p["nonce"].is_null()) {
    const auto text = text_of(p, "nonce", 22);
    const auto bytes = text ? base64url_decode(*text, grant::TicketNonce::kSize) : std::nullopt;
    mint.nonce = bytes ? grant::TicketNonce::from_bytes(*bytes) : std::nullopt;
    if (!mint.nonce) {
      return std::nullopt;
    }
  }
  return mint;
}

std::optional<Method> read_policy_check(const json& p) {
  const auto origin = origin_or_null(p);
  if (!only(p, {"origin", "type"}) || !origin || !origin->value) {
    return std::nullopt;
  }
  PolicyCheck check{*origin->value, std::nullopt};
  if (!is_absent(p, "type") && !p["type"].is_null()) {
    check.type = type_of(p);
    if (!check.type) {
      return std::nullopt;
    }
  }
  return check;
}

template <class Nothing>
std::optional<Method> read_nothing(const json& p) {
  return p.empty() ? std::optional<Method>(Nothing{}) : std::nullopt;
}

// What a secret was read from; the parser's own copy.
void wipe_secrets(json& params) {
  for (const char* name : {"passphrase", "current", "code", "psk"}) {
    if (const auto found = params.find(name); found != params.end() && found->is_string()) {
      SecretBytes::take(std::move(found->get_ref<std::string&>()));
    }
  }
}

// What has a reader of its own elsewhere.
template <auto kRead>
std::optional<Method> read_with(const json& p) {
  auto read = kRead(p);
  return read ? std::optional<Method>(std::move(*read)) : std::nullopt;
}

struct Reader {
  std::string_view name;
  std::optional<Method> (*read)(const json& params);
};
constexpr std::array kReaders = {
    Reader{wire::kHello, read_hello},
    Reader{wire::kDiscoverStart, read_discover_start},
    Reader{wire::kDiscoverStop, read_nothing<DiscoverStop>},
    Reader{wire::kPairBegin, read_pair_begin},
    Reader{wire::kPairName, read_pair_name},
    Reader{wire::kPairCode, read_pair_code},
    Reader{wire::kPairCancel, read_pair_cancel},
    Reader{wire::kGrantsList, read_grants_list},
    Reader{wire::kGrantsGet, read_id<GrantsGet>},
    Reader{wire::kGrantsRevoke, read_id<GrantsRevoke>},
    Reader{wire::kTicketMint, read_ticket_mint},
    Reader{wire::kCertificateRenew, read_id<CertificateRenew>},
    Reader{wire::kPolicyCheck, read_policy_check},
    Reader{wire::kMetadataStatus, read_nothing<MetadataStatus>},
    Reader{wire::kMetadataRefresh, read_nothing<MetadataRefresh>},
    Reader{wire::kAnchorGet, read_nothing<AnchorGet>},
    Reader{wire::kDoctor, read_with<read_doctor>},
    Reader{wire::kSetupFirefox, read_with<read_setup_firefox>},
    Reader{wire::kGrantsPause, read_id<GrantsPause>},
    Reader{wire::kGrantsResume, read_id<GrantsResume>},
    Reader{wire::kGrantsDetails, read_id<GrantsDetails>},
    Reader{wire::kDevicesList, read_nothing<DevicesList>},
    Reader{wire::kDevicesForget, read_id<DevicesForget>},
    Reader{wire::kDevicesPeople, read_id<DevicesPeople>},
    Reader{wire::kBackupExport, read_with<read_backup_export>},
    Reader{wire::kBackupImport, read_with<read_backup_import>},
    Reader{wire::kProfilesList, read_nothing<ProfilesList>},
    Reader{wire::kProfilesAdopt, read_with<read_profiles_adopt>},
    Reader{wire::kStoreStatus, read_nothing<StoreStatus>},
    Reader{wire::kStoreUnlock, read_with<read_store_unlock>},
    Reader{wire::kStoreSeal, read_with<read_store_seal>},
    Reader{wire::kStoreAccept, read_nothing<StoreAccept>},
    Reader{wire::kStoreStartAnew, read_nothing<StoreStartAnew>},
    Reader{wire::kPairNetwork, read_with<read_pair_network>},
    Reader{wire::kNearbyOpen, read_with<read_nearby_open>},
    Reader{wire::kNearbyValue, read_with<read_nearby_value>},
    Reader{wire::kNearbyTaken, read_with<read_nearby_taken>},
    Reader{wire::kNearbyLost, read_with<read_nearby_lost>},
    Reader{wire::kNearbyClose, read_with<read_nearby_close>},
};

BadRequest bad(std::optional<std::uint64_t> id, wire::ErrorCode code, std::string message) {
  return {id, {code, std::move(message)}};
}

}  // namespace

latchkey::Result<Request, BadRequest> parse_request(std::string_view text) {
  auto message = parse_object(text);
  if (!message) {
    return fail(bad(std::nullopt, wire::ErrorCode::kMalformed, "That is not a JSON object."));
  }
  const auto id_member = message->find("id");
  if (id_member == message->end() || !id_member->is_number_unsigned() ||
      id_member->get<std::uint64_t>() > kMaxMessageId) {
    return fail(bad(std::nullopt, wire::ErrorCode::kMalformed, "The message has no usable id."));
  }
  const auto id = id_member->get<std::uint64_t>();
  const auto name = text_of(*message, "method", 32);
  if (!name || !only(*message, {"id", "method", "params"})) {
    return fail(bad(id, wire::ErrorCode::kMalformed, "The message is not a request."));
  }
  json params = json::object();
  if (const auto found = message->find("params"); found != message->end()) {
    params = std::move(*found);
  }
  if (!params.is_object()) {
    return fail(bad(id, wire::ErrorCode::kMalformed, "The parameters are not an object."));
  }
  for (const Reader& reader : kReaders) {
    if (reader.name == *name) {
      auto method = reader.read(params);
      wipe_secrets(params);
      if (!method) {
        return fail(bad(id, wire::ErrorCode::kMalformed,
                        "The parameters of \"" + *name + "\" are not as they should be."));
      }
      return Request{id, std::move(*method)};
    }
  }
  return fail(bad(id, wire::ErrorCode::kUnsupported, "There is no method \"" + *name + "\"."));
}

}  // namespace latchkey::agent
