// The device's store, seen through the interfaces of the deciding libraries.
#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "enroll/device.h"
#include "front/management.h"
#include "store/device_store.h"

namespace latchkey::device {

// The ledger of enrolment.
class Ledger final : public enroll::DeviceLedger {
 public:
  explicit Ledger(store::DeviceStore& store) : store_(store) {}
  std::optional<grant::DeviceGrant> find(const SpkiHash& agent, const GrantId& id) override;
  std::optional<grant::DeviceGrant> find_host(const HostName& host) override;
  bool add_pending(const grant::BoundAgent& agent, const grant::DeviceGrant& grant) override;
  bool update(const grant::DeviceGrant& grant) override;
  std::size_t count(const SpkiHash& agent) override;

 private:
  store::DeviceStore& store_;
};

// What bound agents may see and change.
class Records final : public front::ManagementRecords {
 public:
  Records(store::DeviceStore& store, Random& random) : store_(store), random_(random) {}
  std::optional<grant::BoundAgent> agent(const SpkiHash& key) override;
  std::vector<grant::BoundAgent> agents() override;
  bool seen(const SpkiHash& agent, WallTime agent_now) override;
  std::vector<grant::DeviceGrant> grants_of(const SpkiHash& agent) override;
  bool confirm(const SpkiHash& agent, const GrantId& grant) override;
  bool set_suspended(const SpkiHash& agent, const GrantId& grant, bool suspended) override;
  bool set_sign_in(const SpkiHash& agent, const GrantId& grant, const SignInOffer& sso) override;
  bool delete_grant(const SpkiHash& agent, const GrantId& grant) override;
  bool delete_agent(const SpkiHash& agent) override;
  std::vector<front::AuditLine> audit(std::size_t at_most) override;
  // Reads the whole trail the first time.
  std::uint64_t number(const SpkiHash& agent) override;

 private:
  store::DeviceStore& store_;
  Random& random_;
  std::optional<front::People> people_;
};

}  // namespace latchkey::device
