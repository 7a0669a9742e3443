// Looks at web origins over the real internet, for src/provider.
#pragma once

#include <memory>
#include <string>

#include "provider/ports.h"

namespace latchkey::providerd {

struct WellKnownOptions {
  std::string ca_file;         // PEM; empty: the system's roots
  bool allow_private = false;  // also ask addresses within private networks
};
std::unique_ptr<provider::WellKnown> fetch_well_known(WellKnownOptions options);

}  // namespace latchkey::providerd
