// What `publish` and `serve` are told.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "base/random.h"
#include "provider/publisher.h"
#include "signing.h"

namespace latchkey::providerd {

struct PublishOptions {
  SigningFiles signing;
  std::filesystem::path output = "/var/lib/latchkey-provider/public";
  std::string name = "Latchkey provider";
  int validity_days = 7;
  [[nodiscard]] provider::PublishSettings settings() const {
    provider::PublishSettings settings;
    settings.name = name;
    settings.validity = seconds(86400LL * validity_days);
    return settings;
  }
};
void add_publish_options(CLI::App& command, PublishOptions& options);

// Names this process among those that share the records: host, process, and a random part.
std::string instance_name(Random& random);

}  // namespace latchkey::providerd
