// Grants that already exist, judged by what the providers say: which must rest, and which come
// back. Pure, like the desk. Run whenever what providers say may have changed, and at start.
#pragma once

#include <optional>
#include <vector>

#include "agent/desk.h"

namespace latchkey::agent {

// The proof of its make that the device of this binding has shown, if it did.
std::optional<attest::Evidence> evidence_of(const grant::Binding& binding);

// Why a grant may not be used now. Nothing: the providers have nothing against it.
std::optional<grant::Hold> demanded_hold(const attest::Trust& trust, const grant::AgentGrant& grant,
                                         const std::optional<grant::Binding>& binding);
// The code that a request for a held grant is refused with.
wire::ErrorCode code_of(grant::Hold hold);

// Suspends, resumes, and drops what is only half made; durably, before anybody is told. The grants
// that changed, as they are now. A suspended grant comes back only where every provider has been
// read: what was lost from the disk lifts nothing.
// `complete`, where it is given: whether all of it could be stored.
std::vector<grant::AgentGrant> enforce(GrantDesk& desk, bool* complete = nullptr);

}  // namespace latchkey::agent
