// What the agent decides about grants: who gets which host, what is signed, what ends when. All of
// it over Records; no sockets, no timers.
//
// One owner per host: a host belongs to one (device, origin) until its last leaf has expired, in
// all profiles of this user.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/error.h"
#include "agent/ports.h"
#include "base/random.h"
#include "enroll/agent.h"
#include "enroll/session.h"
#include "grant/ticket.h"

namespace latchkey::agent {

// An offer is repeated for so long when its end was lost; then it is dropped.
inline constexpr seconds kPendingLife{86400};
// Hosts of ended grants stay blocked for so long after the last leaf.
inline constexpr seconds kBlockAfter{86400};
// Ended ones whose host is still blocked count too.
inline constexpr std::size_t kMaxGrants = 20000;
// A leaf is renewed at half its life or up to so much later: grants that were made together are not
// renewed together. When, is the grant's own and the same each time.
inline constexpr seconds kRenewSpread{12L * 3600};
// A grant's CA with less than this left is replaced at the next renewal, by one with a new key.
inline constexpr seconds kRollOverBefore{60L * 86400};

// What a person chose.
struct Wish {
  ProfileId profile;
  std::optional<Origin> origin;  // nothing: direct
  std::string type;
  std::optional<HostName> direct_host;            // direct: what the person confirmed
  std::optional<SignInOffer> sso = std::nullopt;  // not direct: what the web service named
};

// Which grants somebody may see. `everything`: all there are, and devices without any.
struct Sight {
  bool everything = true;
  std::function<bool(const grant::Standing&)> sees = [](const auto&) { return true; };
};

class GrantDesk {
 public:
  GrantDesk(Records& records, Random& random, const Clock& clock, const TrustSource& trust)
      : records_(records), random_(random), clock_(clock), trust_(trust) {}

  // --- making ---

  // Why providers or the administrator refuse this wish, before anything is asked of a device.
  [[nodiscard]] std::optional<wire::ErrorCode> refusal(const std::optional<Origin>& origin) const;

  // The active grant, held by nothing, that already is what this wish asks for; its last leaf may
  // have expired.
  [[nodiscard]] std::optional<grant::AgentGrant> existing(const Wish& wish,
                                                          const DeviceId& device) const;
  // Ids and keys for a new grant, stored as pending; or the pending one of an earlier try, whose
  // offer may name another provider than the wish: then the device is told afterwards. A device
  // without a binding gets one that waits to be bound. kNameConflict: the host has another owner.
  // kOriginRevoked, kMetadataStale, kNotAllowed, kDeviceRevoked: as refusal(), or the device's
  // make.
  wire::Result<enroll::AgentDesk::Planned> plan(const Wish& wish, const DeviceId& device);
  // The offer of a pending grant, to be repeated.
  wire::Result<enroll::AgentDesk::Planned> plan_again(const grant::AgentGrant& pending) const;
  // Judges the make of the device; signs the certificate; stores it together with the binding.
  // kAttestationFailed also where a device shows less than it did before.
  wire::Result<wire::CertMessage> issue(const GrantId& id, const wire::CsrMessage& message,
                                        const enroll::AcceptedCsr& accepted);
  // The device has installed it: the grant is active.
  wire::Result<void> installed(const GrantId& id, std::uint16_t port);
  // Where the device was reached. Its grants follow it to another port: those that did.
  std::vector<grant::AgentGrant> seen_at(const DeviceId& device, std::string_view address,
                                         std::uint16_t port);

  // --- renewing ---

  // Keys that a request of this device may not be for: they have another use already.
  [[nodiscard]] std::vector<SpkiHash> forbidden_keys(const DeviceId& device) const;
  // Judges the device's answer to /renew and signs. The new leaf is stored before it is sent, and
  // stays due until delivered(). The CA may be a new one: compare the grant's before and after.
  wire::Result<wire::CertMessage> renew(const GrantId& id, const wire::RenewReply& reply,
                                        const Digest256& exporter);
  // A certificate for the key of the last leaf, in case the device never got that one. Harmless
  // when it did.
  wire::Result<wire::CertMessage> certificate_again(const GrantId& id);
  // The device has installed what renew() or certificate_again() made, and serves it at `port`.
  std::optional<grant::AgentGrant> delivered(const GrantId& id, std::uint16_t port);

