// What a control page or the command line asks about grants and devices beyond the list: values in,
// JSON out (docs/protocol.md section 10). No secret is in any of it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "agent/desk.h"
#include "agent/ports.h"
#include "attest/trust.h"
#include "grant/grant.h"

namespace latchkey::agent {

// The answer to grants.details without the grant itself: {certificate: {...} or null, proof}.
// Null: no certificate was issued yet. Fingerprints are SHA-256 in lower-case hex: `key` and
// `issuer_key` of the SubjectPublicKeyInfo, `sha256` and `issuer_sha256` of the certificate's DER.
nlohmann::json details_json(const grant::AgentGrant& grant,
                            const std::optional<grant::Binding>& binding,
                            const attest::Trust& trust);

// The answer to devices.list: the devices with grants in sight that have not ended, and how many
// those are; where everything is seen, every device a code was typed for.
nlohmann::json devices_json(const std::vector<grant::Binding>& bindings,
                            const std::vector<grant::Standing>& grants, const Sight& sight,
                            const attest::Trust& trust);

}  // namespace latchkey::agent
