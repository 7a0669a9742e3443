// Names that devices are opened by: what to propose, with a look whether somebody in the network
// answers to it already.
#pragma once

#include <optional>
#include <string>

#include "agent/direct_name.h"
#include "context.h"
#include "net/device_client.h"

namespace latchkey::agentd {

struct NameWish {
  ProfileId profile;
  std::string type;
  net::Endpoints endpoints;  // the device's
  DeviceId device;
};

struct ProposedName {
  HostName host;
  std::optional<agent::NameTrouble> trouble;  // why it is not what was asked for
};

// The best name that is free; nothing where all that come to mind are taken. Takes about two
// seconds a name.
net::Task<std::optional<ProposedName>> propose_name(Context* context, NameWish wish,
                                                    std::string asked);

}  // namespace latchkey::agentd
