// The commands that speak to the running device. Each gives the exit code.
#pragma once

#include <filesystem>
#include <string>

#include "device/options.h"

namespace latchkey::device {

struct CommandOptions {
  std::filesystem::path state;
  bool json = false;
};

int open_window(const CommandOptions& options, bool key128, int minutes);
int close_window(const CommandOptions& options);
int status(const CommandOptions& options);
int audit(const CommandOptions& options, int lines);
int remove_agent(const CommandOptions& options, const std::string& id);
// Works on the store itself where no device runs with it; `seal`: how it is sealed.
int factory_reset(const CommandOptions& options, const SealOptions& seal, bool yes);

}  // namespace latchkey::device
