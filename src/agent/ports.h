// What the agent's decisions need from outside, as small interfaces: implemented over src/store in
// the program and in memory in tests.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "attest/trust.h"
#include "base/clock.h"
#include "base/ids.h"
#include "grant/grant.h"
#include "grant/unconfirmed.h"
#include "pki/pki.h"

namespace latchkey::agent {

// A grant that ended here and that its device has not been told about yet.
struct OwedDeletion {
  std::int64_t id = 0;
  DeviceId device;
  GrantId grant;
};

// A whole device that was forgotten here and has not been told yet; `binding` as it was.
struct OwedForgetting {
  std::int64_t id = 0;
  grant::Binding binding;
};

// One user's records. Calls that change something are one durable transaction each: true means that
// it survives a power cut, false that nothing changed. A binding with bound_at 0 holds the
// management key of a device that has not accepted it yet.
class Records {
 public:
  virtual ~Records() = default;

  virtual ByteSpan user_secret() = 0;  // 32 bytes
  virtual const pki::Authority& user_root() = 0;

  virtual std::vector<grant::Binding> bindings() = 0;
  virtual std::optional<grant::Binding> binding(const DeviceId& device) = 0;
  virtual bool update_binding(const grant::Binding& binding) = 0;
  // The device forgot this agent; its active grants are suspended in the same step.
  virtual bool mark_reset(const DeviceId& device) = 0;

  // Ended ones too; oldest first where there are several.
  virtual std::optional<grant::AgentGrant> grant(const GrantId& id) = 0;
  virtual std::vector<grant::AgentGrant> grants_of_device(const DeviceId& device) = 0;
  virtual std::vector<grant::AgentGrant> grants_of_host(const HostName& host) = 0;
  // At most so many of all grants, beginning after a grant. Nothing: that grant is gone, and the
  // reader begins again.
  struct Page {
    std::optional<GrantId> after;
    std::size_t at_most = 0;
  };
  virtual std::optional<std::vector<grant::AgentGrant>> grants_page(const Page& page) = 0;
  virtual std::size_t grant_count() = 0;

  // What is to be done, by index: what is not due is not read.
  virtual std::vector<grant::Standing> renewals_due(WallTime now) = 0;  // most urgent first
  virtual std::optional<WallTime> next_renewal(WallTime after) = 0;     // the first later one
  virtual std::vector<grant::AgentGrant> pending() = 0;                 // oldest first
  virtual std::optional<WallTime> oldest_pending() = 0;                 // when it was planned
  virtual std::optional<WallTime> next_purge() = 0;                     // see purge()
  // Grants whose device has not heard yet that they rest or are back, and active ones made after
  // `since`.
  virtual std::vector<grant::Standing> news(WallTime since) = 0;
  virtual std::vector<grant::Standing> standings() = 0;  // of all that have not ended
  // The binding and a pending grant, each new or changed: as planned, or with its certificate.
  // False also where the host belongs to somebody else.
  virtual bool save_pending(const grant::Binding& binding, const grant::AgentGrant& grant) = 0;
  virtual bool save_issued(const grant::Binding& binding, const grant::AgentGrant& grant) = 0;
  virtual bool activate(const GrantId& id, std::uint16_t port) = 0;
  // CA, leaf, dates and port of a grant that is active.
  virtual bool save_renewed(const grant::AgentGrant& grant) = 0;
  // What save_renewed() replaced and the device may still show.
  virtual grant::Unconfirmed unconfirmed(const GrantId& id) = 0;
  // active -> suspended, or another reason; never what a device has forgotten.
  virtual bool suspend(const GrantId& id, grant::Hold hold) = 0;
  virtual bool resume(const GrantId& id) = 0;  // the same
  // By the person; grant::set_paused says what it means.
  virtual bool set_paused(const GrantId& id, bool paused) = 0;
  // What the device heard last.
  virtual bool told_held(const GrantId& id, bool held) = 0;
  // Ends it; its deletion is owed to the device.
  virtual bool revoke(const GrantId& id, WallTime block_until) = 0;
  // Every trace of a pending grant that got no certificate.
  virtual bool discard(const GrantId& id) = 0;
  virtual void touch(const GrantId& id, WallTime used) = 0;
  // Ended grants whose block is over.
  virtual void purge() = 0;

  virtual std::vector<OwedDeletion> owed() = 0;
  virtual bool settle(const OwedDeletion& owed) = 0;

  // Ends all grants of a device and its binding, in one step; the device is owed the news.
  virtual bool forget_device(const DeviceId& device, WallTime block_until) = 0;
  virtual std::vector<OwedForgetting> owed_forgettings() = 0;
  virtual bool settle(const OwedForgetting& owed) = 0;
};

// What the providers say at this moment.
class TrustSource {
 public:
  virtual ~TrustSource() = default;
  [[nodiscard]] virtual const attest::Trust& trust() const = 0;
};

}  // namespace latchkey::agent
