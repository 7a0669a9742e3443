// The agent's command line and configuration file.
#pragma once

#include <string>
#include <vector>

#include "lookout.h"
#include "metadata_keeper.h"
#include "store_gate.h"

namespace latchkey::agentd {

struct Options {
  std::string socket;
  std::string state;
  LookoutOptions lookout;
  std::string bluetooth_adapter;  // empty: any
  MetadataOptions metadata;
  GateOptions gate;
};

struct Parsed {
  Options options;
  int exit_code = 0;
  bool run = false;  // false: help, version or a mistake, which was said already
};
Parsed parse_options(int argc, char** argv);

}  // namespace latchkey::agentd
