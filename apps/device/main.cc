// latchkey-device: HTTPS in front of a device's web service. Reads the command line, hands on.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <string>

#include "device/commands.h"
#include "device/options.h"
#include "device/run.h"
#include "device/seal_commands.h"

namespace {

using latchkey::device::CommandOptions;
using latchkey::device::RunOptions;
using latchkey::device::SealOptions;
namespace device = latchkey::device;

constexpr const char* kUsage =
    "Usage: latchkey-device COMMAND [OPTIONS]\n\n"
    "  run            serve, until it is stopped\n"
    "  open-window    allow pairing for a while and print the code to type\n"
    "  close-window   end that at once\n"
    "  status         who is paired, what is open\n"
    "  audit          what happened, newest first\n"
    "  remove-agent   end everything of one paired person (ids are in status)\n"
    "  factory-reset  forget everybody\n"
    "  seal           seal the records with a key file or a token's key\n"
    "  unseal         undo that\n"
    "  accept-store   say that records which look old are right\n\n"
    "latchkey-device COMMAND --help says more.\n";

void set_up_logging() {
  auto logger = spdlog::stderr_logger_mt("latchkey");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S%z %l %v");
  spdlog::set_default_logger(std::move(logger));
  const char* level = std::getenv("LATCHKEY_LOG");
  spdlog::set_level(level != nullptr ? spdlog::level::from_str(level) : spdlog::level::info);
}

// Parses, or says what is wrong. Nothing: go on.
std::optional<int> parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? device::kDone : device::kMisused;
  }
  return std::nullopt;
}

void add_attestation(CLI::App& app, device::AttestationOptions& to) {
  app.add_option("--attestation-chain", to.chain,
                 "Certificates that prove the make, the device's own first (PEM)");
  app.add_option("--attestation-key", to.key, "Their private key (PEM), or:");
  app.add_option("--attestation-pkcs11", to.module, "The PKCS#11 module of a token that holds it");
  app.add_option("--attestation-token", to.token, "The token's label");
  app.add_option("--attestation-object", to.object, "The key's label");
  app.add_option("--attestation-pin-file", to.pin_file, "A file with the token's PIN");
}

void add_seal(CLI::App& app, SealOptions& to) {
  app.add_option("--seal-key", to.key_file, "The file with the key that seals the records, or:");
  app.add_option("--seal-pkcs11", to.module, "The PKCS#11 module of a token that holds it");
  app.add_option("--seal-token", to.token, "The token's label");
  app.add_option("--seal-object", to.object, "The AES key's label");
  app.add_option("--seal-pin-file", to.pin_file, "A file with the token's PIN");
  app.add_option("--witness", to.witness,
                 "Where to remember how new the records are, so that older ones are noticed");
}

void add_limits(CLI::App& app, device::FrontOptions& to) {
  app.add_option("--max-connections", to.max_connections, "Open connections, of all clients")
      ->check(CLI::Range(16U, 100000U))
      ->capture_default_str();
  app.add_option("--max-connections-per-address", to.max_connections_per_address,
                 "Open connections of one client")
      ->check(CLI::Range(4U, 100000U))
      ->capture_default_str();
  app.add_option("--max-streams", to.max_streams, "HTTP/2: requests at once on one connection")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str();
  const auto seconds = [&app](const char* name, unsigned& value, const char* help,
                              unsigned least = 1) {
    app.add_option(name, value, help)->check(CLI::Range(least, 86400U))->capture_default_str();
  };
  seconds("--idle-seconds", to.idle_seconds, "How long a connection may do nothing");
  seconds("--head-seconds", to.head_seconds, "How long the head of a request may take");
  seconds("--body-seconds", to.body_seconds, "How long an upload may pause");
  seconds("--stall-seconds", to.stall_seconds, "How long a client may take nothing of an answer");
  seconds("--answer-seconds", to.answer_seconds, "How long the service behind may say nothing");
  app.add_option("--min-upload-rate", to.min_upload_rate,
                 "Bytes a second an upload must keep up; 0: any")
      ->check(CLI::Range(0U, 1000000U))
      ->capture_default_str();
  seconds("--drain-seconds", to.drain_seconds,
          "At the end, how long answers that are under way may take", 0);
}

