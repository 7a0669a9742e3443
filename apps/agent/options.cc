#include "options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <map>

#include "attest/policy.h"
#include "crypto/chain.h"
#include "mapped_file.h"
#include "platform/paths.h"

namespace latchkey::agentd {
namespace {

constexpr const char* kPolicyFile = "/etc/latchkey/policy.json";

using Mistake = std::optional<std::string>;

// "NAME,URL,ROOT.pem"
Mistake add_provider(const std::string& text, MetadataOptions& options) {
  const std::size_t first = text.find(',');
  const std::size_t last = text.rfind(',');
  if (first == std::string::npos || first == last || first == 0) {
    return "--provider " + text + ": write NAME,URL,ROOT.pem";
  }
  ProviderOptions provider{text.substr(0, first), text.substr(first + 1, last - first - 1), {}};
  const std::string file = text.substr(last + 1);
  if (!provider.url.starts_with("https://") || provider.url.size() > 1000 ||
      provider.url.find_first_of("?#@ ") != std::string::npos) {
    return "--provider " + text + ": the address begins with https:// and has no ?, # or @";
  }
  if (!provider.url.ends_with('/')) {
    provider.url += '/';
  }
  auto anchors = crypto::certificates_from_pem(read_file(file, crypto::kMaxPem));
  if (!anchors || anchors->empty()) {
    return "--provider " + text + ": " + file + " holds no certificate that could be read";
  }
  provider.anchors = *std::move(anchors);
  for (const ProviderOptions& other : options.providers) {
    if (other.url == provider.url) {
      return "--provider " + text + ": this address was given already";
    }
  }
  options.providers.push_back(std::move(provider));
  return std::nullopt;
}

// A file that is there and cannot be obeyed stops the agent: less than what was demanded would be
// worse than nothing.
Mistake read_policy(const std::string& given, MetadataOptions& options) {
  const std::string file = given.empty() ? kPolicyFile : given;
  std::error_code error;
  if (given.empty() && !std::filesystem::exists(file, error) && !error) {
    return std::nullopt;
  }
  auto policy = attest::parse_policy(read_file(file, attest::kMaxPolicyBytes));
  if (!policy) {
    return file + ": " + policy.error().detail;
  }
  options.policy = *std::move(policy);
  return std::nullopt;
}

struct MetadataTexts {
  std::vector<std::string> providers;
  std::string policy;
  std::int64_t interval = std::chrono::duration_cast<seconds>(agent::kRefreshInterval).count();
};

void add_metadata_options(CLI::App& app, MetadataTexts& texts, MetadataOptions& options) {
  app.add_option("--provider", texts.providers, "Who says what is real and what is revoked")
      ->type_name("\"NAME,URL,ROOT.pem\"");
  app.add_option("--provider-ca", options.ca_file,
                 "Authorities for the providers' web servers, instead of the system's")
      ->check(CLI::ExistingFile);
  app.add_option("--provider-interval", texts.interval, "Seconds between looks at a provider")
      ->check(CLI::Range(1, 604800));
  app.add_option("--policy", texts.policy, "The administrator's rules")->check(CLI::ExistingFile);
}

Mistake read_metadata_options(const MetadataTexts& texts, MetadataOptions& options) {
  options.interval = seconds(texts.interval);
  for (const std::string& text : texts.providers) {
    if (auto mistake = add_provider(text, options)) {
      return mistake;
    }
  }
  return read_policy(texts.policy, options);
}

constexpr const char* kCredential = "latchkey-passphrase";

void add_gate_options(CLI::App& app, GateOptions& options) {
  static const std::map<std::string, GateOptions::NewStore> kNames{
      {"auto", GateOptions::NewStore::kAuto},
      {"keyring", GateOptions::NewStore::kKeyring},
      {"passphrase", GateOptions::NewStore::kPassphrase},
      {"file", GateOptions::NewStore::kFile}};
  app.add_option("--keys", options.new_store,
                 "What locks the keys when they are made: auto, keyring, passphrase, file")
      ->transform(CLI::CheckedTransformer(kNames).description("WAY"));
  app.add_option("--passphrase-file", options.passphrase_file,
                 "A file with the passphrase, which nobody else may read");
  app.add_flag("--check-first", options.check_first,
               "Look at everything that is stored before answering");
}

// Below the environment and the options, so that a credential of systemd's is found by itself.
void complete(GateOptions& options, const std::string& state,
              const platform::Environment& environment) {
  options.folder = state;
  options.witness_folder = platform::config_folder(environment) / "latchkey" / "witness";
  const char* credentials = std::getenv("CREDENTIALS_DIRECTORY");
  if (options.passphrase_file.empty() && credentials != nullptr) {
    const auto file = std::filesystem::path(credentials) / kCredential;
    std::error_code error;
    if (std::filesystem::exists(file, error)) {
      options.passphrase_file = file;
    }
  }
}

}  // namespace

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
  app.add_option("--bluetooth-adapter", options.bluetooth_adapter,
                 "Which Bluetooth adapter to look nearby with, such as hci0");
  app.add_option("--static-device", devices, "A device that cannot be discovered")
      ->type_name("\"TYPE,NAME,ADDRESS,PORT\"");
  add_gate_options(app, options.gate);
  MetadataTexts metadata;
  add_metadata_options(app, metadata, options.metadata);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    parsed.exit_code = code == 0 ? 0 : 2;
    return parsed;
  }
  if (const auto mistake = read_metadata_options(metadata, options.metadata)) {
    std::cerr << *mistake << "\n";
    parsed.exit_code = 2;
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
  complete(options.gate, options.state, environment);
  parsed.run = true;
  return parsed;
}

}  // namespace latchkey::agentd
