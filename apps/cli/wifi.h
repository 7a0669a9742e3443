// What a device that was found nearby is told when it asks for a network: from the options, or from
// the person.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "outcome.h"
#include "terminal.h"

namespace latchkey::cli {

struct WifiOptions {
  std::string name;      // empty: asked for
  int password_fd = -1;  // the next line of this open file; below 0: asked for, without being shown
};

class WifiSource {
 public:
  WifiSource(const Terminal& terminal, const WifiOptions& options)
      : terminal_(terminal), options_(options) {}

  // `ssid` and `psk` of pair.network; an `ssid` of null: the device gets none. `refused`: it could
  // not join what it was told before; where that came from the options, it is the end. The caller
  // wipes the password.
  Result<nlohmann::json> next(bool refused);

 private:
  const Terminal& terminal_;
  const WifiOptions& options_;
};

}  // namespace latchkey::cli
