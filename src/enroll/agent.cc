#include "enroll/agent.h"

#include <vector>

#include "base/text.h"
#include "crypto/hash.h"
#include "pki/pki.h"

namespace latchkey::enroll {
namespace {

using wire::ErrorCode;

tl::unexpected<wire::Error> malformed(std::string why) {
  return fail(wire::Error{ErrorCode::kMalformed, std::move(why)});
}

// The keys that have another use in this enrolment, or beyond it. A device that attested with one
// of them would let whoever may ask for that other use make attestations.
wire::Result<std::vector<SpkiHash>> keys_in_use(const wire::Offer& offer,
                                                const crypto::PublicKey& csr_key,
                                                std::span<const SpkiHash> others) {
  std::vector<SpkiHash> keys(others.begin(), others.end());
  keys.push_back(csr_key.spki_hash());
  for (const Bytes& spki : {offer.agent_spki, offer.ticket_spki}) {
    const auto key = crypto::PublicKey::from_spki(spki);
    if (!key) {
      return fail(wire::Error{ErrorCode::kInternal, "our own offer holds a key that is none"});
    }
    keys.push_back(key->spki_hash());
  }
  return keys;
}

}  // namespace

attest::Transcript attest_transcript(const Digest256& th, ByteSpan offer, ByteSpan csr,
                                     ByteSpan boot_spki) {
  return {th, crypto::sha256(offer), crypto::sha256(csr), crypto::sha256(boot_spki)};
}

Bytes boot_statement(const Digest256& th, ByteSpan csr) {
  Bytes statement = to_bytes(as_bytes("latchkey-boot-v1"));
  append(statement, th);
  append(statement, crypto::sha256(csr));
  return statement;
}

Bytes renew_statement(const GrantId& grant, ByteSpan csr, const Digest256& exporter) {
  Bytes statement = to_bytes(as_bytes("latchkey-renew-v1"));
  append(statement, grant.span());
  append(statement, crypto::sha256(csr));
  append(statement, exporter);
  return statement;
}

wire::Result<AcceptedCsr> check_csr_message(const wire::CsrMessage& message, ByteSpan offer,
                                            const Digest256& th, const DeviceId& device,
                                            std::string_view wanted_type,
                                            std::span<const SpkiHash> forbidden, WallTime now) {
  const auto sent = wire::decode<wire::Offer>(offer);
  if (!sent) {
    return fail(wire::Error{ErrorCode::kInternal, "our own offer cannot be read"});
  }
  const auto boot = crypto::PublicKey::from_spki(message.boot_spki);
  if (!boot || boot->spki_hash().bytes() != device.bytes()) {
    return malformed("the bootstrap key is not the device's");
  }
  if (!boot->verify(boot_statement(th, message.csr), message.boot_signature)) {
    return malformed("the bootstrap key did not sign this request on this channel");
  }
  std::vector<SpkiHash> all(forbidden.begin(), forbidden.end());
  all.push_back(boot->spki_hash());
  auto key = pki::accept_csr(message.csr, all);
  if (!key) {
    return malformed(key.error().detail);
  }
  if (!wanted_type.empty() && message.type != wanted_type) {
    return fail(wire::Error{ErrorCode::kUnsupported, "the device is of another type"});
  }
  const auto in_use = keys_in_use(*sent, *key, all);
  if (!in_use) {
    return fail(in_use.error());
  }
  auto evidence = attest::verify_attestation(
      message.attestation, attest_transcript(th, offer, message.csr, message.boot_spki), *in_use,
      now);
  if (!evidence) {
    return fail(wire::Error{ErrorCode::kAttestationFailed, evidence.error().detail});
  }
  return AcceptedCsr{std::move(*key),
                     clean_display_name(message.name),
                     message.type,
                     clean_display_name(message.model),
                     clean_display_name(message.firmware),
                     *std::move(evidence)};
}

wire::Result<crypto::PublicKey> check_renewal(const wire::RenewReply& reply, const GrantId& grant,
                                              const Digest256& exporter,
                                              const crypto::PublicKey& current_leaf_key,
                                              std::span<const SpkiHash> forbidden) {
  if (!current_leaf_key.verify(renew_statement(grant, reply.csr, exporter), reply.proof)) {
    return malformed("the current key did not sign the renewal");
  }
  std::vector<SpkiHash> all(forbidden.begin(), forbidden.end());
  all.push_back(current_leaf_key.spki_hash());
  auto key = pki::accept_csr(reply.csr, all);
  if (!key) {
    return malformed(key.error().detail);
  }
  return std::move(*key);
}

}  // namespace latchkey::enroll
