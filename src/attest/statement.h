// Attestation: how a device proves its make (docs/protocol.md section 4, `att`).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attest/models.h"
#include "base/clock.h"
#include "crypto/keys.h"
#include "wire/messages.h"

namespace latchkey::attest {

// What the signature covers, apart from the domain.
struct Transcript {
  Digest256 channel{};  // th: of the pairing, or the exporter of the management channel
  Digest256 offer{};    // SHA-256 of the offer as sent
  Digest256 csr{};      // SHA-256 of the CSR
  Digest256 boot{};     // SHA-256 of the bootstrap SPKI
};
// "latchkey-attest-v1" || th || offer || csr || boot
Bytes attest_statement(const Transcript& transcript);

// The device's side: whatever holds the attestation key. nullopt: it could not sign (a token that
// was taken out), which must not be passed off as having none.
class Attester {
 public:
  virtual ~Attester() = default;
  // Leaf first, without the root.
  [[nodiscard]] virtual const std::vector<Bytes>& chain() const = 0;
  // A DER ECDSA signature over SHA-256 of `statement`.
  virtual std::optional<Bytes> sign(ByteSpan statement) = 0;
};
// `attester` null: {fmt: "none"}. nullopt: the attester failed.
std::optional<wire::Attestation> make_attestation(Attester* attester, const Transcript& transcript);

// What a device has proved, kept with its binding and judged again whenever metadata changes.
struct Evidence {
  Aaguid aaguid;
  SpkiHash key;            // of the attestation key: what is revoked when it leaks
  std::vector<Bytes> x5c;  // leaf first
  WallTime proved;         // by the agent's clock; the chain is judged as of then
};
Bytes encode_evidence(const Evidence& evidence);  // CBOR, for the store
Result<Evidence> decode_evidence(ByteSpan bytes);

// nullopt for fmt "none". kMalformed, kBadSignature, kUntrusted (the leaf is a CA, has no AAGUID,
// is no P-256 key, or its key is one of `forbidden`). Whose root it is, is not judged here:
// trust.h.
Result<std::optional<Evidence>> verify_attestation(const wire::Attestation& attestation,
                                                   const Transcript& transcript,
                                                   std::span<const SpkiHash> forbidden,
                                                   WallTime now);

}  // namespace latchkey::attest
