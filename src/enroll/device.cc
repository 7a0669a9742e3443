#include "enroll/device.h"

#include "crypto/hash.h"
#include "crypto/x509.h"
#include "enroll/agent.h"
#include "pki/pki.h"

namespace latchkey::enroll {
namespace {

using grant::DeviceGrant;
using wire::ErrorCode;

tl::unexpected<wire::Error> refuse(ErrorCode code, std::string why) {
  return fail(wire::Error{code, std::move(why)});
}

// docs/protocol.md section 4: the host of an origin grant is `<type>-<tag>`, that of a direct grant
// never looks like one.
bool host_fits(const wire::Offer& offer, std::string_view type) {
  if (!offer.origin) {
    return HostName::direct(offer.host.label()).has_value();
  }
  return offer.host.has_pairwise_shape() &&
         offer.host.label().substr(0, offer.host.label().size() - 13) == type;
}

// The keys of an offer: both P-256, and none that has another use here.
wire::Result<SpkiHash> check_keys(const wire::Offer& offer, const crypto::PublicKey& boot) {
  const auto agent = crypto::PublicKey::from_spki(offer.agent_spki);
  const auto ticket = crypto::PublicKey::from_spki(offer.ticket_spki);
  if (!agent || !ticket || *agent == *ticket || *agent == boot || *ticket == boot) {
    return refuse(ErrorCode::kMalformed, "the offer's keys");
  }
  return agent->spki_hash();
}

DeviceGrant new_grant(const wire::Offer& offer, const SpkiHash& agent, WallTime now) {
  auto key = crypto::PrivateKey::generate();
  Bytes csr = crypto::make_csr(key);
  return {.agent = agent,
          .id = offer.grant,
          .origin = offer.origin,
          .host = offer.host,
          .sub = offer.sub,
          .ticket_spki = offer.ticket_spki,
          .offer_digest = offer_digest(offer),
          .key = std::move(key),
          .csr = std::move(csr),
          .leaf = {},
          .grant_ca = {},
          .not_after = {},
          .state = grant::State::kPending,
          .confirmed = false,
          .created = now,
          .next_key = std::nullopt,
          .next_csr = {},
          .suspended = false,
          .sso = offer.sso};
}

}  // namespace

Digest256 offer_digest(const wire::Offer& offer) {
  wire::Offer same = offer;
  same.nonce = {};
  same.now = {};
  return crypto::sha256(wire::encode(same));
}

wire::Result<wire::CsrMessage> DeviceEnrollment::on_offer(ByteSpan message, const Digest256& th,
                                                          const std::optional<SpkiHash>& agent,
                                                          WallTime now) {
  const auto offer = wire::decode<wire::Offer>(message);
  if (!offer) {
    return fail(offer.error());
  }
  const auto key_hash = check_keys(*offer, identity_.boot_key.public_key());
  if (!key_hash) {
    return fail(key_hash.error());
  }
  if (agent && *agent != *key_hash) {
    return refuse(ErrorCode::kNotGranted, "the offer names another agent's key");
  }
  auto grant = ledger_.find(*key_hash, offer->grant);
  const bool repeated = grant.has_value();
  if (repeated) {
    if (grant->offer_digest != offer_digest(*offer)) {
      return refuse(ErrorCode::kMalformed, "a repeated offer that differs");
    }
  } else {
    if (!host_fits(*offer, identity_.type) || ledger_.find_host(offer->host)) {
      return refuse(ErrorCode::kNameConflict, "the host is taken, or not of the right shape");
    }
    if (ledger_.count(*key_hash) >= kMaxGrantsPerAgent) {
      return refuse(ErrorCode::kLocked, "this agent holds too many grants here");
    }
    grant = new_grant(*offer, *key_hash, now);
  }
  const Bytes& boot_spki = identity_.boot_key.public_key().spki();
  auto attestation = attest::make_attestation(
      identity_.attester, attest_transcript(th, message, grant->csr, boot_spki));
  if (!attestation) {
    return refuse(ErrorCode::kInternal, "the attestation key could not be used");
  }
  if (!repeated) {
    const grant::BoundAgent bound{*key_hash, offer->agent_spki, now, offer->now};
    if (!ledger_.add_pending(bound, *grant)) {
      return refuse(ErrorCode::kInternal, "the grant could not be stored");
    }
  }
  return wire::CsrMessage{grant->csr,
                          boot_spki,
                          identity_.boot_key.sign(boot_statement(th, grant->csr)),
                          *std::move(attestation),
                          identity_.name,
                          identity_.type,
                          identity_.model,
                          identity_.firmware,
                          identity_.discovery_key};
}

wire::Result<wire::DoneMessage> DeviceEnrollment::on_certificate(ByteSpan message,
                                                                 const SpkiHash& agent,
                                                                 WallTime now) {
  const auto cert = wire::decode<wire::CertMessage>(message);
  if (!cert) {
    return fail(cert.error());
  }
  auto grant = ledger_.find(agent, cert->grant);
  if (!grant) {
    return refuse(ErrorCode::kNotGranted, "no such grant of this agent");
  }
  if (grant->suspended) {
    return refuse(ErrorCode::kNotAllowed, "the grant is suspended");
  }
  const wire::DoneMessage done{identity_.port};
  if (grant->state == grant::State::kActive && grant->leaf == cert->leaf &&
      grant->grant_ca == cert->grant_ca) {
    return done;  // the answer was lost, not the certificate
  }
  const auto info = pki::check_chain(cert->leaf, cert->grant_ca, std::nullopt, grant->host, now);
  if (!info) {
    return refuse(
        info.error().code == pki::ErrorCode::kExpired ? ErrorCode::kExpired : ErrorCode::kMalformed,
        info.error().detail);
  }
  const bool renews = grant->next_key && info->key == grant->next_key->public_key();
  // Until a management contact has confirmed the grant the agent may not know that its certificate
  // arrived, and may have issued another for the same key.
  const bool first = !grant->confirmed && info->key == grant->key.public_key();
  if (!renews && !first) {
    return refuse(ErrorCode::kMalformed, "the certificate is for another key");
  }
  if (renews) {
    grant->key = *grant->next_key;
    grant->csr = std::move(grant->next_csr);
    grant->next_key.reset();
    grant->next_csr.clear();
  }
  grant->leaf = cert->leaf;
  grant->grant_ca = cert->grant_ca;
  grant->not_after = info->not_after;
  grant->state = grant::State::kActive;
  if (!ledger_.update(*grant)) {
    return refuse(ErrorCode::kInternal, "the certificate could not be stored");
  }
  return done;
}

wire::Result<wire::RenewReply> DeviceEnrollment::on_renew(ByteSpan message, const SpkiHash& agent,
                                                          const Digest256& exporter) {
  const auto request = wire::decode<wire::RenewRequest>(message);
  if (!request) {
    return fail(request.error());
  }
  auto grant = ledger_.find(agent, request->grant);
  if (!grant || grant->state != grant::State::kActive) {
    return refuse(ErrorCode::kNotGranted, "no such grant of this agent");
  }
  // Not kNotGranted: that would say that the grant is gone.
  if (grant->suspended) {
    return refuse(ErrorCode::kNotAllowed, "the grant is suspended");
  }
  if (!grant->next_key) {
    grant->next_key = crypto::PrivateKey::generate();
    grant->next_csr = crypto::make_csr(*grant->next_key);
    if (!ledger_.update(*grant)) {
      return refuse(ErrorCode::kInternal, "the new key could not be stored");
    }
  }
  return wire::RenewReply{grant->next_csr,
                          grant->key.sign(renew_statement(grant->id, grant->next_csr, exporter)),
                          identity_.discovery_key};
}

}  // namespace latchkey::enroll
