#include "shown_grant.h"

#include <nlohmann/json.hpp>

#include "agent/proof.h"
#include "agent/reply.h"
#include "wire/names.h"

namespace latchkey::agentd {

nlohmann::json shown_grant(const Context& context, const grant::AgentGrant& grant) {
  agent::Records& records = context.desk.records();
  nlohmann::json shown =
      agent::grant_json(grant, records.binding(grant.device), context.desk.trust());
  shown["device"][std::string(wire::kOtherKey)] = context.other_key.contains(grant.device);
  // As long as it is due, what was made last may not have arrived.
  const bool arrived = grant.renew_at > context.desk.now();
  shown.update(
      agent::proof_json(grant, arrived ? grant::Unconfirmed{} : records.unconfirmed(grant.id)));
  return shown;
}

}  // namespace latchkey::agentd
