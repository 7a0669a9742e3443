// The administrator's file, /etc/latchkey/policy.json: strict JSON, unknown members refused.
//
//   {"only_registered_origins": false, "only_attested_devices": false, "grace_days": 14,
//    "consented_origins": [{"origin": "https://signage.example", "types": ["media-cache"]}]}
#pragma once

#include <string_view>

#include "attest/trust.h"

namespace latchkey::attest {

inline constexpr std::size_t kMaxPolicyBytes = 65536;
inline constexpr std::size_t kMaxConsented = 256;
// kMalformed with a sentence for the administrator that names the member.
Result<Policy> parse_policy(std::string_view text);

}  // namespace latchkey::attest
