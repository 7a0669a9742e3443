// What the tables' records mean (docs/protocol.md section 12).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/error.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/origin.h"

namespace latchkey::attest {

// The model of a device, as its maker numbers it (FIDO AAGUID).
using Aaguid = FixedId<struct AaguidTag, 16>;
// "8-4-4-4-12" lower-case hex, as FIDO's metadata writes it.
std::string aaguid_text(const Aaguid& aaguid);
std::optional<Aaguid> parse_aaguid(std::string_view text);

// After FIDO's AuthenticatorStatus. The numbers are the table's status bytes.
enum class ModelStatus : std::uint8_t {
  kNotCertified = 1,
  kSelfAssertionSubmitted = 2,
  kCertified = 3,
  kUpdateAvailable = 4,
  kAttestationKeyCompromise = 5,  // as revoked
  kRevoked = 6,
};
std::string_view name_of(ModelStatus status);  // "NOT_CERTIFIED", ... "REVOKED"
std::optional<ModelStatus> model_status_from(std::string_view name);
// Whether a device of such a model may not be used.
bool is_revoked(ModelStatus status);

enum class OriginStatus : std::uint8_t { kActive = 1, kSuspended = 2, kRevoked = 3 };
std::string_view name_of(OriginStatus status);  // "active", "suspended", "revoked"
std::optional<OriginStatus> origin_status_from(std::string_view name);

inline constexpr std::size_t kMaxDisplayName = 64;  // bytes, of makers, models and web services
inline constexpr std::size_t kMaxModelRoots = 16;

// The blob of a model: CBOR {maker, model, type, roots: [32 bytes, ...]}.
struct ModelInfo {
  std::string maker;
  std::string model;
  std::string type;              // a device type
  std::vector<Digest256> roots;  // SHA-256 of the certificates' DER
};
Bytes encode_model(const ModelInfo& info);
Result<ModelInfo> decode_model(ByteSpan blob);

// Keys. The domain is separated so that a table of one kind answers for no other.
ByteArray<16> origin_key(const Origin& origin);      // SHA-256("latchkey-origin-v1" || text)
ByteArray<10> device_key(const SpkiHash& attested);  // first bytes of the attestation key's hash

}  // namespace latchkey::attest
