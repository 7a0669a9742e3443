#include "wire/error.h"

#include <array>
#include <utility>

namespace latchkey::wire {
namespace {

// The one list of error codes. scripts/check_names compares the extension's with it.
constexpr std::array<std::pair<ErrorCode, std::string_view>, 16> kNames{{
    {ErrorCode::kMalformed, "malformed"},
    {ErrorCode::kUnsupported, "unsupported"},
    {ErrorCode::kWindowClosed, "window_closed"},
    {ErrorCode::kWrongCode, "wrong_code"},
    {ErrorCode::kLocked, "locked"},
    {ErrorCode::kAttestationFailed, "attestation_failed"},
    {ErrorCode::kOriginRevoked, "origin_revoked"},
    {ErrorCode::kDeviceRevoked, "device_revoked"},
    {ErrorCode::kMetadataStale, "metadata_stale"},
    {ErrorCode::kNameConflict, "name_conflict"},
    {ErrorCode::kNotGranted, "not_granted"},
    {ErrorCode::kNotAllowed, "not_allowed"},
    {ErrorCode::kExpired, "expired"},
    {ErrorCode::kUnreachable, "unreachable"},
    {ErrorCode::kCancelled, "cancelled"},
    {ErrorCode::kInternal, "internal"},
}};

}  // namespace

std::string_view name_of(ErrorCode code) {
  for (const auto& [known, name] : kNames) {
    if (known == code) {
      return name;
    }
  }
  check_failed("a known error code", __FILE__, __LINE__);
}

std::optional<ErrorCode> error_code_from(std::string_view name) {
  for (const auto& [code, known] : kNames) {
    if (known == name) {
      return code;
    }
  }
  return std::nullopt;
}

}  // namespace latchkey::wire
