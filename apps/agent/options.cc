#include "options.h"

#include <CLI/CLI.hpp>

#include "platform/paths.h"

namespace latchkey::agentd {
Parsed parse_options(int argc, char** argv) {
  CLI::App app{
      "The part of Latchkey that runs for one user: finds devices, pairs with them, and "
      "keeps what was agreed."};
  app.require_subcommand(1);
  app.set_version_flag("--version", LATCHKEY_VERSION);
  // The options belong to the program, not to `run`: CLI11 reads files for the program only.
  app.fallthrough();
  app.add_subcommand("run", "Listen for the browser and the command line");
  app.set_config("--config", "", "Read these options from a file");
  Parsed parsed;
  Options& options = parsed.options;
  std::string mdns = "auto";
  bool loopback = false;
  std::vector<std::string> devices;
  app.add_option("--socket", options.socket, "Where to listen");
  app.add_option("--state", options.state, "The folder for what is remembered");
  app.add_option("--mdns", mdns, "How to look for devices")
      ->check(CLI::IsMember({"auto", "system", "builtin", "off"}));
  app.add_flag("--allow-loopback", loopback, "Devices may be on this computer (for tests)");
  app.add_option("--interface", options.lookout.network.interfaces,
                 "Look on this network interface only");
  app.add_option("--static-device", devices, "A device that cannot be discovered")
      ->type_name("\"TYPE,NAME,ADDRESS,PORT\"");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    parsed.exit_code = code == 0 ? 0 : 2;
    return parsed;
  }
  options.lookout.network.mode = *discovery::parse_mode(mdns);
  options.lookout.network.loopback =
      loopback ? discovery::Loopback::kAllowed : discovery::Loopback::kRefused;
  for (const std::string& text : devices) {
    auto device = discovery::parse_static_device(text);
    if (!device) {
      std::cerr << "--static-device " << text << ": " << device.error().message << "\n";
      parsed.exit_code = 2;
      return parsed;
    }
    for (const discovery::Endpoint& endpoint : device->endpoints) {
      if (!discovery::is_candidate(endpoint.address, options.lookout.network.loopback)) {
        std::cerr << "--static-device " << text << ": not an address of a home network"
                  << (loopback ? "" : " (--allow-loopback lets devices be on this computer)")
                  << "\n";
        parsed.exit_code = 2;
        return parsed;
      }
    }
    options.lookout.static_devices.push_back(*std::move(device));
  }
  const auto environment = platform::Environment::current();
  if (options.socket.empty()) {
    options.socket = platform::agent_socket_path(environment).string();
  }
  if (options.state.empty()) {
    options.state = platform::agent_state_folder(environment).string();
  }
  parsed.run = true;
  return parsed;
}

}  // namespace latchkey::agentd
