// The groups of commands of latchkey-provider. Each adds itself to the command line; its callbacks
// leave an exit code in the context.
#pragma once

#include <CLI/CLI.hpp>

#include "context.h"

namespace latchkey::providerd {

void add_init_commands(CLI::App& app, Context& context);    // init
void add_vendor_commands(CLI::App& app, Context& context);  // vendor, model
void add_model_commands(CLI::App& app, Context& context);
void add_origin_commands(CLI::App& app, Context& context);
void add_device_commands(CLI::App& app, Context& context);
void add_token_commands(CLI::App& app, Context& context);
void add_audit_commands(CLI::App& app, Context& context);
void add_publish_commands(CLI::App& app, Context& context);
void add_key_commands(CLI::App& app, Context& context);
void add_serve_commands(CLI::App& app, Context& context);

}  // namespace latchkey::providerd