int run(int argc, char** argv) {
  RunOptions options;
  std::string state;
  std::string name;
  CLI::App app("Serve until stopped.", "latchkey-device run");
  app.set_config("--config", "", "Read options from this file: key = value lines");
  app.add_option("--state", state, "Where keys and permissions are kept");
  app.add_option("--name", name, "What people see in the list of devices");
  app.add_option("--type", options.type, "What kind of device it is")->capture_default_str();
  app.add_option("--model", options.model, "What its maker calls it");
  app.add_option("--listen", options.listen, "An address of this machine, or all")
      ->capture_default_str();
  app.add_option("--port", options.port, "0: any free one")->capture_default_str();
  auto* upstream = app.add_option("--upstream", options.upstream,
                                  "The service behind it: http://127.0.0.1:PORT or unix:/PATH");
  auto* serve = app.add_option("--serve", options.serve, "Serve the files of this folder instead");
  upstream->excludes(serve);
  app.add_option("--access-log", options.access_log, "One line a request: a file, or -");
  app.add_option("--access-log-format", options.access_log_format, "combined or json")
      ->check(CLI::IsMember({"combined", "json"}))
      ->capture_default_str();
  app.add_option("--metrics", options.metrics,
                 "Serve counters for Prometheus at 127.0.0.1:PORT, path /metrics");
  add_limits(app, options.front);
  app.add_option("--mdns", options.mdns, "auto, system, builtin or off")->capture_default_str();
  app.add_option("--interface", options.interfaces, "Announce on this network interface only");
  auto* bluetooth = app.add_flag("--bluetooth", options.bluetooth,
                                 "Pair over Bluetooth too, with the Bluetooth of this machine");
  app.add_option("--bluetooth-adapter", options.bluetooth_adapter,
                 "Which one, such as hci0, where there are several")
      ->needs(bluetooth);
  app.add_option("--bluetooth-socket", options.bluetooth_socket,
                 "Pair over Bluetooth too, with a radio that another program drives")
      ->excludes(bluetooth);
  app.add_option("--network-hook", options.network_hook,
                 "A program that joins a wireless network somebody chose while pairing");
  app.add_option("--allow-window-from-page", options.window_from_page,
                 "Whether paired people may show a code on the device's page: yes or no")
      ->capture_default_str();
  app.add_option("--reset-erases", options.reset_erases,
                 "A folder of the service's that a factory reset empties; can be given again");
  app.add_option("--sso", options.sso,
                 "A file that says who may sign in and where: see docs/single-sign-on.md");
  add_attestation(app, options.attestation);
  add_seal(app, options.seal);
  if (const auto code = parse(app, argc, argv)) {
    return *code;
  }
  if (options.upstream.empty() == options.serve.empty()) {
    std::cerr << "Say what to serve: --upstream http://127.0.0.1:PORT or --serve FOLDER.\n";
    return device::kMisused;
  }
  options.state = state.empty() ? device::default_state() : std::filesystem::path(state);
  if (!name.empty()) {
    options.name = name;
  }
  set_up_logging();
  return device::run(options);
}

int command(const std::string& name, int argc, char** argv) {
  CommandOptions options;
  std::string state;
  bool key128 = false;
  bool yes = false;
  int minutes = 10;
  int lines = 100;
  std::string id;
  SealOptions now;
  SealOptions with;
  const bool at_rest = name == "seal" || name == "unseal" || name == "accept-store";
  CLI::App app(at_rest ? "Works on the records of a device that does not run."
                       : "Speaks to the running device.",
               "latchkey-device " + name);
  if (at_rest || name == "factory-reset") {
    add_seal(app, now);
    app.set_config("--config", "", "Read options from the device's own file");
    app.allow_config_extras(CLI::config_extras_mode::ignore_all);
  }
  app.add_option("--state", state, "The running device's folder");
  app.add_flag("--json", options.json, "Print one JSON document");
  if (name == "open-window") {
    app.add_flag("--key128", key128, "A long code for a label or a QR code");
    app.add_option("--minutes", minutes, "How long it stays open")
        ->check(CLI::Range(1, 10))
        ->capture_default_str();
  } else if (name == "audit") {
    app.add_option("--lines", lines, "How many at most")
        ->check(CLI::Range(1, 10000))
        ->capture_default_str();
  } else if (name == "factory-reset") {
    app.add_flag("--yes", yes, "Do it");
  } else if (name == "seal") {
    app.add_option("--key", with.key_file, "A key file; made where there is none, or:");
    app.add_option("--pkcs11", with.module, "The PKCS#11 module of a token");
    app.add_option("--token", with.token, "The token's label");
    app.add_option("--object", with.object, "The AES key's label");
    app.add_option("--pin-file", with.pin_file, "A file with the token's PIN");
  } else if (name == "remove-agent") {
    app.add_option("ID", id, "As status shows it")->required();
  }
  if (const auto code = parse(app, argc, argv)) {
    return *code;
  }
  options.state = state.empty() ? device::default_state() : std::filesystem::path(state);
  if (name == "open-window") {
    return device::open_window(options, key128, minutes);
  }
  if (name == "close-window") {
    return device::close_window(options);
  }
  if (name == "status") {
    return device::status(options);
  }
  if (name == "audit") {
    return device::audit(options, lines);
  }
  if (name == "remove-agent") {
    return device::remove_agent(options, id);
  }
  if (name == "seal") {
    if (with.key_file.empty() == with.module.empty()) {
      std::cerr << "Say what to seal with: --key FILE, or --pkcs11 MODULE with --token, --object "
                   "and --pin-file.\n";
      return device::kMisused;
    }
    return device::seal(options, now, with);
  }
  if (name == "unseal") {
    return device::unseal(options, now);
  }
  if (name == "accept-store") {
    return device::accept_store(options, now);
  }
  return device::factory_reset(options, now, yes);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  if (name == "--help" || name == "-h" || name == "help") {
    std::cout << kUsage;
    return device::kDone;
  }
  if (name == "--version") {
    std::cout << "latchkey-device " << LATCHKEY_VERSION << '\n';
    return device::kDone;
  }
  if (name == "run") {
    return run(argc - 1, argv + 1);
  }
  for (const char* known : {"open-window", "close-window", "status", "audit", "factory-reset",
                            "remove-agent", "seal", "unseal", "accept-store"}) {
    if (name == known) {
      return command(name, argc - 1, argv + 1);
    }
  }
  std::cerr << kUsage;
  return device::kMisused;
}
