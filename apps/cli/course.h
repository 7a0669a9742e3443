// The way from "which device?" to a grant: look around, choose, type the code, wait. What `grant`
// and `add` have in common.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "agent_link.h"
#include "look_around.h"
#include "terminal.h"
#include "wifi.h"

namespace latchkey::cli {

struct CourseOptions {
  std::string type;       // only this type; empty: all
  std::string device;     // only devices of this name
  std::string code;       // the code, or a pairing link
  std::string code_from;  // "-": a line of standard input
  double timeout = 5;     // for how many seconds to look
  bool nearby = false;    // by Bluetooth, too
  WifiOptions wifi = {};  // for a device nearby that asks for one
};

// Checks what was typed for --type and --profile (empty: not given) and reaches the agent.
Result<AgentLink> open_for_pairing(const std::string& socket, const std::string& type,
                                   const std::string& profile);

// Looks around and lets the person choose; warns where a name is like that of another device.
Result<nlohmann::json> choose_device(AgentLink& link, const Terminal& terminal,
                                     const CourseOptions& options);

// Begins with `begin` (origin and type of pair.begin; the device's key is added) and goes on to the
// end: the parameters of pair.done. `name`: the person's word on a proposed address (the reply with
// state "name"); the name to go on with.
using OnName = std::function<Result<std::string>(const nlohmann::json& proposed)>;
Result<nlohmann::json> run_course(AgentLink& link, const Terminal& terminal,
                                  const CourseOptions& options, const nlohmann::json& device,
                                  nlohmann::json begin, const OnName& name);

// What providers say of device and web service; nothing where there is none.
std::string standing_of(const nlohmann::json& made);

}  // namespace latchkey::cli
