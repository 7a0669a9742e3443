// What a browser that looks at chains itself (Firefox) compares a granted host with: `ca`,
// `ca_before` and `keys` of a Grant, docs/protocol.md section 10.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "grant/grant.h"
#include "grant/unconfirmed.h"

namespace latchkey::agent {

// {ca, ca_before, keys}; digests are base64url, keys newest first. `keys` is empty before the first
// certificate was issued.
nlohmann::json proof_json(const grant::AgentGrant& grant, const grant::Unconfirmed& unconfirmed);

}  // namespace latchkey::agent
