// latchkey-provider: keeps and publishes who is real and who is revoked. Reads the command line,
// hands on.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "commands.h"
#include "platform/system_clock.h"
#include "platform/system_random.h"

namespace {

namespace providerd = latchkey::providerd;

constexpr const char* kConfig = "/etc/latchkey/provider.conf";
constexpr const char* kDatabase = "sqlite:/var/lib/latchkey-provider/provider.db";

void add_common(CLI::App& app, providerd::Context& context) {
  app.set_config("--config", std::filesystem::exists(kConfig) ? kConfig : "",
                 "Read options from this file: key = value lines");
  app.add_option("--database", context.database, "sqlite:/PATH or postgresql://USER@HOST/NAME")
      ->capture_default_str();
  app.add_option("--as", context.as, "Who does this, for the audit log")->configurable(false);
  app.add_option("--reason", context.reason, "Why, for the audit log")->configurable(false);
  app.add_flag("--json", context.json, "Print one JSON document");
  app.add_flag("--allow-private", context.allow_private,
               "Web services may be on private addresses (tests, company networks)");
  app.add_option("--ca-file", context.ca_file,
                 "Roots (PEM) for web services, instead of the system's");
  app.set_version_flag("--version", "latchkey-provider " LATCHKEY_VERSION);
}

}  // namespace

int main(int argc, char** argv) {
  latchkey::platform::SystemClock clock;
  latchkey::platform::SystemRandom random;
  providerd::Context context{.clock = clock, .random = random, .database = kDatabase};
  CLI::App app("Keeps and publishes which makers, web services and devices can be trusted.",
               "latchkey-provider");
  app.fallthrough();
  app.require_subcommand(1);
  add_common(app, context);
  providerd::add_init_commands(app, context);
  providerd::add_vendor_commands(app, context);
  providerd::add_model_commands(app, context);
  providerd::add_origin_commands(app, context);
  providerd::add_device_commands(app, context);
  providerd::add_token_commands(app, context);
  providerd::add_audit_commands(app, context);
  providerd::add_publish_commands(app, context);
  providerd::add_key_commands(app, context);
  providerd::add_serve_commands(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? providerd::kDone : providerd::kMisused;
  }
  return context.exit;
}
