// Requests of the control page and of the commands like it: pausing, looking closer, forgetting;
// and moving, after which the agent ends.
#include <nlohmann/json.hpp>

#include "agent/control.h"
#include "client.h"
#include "device_link.h"
#include "moving.h"

namespace latchkey::agentd {

using nlohmann::json;
using wire::ErrorCode;

// On disk first, then the browser, then the device: as with everything that is held.
net::Task<Client::Reply> Client::set_paused(GrantId id, bool paused) {
  const auto found = grant(id);
  if (!found) {
    co_return fail(found.error());
  }
  const auto now = context_->desk.set_paused(id, paused);
  if (!now) {
    co_return fail(now.error());
  }
  context_->changed(*now);
  const auto binding = context_->desk.records().binding(now->device);
  const bool held = now->state == grant::State::kSuspended;
  bool told = held == now->told_held;
  if (!told && binding) {
    const auto link = co_await DeviceLink::reach(context_, *binding);
    if (link) {
      const auto heard = co_await (*link)->tell_held(id, held);
      told = heard.has_value();
    }
  }
  // Renewing what ran out meanwhile, and trying again what the device has not heard.
  context_->look_after();
  co_return json{{"grant", shown(*now)}, {"delivered", told}};
}

Client::Reply Client::on_grants_details(const agent::GrantsDetails& details) {
  const auto found = grant(details.id);
  if (!found) {
    return fail(found.error());
  }
  json out = agent::details_json(*found, context_->desk.records().binding(found->device),
                                 context_->desk.trust());
  out["grant"] = shown(*found);
  return out;
}

agent::Sight Client::sight() const {
  return {connection_.sees_everything(),
          [this](const grant::Standing& grant) { return connection_.sees(grant); }};
}

Client::Reply Client::on_devices_list() {
  agent::Records& records = context_->desk.records();
  return agent::devices_json(records.bindings(), records.standings(), sight(),
                             context_->desk.trust());
}

net::Task<Client::Reply> Client::forget(DeviceId device) {
  const auto ended = context_->desk.forget(device, sight());
  if (!ended) {
    co_return fail(ended.error());
  }
  for (const grant::AgentGrant& one : *ended) {
    context_->changed(one);
  }
  bool told = true;
  for (const agent::OwedForgetting& owed : context_->desk.records().owed_forgettings()) {
    if (owed.binding.device == device) {
      // Step by step: g++ 12 runs the second operand of "a && co_await b && c" without asking a.
      const auto link = co_await DeviceLink::reach(context_, owed.binding);
      if (!link) {
        told = false;
        continue;
      }
      const auto heard = co_await (*link)->tell_forgotten(owed);
      told = told && heard.has_value();
    }
  }
  for (const agent::OwedDeletion& owed : context_->desk.records().owed()) {
    told = told && owed.device != device;
  }
  context_->look_after();
  co_return json{{"ended", ended->size()}, {"delivered", told}};
}

// Asked of the device each time: nothing of other people is kept here.
net::Task<Client::Reply> Client::people(DeviceId device) {
  agent::Records& records = context_->desk.records();
  const auto binding = records.binding(device);
  bool in_sight = connection_.sees_everything();
  for (const grant::AgentGrant& one : records.grants_of_device(device)) {
    in_sight = in_sight || (one.state != grant::State::kRevoked && connection_.sees(one));
  }
  if (!binding || !in_sight) {
    co_return fail(agent::error(ErrorCode::kNotGranted));
  }
  const auto link = co_await DeviceLink::reach(context_, *binding);
  if (!link) {
    co_return fail(agent::error(link.error().code));
  }
  agent::PeopleSight what{connection_.sees_everything(),
                          [this](const GrantId& id) { return grant(id).has_value(); }};
  auto people = co_await (*link)->people(std::move(what));
  if (!people) {
    co_return fail(agent::error(people.error().code));
  }
  co_return *std::move(people);
}

net::Task<void> Client::import_and_end(std::shared_ptr<Client> self, std::uint64_t id,
                                       agent::BackupImport import) {
  const auto reply = co_await import_backup(self->context_, std::move(import));
  self->answer(id, reply);
  if (reply) {
    self->channel_->close_after_send();
  }
}

}  // namespace latchkey::agentd
