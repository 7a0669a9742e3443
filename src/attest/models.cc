#include "attest/models.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/encoding.h"
#include "base/host_name.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "wire/cbor.h"

namespace latchkey::attest {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<ModelStatus, std::string_view>, 6> kModelStatus{{
    {ModelStatus::kNotCertified, "NOT_CERTIFIED"},
    {ModelStatus::kSelfAssertionSubmitted, "SELF_ASSERTION_SUBMITTED"},
    {ModelStatus::kCertified, "CERTIFIED"},
    {ModelStatus::kUpdateAvailable, "UPDATE_AVAILABLE"},
    {ModelStatus::kAttestationKeyCompromise, "ATTESTATION_KEY_COMPROMISE"},
    {ModelStatus::kRevoked, "REVOKED"},
}};
constexpr std::array<std::pair<OriginStatus, std::string_view>, 3> kOriginStatus{{
    {OriginStatus::kActive, "active"},
    {OriginStatus::kSuspended, "suspended"},
    {OriginStatus::kRevoked, "revoked"},
}};

template <class Status, std::size_t N>
std::string_view name_in(const std::array<std::pair<Status, std::string_view>, N>& names,
                         Status status) {
  for (const auto& [known, name] : names) {
    if (known == status) {
      return name;
    }
  }
  check_failed("a known status", __FILE__, __LINE__);
}

template <class Status, std::size_t N>
std::optional<Status> status_in(const std::array<std::pair<Status, std::string_view>, N>& names,
                                std::string_view name) {
  for (const auto& [status, known] : names) {
    if (known == name) {
      return status;
    }
  }
  return std::nullopt;
}

// A display name that is what it says: well-formed, and nothing in it that does not show.
bool is_display_name(const std::string& text, bool may_be_empty) {
  return text.size() <= kMaxDisplayName && (may_be_empty || !text.empty()) &&
         clean_display_name(text, kMaxDisplayName) == text;
}

constexpr std::array<std::size_t, 4> kDashes = {8, 13, 18, 23};

}  // namespace

std::string aaguid_text(const Aaguid& aaguid) {
  std::string text = aaguid.hex();
  for (const std::size_t dash : kDashes) {
    text.insert(dash, 1, '-');
  }
  return text;
}

std::optional<Aaguid> parse_aaguid(std::string_view text) {
  if (text.size() != 36) {
    return std::nullopt;
  }
  std::string digits(text);
  for (auto dash = kDashes.rbegin(); dash != kDashes.rend(); ++dash) {
    if (digits[*dash] != '-') {
      return std::nullopt;
    }
    digits.erase(*dash, 1);
  }
  return Aaguid::parse(digits);
}

std::string_view name_of(ModelStatus status) {
  return name_in(kModelStatus, status);
}
std::optional<ModelStatus> model_status_from(std::string_view name) {
  return status_in(kModelStatus, name);
}
bool is_revoked(ModelStatus status) {
  return status == ModelStatus::kRevoked || status == ModelStatus::kAttestationKeyCompromise;
}
std::string_view name_of(OriginStatus status) {
  return name_in(kOriginStatus, status);
}
std::optional<OriginStatus> origin_status_from(std::string_view name) {
  return status_in(kOriginStatus, name);
}

Bytes encode_model(const ModelInfo& info) {
  LATCHKEY_CHECK(info.roots.size() <= kMaxModelRoots);
  json roots = json::array();
  for (const Digest256& root : info.roots) {
    roots.push_back(json::binary({root.begin(), root.end()}));
  }
  return wire::encode_cbor({{"maker", info.maker},
                            {"model", info.model},
                            {"type", info.type},
                            {"roots", std::move(roots)}});
}

Result<ModelInfo> decode_model(ByteSpan blob) {
  const auto refuse = [] { return fail(Error{ErrorCode::kMalformed, "a model's record"}); };
  const auto map = wire::decode_cbor(blob);
  if (!map) {
    return refuse();
  }
  ModelInfo info;
  for (const auto& [name, into] : {std::pair("maker", &info.maker), std::pair("model", &info.model),
                                   std::pair("type", &info.type)}) {
    const auto found = map->find(name);
    if (found == map->end() || !found->is_string()) {
      return refuse();
    }
    *into = found->get<std::string>();
  }
  const auto roots = map->find("roots");
  if (!is_display_name(info.maker, false) || !is_display_name(info.model, false) ||
      !is_device_type(info.type) || roots == map->end() || !roots->is_array() ||
      roots->size() > kMaxModelRoots) {
    return refuse();
  }
  for (const json& root : *roots) {
    if (!root.is_binary() || root.get_binary().size() != 32) {
      return refuse();
    }
    std::copy(root.get_binary().begin(), root.get_binary().end(),
              info.roots.emplace_back().begin());
  }
  return info;
}

ByteArray<16> origin_key(const Origin& origin) {
  const Digest256 hash = crypto::sha256({as_bytes("latchkey-origin-v1"), as_bytes(origin.text())});
  ByteArray<16> key{};
  std::copy_n(hash.begin(), key.size(), key.begin());
  return key;
}

ByteArray<10> device_key(const SpkiHash& attested) {
  ByteArray<10> key{};
  std::copy_n(attested.bytes().begin(), key.size(), key.begin());
  return key;
}

}  // namespace latchkey::attest
