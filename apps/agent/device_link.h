// What the agent does with a device it is bound to, over one management connection.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "agent/people.h"
#include "agent/upkeep.h"
#include "context.h"
#include "net/device_client.h"
#include "wire/error.h"

namespace latchkey::agentd {

class DeviceLink {
 public:
  // Finds the device, where it was seen last or wherever discovery sees it now, and connects. Any
  // other key than the pinned one counts as nobody there; the context remembers it.
  static net::Task<wire::Result<std::unique_ptr<DeviceLink>>> reach(Context* context,
                                                                    grant::Binding binding);
  // The same at addresses that are known to be its. `other_key` of the error tells another device.
  struct ReachError {
    bool other_key = false;
    wire::Error error;
  };
  static net::Task<latchkey::Result<std::unique_ptr<DeviceLink>, ReachError>> reach_at(
      Context* context, grant::Binding binding, net::Endpoints endpoints);

  // Whether the device still knows this agent. not_granted: it took this agent's access
  // away; its grants are suspended.
  net::Task<wire::Result<void>> check_in();
  // An offer that was planned, up to the certificate that is installed.
  net::Task<wire::Result<grant::AgentGrant>> enrol(enroll::AgentDesk::Planned planned);
  net::Task<wire::Result<void>> renew(GrantId id);
  // What is held is served to nobody there; `held` false: it is back.
  net::Task<wire::Result<void>> tell_held(GrantId id, bool held);
  // With whom people sign in from now on, of a grant that the device has.
  net::Task<wire::Result<void>> tell_sign_in(GrantId id, SignInOffer sso);
  net::Task<wire::Result<void>> tell_ended(agent::OwedDeletion owed);
  // Who uses the device and what happened there, as agent/people.h shows it.
  net::Task<wire::Result<nlohmann::json>> people(agent::PeopleSight sight);
  // The device forgets this agent and all its grants.
  net::Task<wire::Result<void>> tell_forgotten(agent::OwedForgetting owed);
  // All of it; an error of one does not stop the others. Whether all went well.
  net::Task<bool> visit(agent::Visit visit);

  [[nodiscard]] const net::Endpoint& endpoint() const { return client_->endpoint(); }

 private:
  DeviceLink(Context* context, grant::Binding binding, std::unique_ptr<net::ManageClient> client)
      : context_(context), binding_(std::move(binding)), client_(std::move(client)) {}
  net::Task<wire::Result<Bytes>> ask(std::string method, std::string target, Bytes body);
  net::Task<wire::Result<std::uint16_t>> deliver(wire::CertMessage certificate);
  net::Task<wire::Result<void>> complete(GrantId id);
  net::Task<wire::Result<wire::CertMessage>> ask_renewal(GrantId id);
  net::Task<void> announce_new_ca(GrantId id);
  // The device said not_granted: does it not know the grant, or not know us? Draws the consequence.
  net::Task<void> on_not_granted(GrantId id);

  Context* context_;
  grant::Binding binding_;
  std::unique_ptr<net::ManageClient> client_;
};

wire::Error wire_error(const net::DeviceError& error);

// Addresses where services with this device's rid were seen, now or within `wait`. Where there are
// none, those that answered for the hosts that it serves: a device replaces its discovery key when
// any binding ends, and may have moved before this agent got the new one. They only find: the key
// is what makes a device known.
net::Task<net::Endpoints> search(Context* context, grant::Binding binding,
                                 std::chrono::milliseconds wait, net::Endpoints tried = {});

}  // namespace latchkey::agentd
