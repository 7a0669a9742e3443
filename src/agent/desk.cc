#include "agent/desk.h"

#include <algorithm>
#include <utility>

#include "agent/sentinel.h"
#include "base/encoding.h"
#include "crypto/keys.h"
#include "crypto/x509.h"

namespace latchkey::agent {
namespace {

// Names that one profile may have lost to others for one web service on one device.
constexpr std::uint8_t kMaxTurns = 16;

using grant::AgentGrant;
using grant::State;
using wire::ErrorCode;
using Planned = enroll::AgentDesk::Planned;

tl::unexpected<wire::Error> no(ErrorCode code, std::string detail) {
  return fail(wire::Error{code, std::move(detail), false});
}

}  // namespace

std::string url_of(const AgentGrant& grant) {
  const std::string port = grant.port == 443 ? "" : ":" + std::to_string(grant.port);
  return "https://" + grant.host.text() + port;
}

std::string type_of(const AgentGrant& grant, const std::optional<grant::Binding>& binding) {
  const std::string_view label = grant.host.label();
  if (grant.origin && label.size() > 13) {
    return std::string(label.substr(0, label.size() - 13));
  }
  return binding ? binding->type : std::string();
}

bool is_for(const AgentGrant& grant, const Wish& wish, const DeviceId& device) {
  return grant.profile == wish.profile && grant.device == device && grant.origin == wish.origin;
}

bool has_ended(const AgentGrant& grant) {
  return grant.state == State::kRevoked || grant.state == State::kSuspended;
}

WallTime block_until(const AgentGrant& grant) {
  return grant.leaf.empty() ? grant.created : grant.not_after + kBlockAfter;
}

// --- making ---

std::optional<AgentGrant> GrantDesk::existing(const Wish& wish, const DeviceId& device) const {
  for (AgentGrant& grant : records_.grants_of_device(device)) {
    if (grant.state == State::kActive && is_for(grant, wish, device) &&
        !demanded_hold(trust(), grant, records_.binding(device))) {
      return std::move(grant);
    }
  }
  return std::nullopt;
}

std::optional<AgentGrant> GrantDesk::pending(const Wish& wish, const DeviceId& device) const {
  const auto names = names_for(wish, device);
  for (AgentGrant& grant : records_.grants_of_device(device)) {
    if (names && grant.state == State::kPending && is_for(grant, wish, device) &&
        grant.host == names->host && now() - grant.created < kPendingLife) {
      return std::move(grant);
    }
  }
  return std::nullopt;
}

std::optional<GrantDesk::Names> GrantDesk::names_for(const Wish& wish,
                                                     const DeviceId& device) const {
  const auto subject = [&](std::uint8_t turn) {
    return grant::pairwise_subject(records_.user_secret(), wish.profile, wish.origin, device, turn);
  };
  if (!wish.origin) {
    if (!wish.direct_host || !host_is_free(*wish.direct_host, wish, device)) {
      return std::nullopt;
    }
    return Names{*wish.direct_host, subject(0)};
  }
  for (std::uint8_t turn = 0; turn < kMaxTurns; ++turn) {
    auto host = grant::pairwise_host(records_.user_secret(), wish.type, wish.profile, *wish.origin,
                                     device, turn);
    if (host_is_free(host, wish, device)) {
      return Names{std::move(host), subject(turn)};
    }
  }
  return std::nullopt;
}

bool GrantDesk::host_is_free(const HostName& host, const Wish& wish, const DeviceId& device) const {
  for (const AgentGrant& grant : records_.grants_of_host(host)) {
    const bool same_service = grant.device == device && grant.origin == wish.origin;
    const bool over = has_ended(grant) && grant.not_after <= now();
    // Another profile may hold what was this one's: it was adopted.
    const bool put_away = grant.state == State::kRevoked && same_service;
    if (!is_for(grant, wish, device) && !over && !put_away) {
      return false;
    }
  }
  return true;
}

void GrantDesk::make_room(const HostName& host, const Wish& wish, const DeviceId& device) {
  for (const AgentGrant& grant : records_.grants_of_host(host)) {
    const bool own = is_for(grant, wish, device) && grant.state != State::kActive;
    const bool over = grant.state == State::kSuspended && grant.not_after <= now();
    if (own || over) {
      revoke(grant.id);
    }
  }
}

std::optional<ErrorCode> GrantDesk::refusal(const std::optional<Origin>& origin) const {
  return trust().refuses_origin(origin, now());
}

// A device's make, by what it has shown now and what it showed before.
std::optional<wire::Error> GrantDesk::judge(const grant::Binding& binding,
                                            const enroll::AcceptedCsr& shown) const {
  const attest::Evidence* evidence = shown.evidence ? &*shown.evidence : nullptr;
  if (const auto code = trust().refuses_device(evidence, shown.type)) {
    return wire::Error{*code, "the device's make is refused", false};
  }
  const auto before = evidence_of(binding);
  if (!binding.evidence.empty() && evidence == nullptr) {
    return wire::Error{ErrorCode::kAttestationFailed, "the device showed proof of its make before",
                       false};
  }
  using attest::DeviceState;
  if (before && trust().device(&*before).state == DeviceState::kProven &&
      trust().device(evidence).state != DeviceState::kProven) {
    return wire::Error{ErrorCode::kAttestationFailed, "the device showed a better proof before",
                       false};
  }
  return std::nullopt;
}

wire::Result<Planned> GrantDesk::plan(const Wish& wish, const DeviceId& device) {
  if (const auto code = refusal(wish.origin)) {
    return no(*code, "refused by providers or the administrator");
  }
  const auto names = names_for(wish, device);
  if (!names) {
    return no(ErrorCode::kNameConflict, "no usable name, or it belongs to another");
  }
  const HostName& host = names->host;
  auto binding = records_.binding(device);
  if (const auto shown = binding ? evidence_of(*binding) : std::nullopt;
      shown && trust().device(&*shown).state == attest::DeviceState::kRevoked) {
    return no(ErrorCode::kDeviceRevoked, "the device's make is revoked");
  }
  if (auto earlier = pending(wish, device); earlier && binding) {
    return plan_again(*earlier);
  }
  make_room(host, wish, device);
  if (records_.grant_count() >= kMaxGrants) {
    return no(ErrorCode::kInternal, "too many grants");
  }
  if (!binding) {
    binding = grant::Binding{
        device, {}, crypto::PrivateKey::generate(), {}, {}, wish.type, {}, {}, {}, 0, {}, false};
  }
  auto authority = pki::make_grant_ca(records_.user_root(), host, now(), random_);
  if (!authority) {
    return no(ErrorCode::kInternal, authority.error().detail);
  }
  const auto ticket_key = crypto::PrivateKey::generate();
  wire::Offer offer{GrantId::make(random_),
                    wish.origin,
                    host,
                    random_.bytes<32>(),
                    binding->management_key.public_key().spki(),
                    ticket_key.public_key().spki(),
                    names->subject,
                    now(),
                    wish.sso};
  const AgentGrant grant{.id = offer.grant,
                         .profile = wish.profile,
                         .device = device,
                         .origin = wish.origin,
                         .host = host,
                         .sub = offer.sub,
                         .ca_key = authority->key,
                         .ca_certificate = authority->certificate,
                         .ticket_key = ticket_key,
                         .offer = wire::encode(offer),
                         .leaf = {},
                         .not_after = {},
                         .renew_at = {},
                         .port = 0,
                         .state = State::kPending,
                         .created = now(),
                         .last_used = {},
                         .block_until = {}};
  if (!records_.save_pending(*binding, grant)) {
    return no(ErrorCode::kInternal, "the grant could not be stored");
  }
  return Planned{std::move(offer), wish.type, forbidden_keys(device)};
}

wire::Result<Planned> GrantDesk::plan_again(const AgentGrant& pending) const {
  if (const auto hold = demanded_hold(trust(), pending, records_.binding(pending.device))) {
    return no(code_of(*hold), "revoked meanwhile");
  }
  auto offer = wire::decode<wire::Offer>(pending.offer);
  if (!offer) {
    return no(ErrorCode::kInternal, "the stored offer cannot be read");
  }
  offer->nonce = random_.bytes<32>();
  offer->now = now();
  // A device that already answered keeps its key: that key is this grant's own.
  auto forbidden = forbidden_keys(pending.device);
  if (!pending.leaf.empty()) {
    if (const auto key = crypto::certificate_key(pending.leaf)) {
      std::erase(forbidden, key->spki_hash());
    }
  }
  return Planned{*std::move(offer), type_of(pending, records_.binding(pending.device)),
                 std::move(forbidden)};
}

wire::Result<wire::CertMessage> GrantDesk::issue(const GrantId& id, const wire::CsrMessage& message,
                                                 const enroll::AcceptedCsr& accepted) {
  auto grant = records_.grant(id);
  auto binding = grant ? records_.binding(grant->device) : std::nullopt;
  if (!binding || grant->state != State::kPending) {
    return no(ErrorCode::kCancelled, "the grant ended meanwhile");
  }
  if (const auto hold = demanded_hold(trust(), *grant, std::nullopt)) {
    return no(code_of(*hold), "revoked meanwhile");
  }
  if (auto refused = judge(*binding, accepted)) {
    return fail(*std::move(refused));
  }
  if (binding->bound_at == WallTime{}) {
    binding->bound_at = now();
  }
  binding->boot_spki = message.boot_spki;
  binding->discovery_key = message.discovery_key;
  binding->name = accepted.name;
  binding->type = accepted.type;
  binding->model = accepted.model;
  binding->firmware = accepted.firmware;
  binding->reset = false;
  binding->evidence = accepted.evidence ? attest::encode_evidence(*accepted.evidence) : Bytes();
  auto certificate = sign(*grant, accepted.key);
  if (certificate && !records_.save_issued(*binding, *grant)) {
    return no(ErrorCode::kInternal, "the certificate could not be stored");
  }
  return certificate;
}

wire::Result<void> GrantDesk::installed(const GrantId& id, std::uint16_t port) {
  const auto grant = records_.grant(id);
  if (!grant || grant->state != State::kPending || grant->leaf.empty()) {
    return no(ErrorCode::kCancelled, "the grant ended meanwhile");
  }
  if (!records_.activate(id, port)) {
    return no(ErrorCode::kInternal, "the grant could not be stored");
  }
  return {};
}

std::vector<AgentGrant> GrantDesk::seen_at(const DeviceId& device, std::string_view address,
                                           std::uint16_t port) {
  std::vector<AgentGrant> moved;
  auto binding = records_.binding(device);
  if (!binding || (binding->address == address && binding->port == port)) {
    return moved;
  }
  const std::uint16_t old_port = std::exchange(binding->port, port);
  binding->address = address;
  if (old_port != port) {
    for (AgentGrant& grant : records_.grants_of_device(device)) {
      const bool follows = grant.state == State::kActive || grant.state == State::kSuspended;
      // One that is served elsewhere on purpose stays there.
      if (follows && grant.port == old_port) {
        grant.port = port;
        if (records_.save_renewed(grant)) {
          moved.push_back(std::move(grant));
        }
      }
    }
  }
  // Last: where this is lost, the grants follow the next time.
  records_.update_binding(*binding);
  return moved;
}

// --- using ---

Result<GrantDesk::Ticket> GrantDesk::mint(const GrantId& id, const std::optional<Origin>& origin,
                                          const std::optional<grant::TicketNonce>& nonce) {
  auto grant = records_.grant(id);
  if (!grant || grant->origin != origin) {
    return fail(error(ErrorCode::kNotGranted));
  }
  // Asked here again: what is revoked opens nothing, even where its suspension could not be stored.
  const auto hold = demanded_hold(trust(), *grant, records_.binding(grant->device));
  if (const auto why = grant->hold ? grant->hold : hold) {
    return fail(error(code_of(*why)));
  }
  if (grant->state != State::kActive) {
    return fail(error(ErrorCode::kNotGranted));
  }
  if (grant->not_after <= now()) {
    return fail(error(ErrorCode::kExpired));
  }
  const grant::TicketClaims claims{grant->id,
                                   grant->host,
                                   grant->origin,
                                   grant->sub,
                                   now(),
                                   now() + (origin ? grant::kTicketLife : grant::kDirectTicketLife),
                                   grant::TicketId::make(random_),
                                   nonce};
  records_.touch(id, now());
  return Ticket{grant::mint_ticket(claims, grant->ticket_key), url_of(*grant), claims.expires};
}

// --- one pairing ---

wire::Result<Planned> PairingDesk::plan(const DeviceId& device) {
  return desk_.plan(wish_, device);
}

wire::Result<wire::CertMessage> PairingDesk::issue(const GrantId& grant,
                                                   const wire::CsrMessage& message,
                                                   const enroll::AcceptedCsr& accepted) {
  return desk_.issue(grant, message, accepted);
}

wire::Result<void> PairingDesk::installed(const GrantId& grant, std::uint16_t port) {
  return desk_.installed(grant, port);
}

}  // namespace latchkey::agent
