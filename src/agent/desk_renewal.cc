// Renewal: new leaves for new keys, and a new CA for a grant whose CA comes to its end.
#include <algorithm>
#include <utility>

#include "agent/desk.h"
#include "agent/sentinel.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "crypto/x509.h"

namespace latchkey::agent {
namespace {

using grant::AgentGrant;
using grant::State;
using wire::ErrorCode;

constexpr seconds kRenewAgain{3600};

tl::unexpected<wire::Error> no(ErrorCode code, std::string detail) {
  return fail(wire::Error{code, std::move(detail), false});
}

SpkiHash hash_of(const crypto::PrivateKey& key) {
  return key.public_key().spki_hash();
}

// It ends soon, has ended, was made while the clock was ahead, or hangs under a root that was
// replaced.
bool needs_new_ca(const AgentGrant& grant, const pki::Authority& root, const Clock& clock,
                  pki::Known& known) {
  const auto ca = known.parse(grant.ca_certificate);
  return !ca || ca->fields.not_after - clock.wall_now() < kRollOverBefore ||
         ca->fields.not_before > clock.system_now() ||
         ca->fields.authority_key_id != crypto::key_identifier(root.key.public_key());
}

}  // namespace

WallTime renewal_time(const GrantId& id, const pki::LeafInfo& leaf) {
  const Digest256 hash = crypto::sha256(id.span());
  const auto spread = static_cast<std::int64_t>((hash[0] << 16U) | (hash[1] << 8U) | hash[2]);
  return pki::renew_at(leaf) + seconds(spread % kRenewSpread.count());
}

wire::Result<wire::CertMessage> GrantDesk::sign(AgentGrant& grant, const crypto::PublicKey& key) {
  // Dates are for browsers, which ask the system's clock even where it was turned back.
  const WallTime dated = clock_.system_now();
  if (needs_new_ca(grant, records_.user_root(), clock_, known_)) {
    auto authority = pki::make_grant_ca(records_.user_root(), grant.host, dated, random_);
    if (authority) {
      grant.ca_key = authority->key;
      grant.ca_certificate = std::move(authority->certificate);
    }
  }
  const pki::Authority authority{grant.ca_key, grant.ca_certificate};
  auto leaf = pki::issue_leaf(authority, grant.host, key, dated, random_, known_);
  if (!leaf) {
    return no(
        leaf.error().code == pki::ErrorCode::kExpired ? ErrorCode::kExpired : ErrorCode::kInternal,
        leaf.error().detail);
  }
  const auto info = pki::check_chain(*leaf, grant.ca_certificate, records_.user_root().certificate,
                                     grant.host, now(), known_);
  if (!info) {
    return no(
        info.error().code == pki::ErrorCode::kExpired ? ErrorCode::kExpired : ErrorCode::kInternal,
        info.error().detail);
  }
  grant.leaf = *std::move(leaf);
  grant.not_after = std::max(grant.not_after, info->not_after);
  grant.renew_at = renewal_time(grant.id, *info);
  return wire::CertMessage{grant.id, grant.leaf, grant.ca_certificate, grant.renew_at};
}

// What a device could hold a second time is on the same device: keys of other devices, and the
// agent's own of other grants, are nothing it can sign a request with.
std::vector<SpkiHash> GrantDesk::forbidden_keys(const DeviceId& device) const {
  std::vector<SpkiHash> keys{hash_of(records_.user_root().key)};
  if (const auto binding = records_.binding(device)) {
    keys.push_back(hash_of(binding->management_key));
    keys.emplace_back(device.bytes());  // the hash of its bootstrap key
  }
  for (const AgentGrant& grant : records_.grants_of_device(device)) {
    // Read from its certificate: making it from the private key is a multiplication on the curve.
    if (const auto key = crypto::certificate_key(grant.ca_certificate)) {
      keys.push_back(key->spki_hash());
    }
    keys.push_back(hash_of(grant.ticket_key));
    if (!grant.leaf.empty()) {
      if (const auto key = crypto::certificate_key(grant.leaf)) {
        keys.push_back(key->spki_hash());
      }
    }
  }
  return keys;
}

wire::Result<wire::CertMessage> GrantDesk::renew(const GrantId& id, const wire::RenewReply& reply,
                                                 const Digest256& exporter) {
  auto grant = records_.grant(id);
  auto binding = grant ? records_.binding(grant->device) : std::nullopt;
  if (!binding || grant->state != State::kActive) {
    return no(ErrorCode::kCancelled, "the grant ended meanwhile");
  }
  if (const auto hold = demanded_hold(trust(), *grant, binding)) {
    return no(code_of(*hold), "revoked meanwhile");
  }
  const auto current = crypto::certificate_key(grant->leaf);
  if (!current) {
    return no(ErrorCode::kInternal, "the stored certificate cannot be read");
  }
  const auto key =
      enroll::check_renewal(reply, id, exporter, *current, forbidden_keys(grant->device));
  if (!key) {
    return fail(key.error());
  }
  auto certificate = sign(*grant, *key);
  if (!certificate) {
    return certificate;
  }
  grant->renew_at = now();
  binding->discovery_key = reply.discovery_key;
  if (!records_.save_renewed(*grant) || !records_.update_binding(*binding)) {
    return no(ErrorCode::kInternal, "the certificate could not be stored");
  }
  return certificate;
}

wire::Result<wire::CertMessage> GrantDesk::certificate_again(const GrantId& id) {
  auto grant = records_.grant(id);
  auto binding = grant ? records_.binding(grant->device) : std::nullopt;
  if (!binding || has_ended(*grant) || grant->leaf.empty()) {
    return no(ErrorCode::kCancelled, "the grant ended meanwhile");
  }
  if (const auto hold = demanded_hold(trust(), *grant, binding)) {
    return no(code_of(*hold), "revoked meanwhile");
  }
  const auto info = pki::check_chain(grant->leaf, grant->ca_certificate,
                                     records_.user_root().certificate, grant->host, now(), known_);
  if (info && pki::renew_at(*info) > now()) {
    return wire::CertMessage{grant->id, grant->leaf, grant->ca_certificate,
                             renewal_time(id, *info)};
  }
  const auto key = crypto::certificate_key(grant->leaf);
  if (!key) {
    return no(ErrorCode::kInternal, "the stored certificate cannot be read");
  }
  auto certificate = sign(*grant, *key);
  if (!certificate) {
    return certificate;
  }
  grant->renew_at = now();
  const bool saved = grant->state == State::kPending ? records_.save_issued(*binding, *grant)
                                                     : records_.save_renewed(*grant);
  if (!saved) {
    return no(ErrorCode::kInternal, "the certificate could not be stored");
  }
  return certificate;
}

std::optional<AgentGrant> GrantDesk::delivered(const GrantId& id, std::uint16_t port) {
  auto grant = records_.grant(id);
  if (!grant || grant->state != State::kActive) {
    return std::nullopt;
  }
  const auto info = pki::check_chain(grant->leaf, grant->ca_certificate,
                                     records_.user_root().certificate, grant->host, now(), known_);
  if (!info) {
    return std::nullopt;
  }
  // Where the clock was turned back far a new leaf is due again at once: not before the next hour.
  grant->renew_at = std::max(renewal_time(id, *info), now() + kRenewAgain);
  grant->port = port;
  return records_.save_renewed(*grant) ? grant : std::nullopt;
}

}  // namespace latchkey::agent
