// Enrolment on the agent's side: what is checked of a device's answers.
#pragma once

#include <optional>
#include <span>

#include "attest/statement.h"
#include "base/clock.h"
#include "base/ids.h"
#include "crypto/keys.h"
#include "wire/messages.h"

namespace latchkey::enroll {

// A CSR message that belongs to the offer, the channel and the device.
struct AcceptedCsr {
  crypto::PublicKey key;
  std::string name, type, model, firmware;   // cleaned for display
  std::optional<attest::Evidence> evidence;  // nothing: the device shows no proof of its make
};

// Checks bsig under `boot`, `boot` against the device's id, the CSR (its self-signature; a key that
// is none of `forbidden`, nor the bootstrap key), the type against `wanted_type`, and what the
// device shows as proof of its make, whose key must have no other use: kAttestationFailed. Whose
// device that makes it is for attest/trust.h to say. `offer`: the bytes that were sent on this
// channel.
wire::Result<AcceptedCsr> check_csr_message(const wire::CsrMessage& message, ByteSpan offer,
                                            const Digest256& th, const DeviceId& device,
                                            std::string_view wanted_type,
                                            std::span<const SpkiHash> forbidden, WallTime now);

// Checks a renewal: proof by the current leaf key, a new key that is none of `forbidden`.
wire::Result<crypto::PublicKey> check_renewal(const wire::RenewReply& reply, const GrantId& grant,
                                              const Digest256& exporter,
                                              const crypto::PublicKey& current_leaf_key,
                                              std::span<const SpkiHash> forbidden);

// The bytes that signatures cover, shared by both roles.
attest::Transcript attest_transcript(const Digest256& th, ByteSpan offer, ByteSpan csr,
                                     ByteSpan boot_spki);
Bytes boot_statement(const Digest256& th, ByteSpan csr);
Bytes renew_statement(const GrantId& grant, ByteSpan csr, const Digest256& exporter);

}  // namespace latchkey::enroll