  // --- ending ---

  // Revoked here and now; the device is owed the news. Nothing when there is nothing to end.
  std::optional<grant::AgentGrant> revoke(const GrantId& id);
  // The person pauses a grant, or lets it go on: as it is now. What a provider holds stays held
  // when the person lets it go on. kNotGranted: it has ended, is not finished, or was forgotten by
  // the device.
  Result<grant::AgentGrant> set_paused(const GrantId& id, bool paused);
  // As above, of the paused grant that is what this wish asks for: who allows it anew wants it
  // back.
  std::optional<grant::AgentGrant> unpause(const Wish& wish, const DeviceId& device);
  // Ends every grant on this device that `sight` takes in; those that ended. Where none of somebody
  // else's is left the device is forgotten: its code is needed again. kNotGranted: there is no such
  // device, or nothing on it is seen.
  Result<std::vector<grant::AgentGrant>> forget(const DeviceId& device, const Sight& sight);
  // The pinned device does not know this agent any more: its grants are suspended. Which ones.
  std::vector<grant::AgentGrant> device_forgot(const DeviceId& device);
  // The pinned device knows this agent, but not this grant.
  std::optional<grant::AgentGrant> device_dropped(const GrantId& id);
  // Ends pending grants that were never finished, and forgets ended ones whose block is over. Costs
  // nothing when there are none.
  void sweep();

  // --- using ---

  struct Ticket {
    std::string ticket;
    std::string url;
    WallTime expires;
  };
  Result<Ticket> mint(const GrantId& id, const std::optional<Origin>& origin,
                      const std::optional<grant::TicketNonce>& nonce);

  [[nodiscard]] Records& records() const { return records_; }
  [[nodiscard]] WallTime now() const { return clock_.wall_now(); }
  [[nodiscard]] Random& random() const { return random_; }
  [[nodiscard]] const attest::Trust& trust() const { return trust_.trust(); }

 private:
  [[nodiscard]] std::optional<wire::Error> judge(const grant::Binding& binding,
                                                 const enroll::AcceptedCsr& shown) const;
  struct Names {
    HostName host;
    std::string subject;
  };
  // What the grant of this wish is called; none where the name is another's.
  [[nodiscard]] std::optional<Names> names_for(const Wish& wish, const DeviceId& device) const;
  [[nodiscard]] bool host_is_free(const HostName& host, const Wish& wish,
                                  const DeviceId& device) const;
  [[nodiscard]] std::optional<grant::AgentGrant> pending(const Wish& wish,
                                                         const DeviceId& device) const;
  wire::Result<wire::CertMessage> sign(grant::AgentGrant& grant, const crypto::PublicKey& key);
  // Puts away what holds the host of this wish and is of no use any more.
  void make_room(const HostName& host, const Wish& wish, const DeviceId& device);
  Records& records_;
  Random& random_;
  const Clock& clock_;
  const TrustSource& trust_;
  pki::Known known_;
};

// When the leaf of this grant is renewed.
WallTime renewal_time(const GrantId& id, const pki::LeafInfo& leaf);
// "https://host", with the port where it is not 443.
std::string url_of(const grant::AgentGrant& grant);
// Until when the host of a grant that ends, or is suspended, stays blocked.
WallTime block_until(const grant::AgentGrant& grant);
// The kind of device it was made for.
std::string type_of(const grant::AgentGrant& grant, const std::optional<grant::Binding>& binding);
bool has_ended(const grant::AgentGrant& grant);  // revoked or suspended
// Whether this is what the wish asks for on this device, whatever became of it.
bool is_for(const grant::AgentGrant& grant, const Wish& wish, const DeviceId& device);

// The desk as one pairing session sees it.
class PairingDesk : public enroll::AgentDesk {
 public:
  PairingDesk(GrantDesk& desk, Wish wish) : desk_(desk), wish_(std::move(wish)) {}
  wire::Result<Planned> plan(const DeviceId& device) override;
  wire::Result<wire::CertMessage> issue(const GrantId& grant, const wire::CsrMessage& message,
                                        const enroll::AcceptedCsr& accepted) override;
  wire::Result<void> installed(const GrantId& grant, std::uint16_t port) override;

 private:
  GrantDesk& desk_;
  Wish wish_;
};

}  // namespace latchkey::agent
