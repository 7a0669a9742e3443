// Enrolment on the device (docs/protocol.md sections 4 and 7): offers, certificates, renewal. The
// same for the sealed pairing channel and for the management channel; only the transcript differs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attest/statement.h"
#include "base/clock.h"
#include "base/ids.h"
#include "crypto/keys.h"
#include "grant/grant.h"
#include "wire/messages.h"

namespace latchkey::enroll {

// Where the device's grants live. Each mutation is one durable transaction: true means that it
// survives a power cut, false that nothing changed.
class DeviceLedger {
 public:
  virtual ~DeviceLedger() = default;
  virtual std::optional<grant::DeviceGrant> find(const SpkiHash& agent, const GrantId& id) = 0;
  virtual std::optional<grant::DeviceGrant> find_host(const HostName& host) = 0;
  // Stores the binding, where it is new, and the pending grant together.
  virtual bool add_pending(const grant::BoundAgent& agent, const grant::DeviceGrant& grant) = 0;
  // Replaces the row of (agent, id).
  virtual bool update(const grant::DeviceGrant& grant) = 0;
  // How many grants this agent holds here.
  virtual std::size_t count(const SpkiHash& agent) = 0;
};

struct DeviceIdentity {
  crypto::PrivateKey boot_key;
  std::string name, type, model, firmware;
  ByteArray<32> discovery_key{};
  std::uint16_t port = 0;
  // Proves the make; null where this device has no such key. Outlives the device.
  attest::Attester* attester = nullptr;
};

class DeviceEnrollment {
 public:
  static constexpr std::size_t kMaxGrantsPerAgent = 256;

  DeviceEnrollment(DeviceLedger& ledger, const DeviceIdentity& identity)
      : ledger_(ledger), identity_(identity) {}

  // Steps 1 and 2. `offer` as received; `th`: transcript hash or exporter; `agent`: the key of the
  // management channel, which the offer's must equal (nothing on the pairing channel).
  // An offer repeated with the same content gets the same CSR, attested anew for this channel.
  // kInternal where there is an attester and it cannot sign: nothing is stored then.
  wire::Result<wire::CsrMessage> on_offer(ByteSpan offer, const Digest256& th,
                                          const std::optional<SpkiHash>& agent, WallTime now);
  // Steps 3 and 4. `agent`: whose grant it is. Repeating it is harmless. `now` is the agent's time:
  // the device's own clock may be wrong. kNotAllowed while the grant is suspended; so for on_renew.
  wire::Result<wire::DoneMessage> on_certificate(ByteSpan message, const SpkiHash& agent,
                                                 WallTime now);
  // POST /renew. A new key each time a renewal begins; repeated until /certificate ends it.
  wire::Result<wire::RenewReply> on_renew(ByteSpan message, const SpkiHash& agent,
                                          const Digest256& exporter);

 private:
  DeviceLedger& ledger_;
  const DeviceIdentity& identity_;
};

// SHA-256 over an offer with nonce and now left out.
Digest256 offer_digest(const wire::Offer& offer);

}  // namespace latchkey::enroll
