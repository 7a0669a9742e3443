// What a device tells about its people and what happened there (GET /audit, docs/protocol.md
// section 7), made fit to be shown: values in, JSON out. The device may be anybody's: everything it
// says is bounded and cleaned here.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "base/bytes.h"
#include "base/ids.h"
#include "wire/error.h"

namespace latchkey::agent {

// How much of what the person did themselves the asker may see: all of it on the command line, in a
// browser what goes with grants of its profile (row 16 of docs/threat-model.md).
struct PeopleSight {
  bool everything = false;
  std::function<bool(const GrantId&)> sees;
};

// `{people: [{person, you, since, last_seen, services}], events: [{time, kind, person, you,
// detail}]}`, events newest first. Times are seconds since 1970. `person`: a number by which the
// device calls somebody, or null where nobody in particular did it; `services`: how many web
// services, null for oneself where not all of them may be seen; `detail`: of one's own events, or
// null. kMalformed where it is anything else, or longer than a device may answer.
wire::Result<nlohmann::json> people_json(ByteSpan answer, const PeopleSight& sight);

}  // namespace latchkey::agent
