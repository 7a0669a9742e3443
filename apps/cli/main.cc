// latchkey: the command line. Reads what is asked and leaves the rest to the commands.
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>

#include "commands.h"
#include "platform/paths.h"

namespace {

using namespace latchkey;

struct All {
  cli::Common common;
  bool json = false;
  bool all = false;
  cli::DevicesOptions devices;
  cli::GrantOptions grant;
  cli::AddOptions add;
  cli::OpenOptions open;
  cli::RevokeOptions revoke;
  cli::FetchOptions fetch;
  cli::SetupOptions setup;
  cli::KeysOptions keys;
  std::string which;
  bool mine = false;
  cli::MoveOptions move;
  cli::AdoptOptions adopt;
};

void add_devices(CLI::App& app, All& all) {
  CLI::App* devices = app.add_subcommand("devices", "Show the devices in your home");
  devices->add_option("--type", all.devices.type, "Only this type, such as media-cache");
  devices->add_option("--timeout", all.devices.timeout, "For how many seconds to look")
      ->check(CLI::Range(0.1, 120.0));
  devices->add_flag("--nearby", all.devices.nearby, "Look by this computer's Bluetooth, too");
  devices->add_flag("--mine", all.mine, "Those you typed a code for, on or not");
}

void add_control(CLI::App& app, All& all) {
  constexpr const char* kGrant = "A number from `latchkey grants`, or a host";
  const auto add = [&](const char* name, const char* what, const char* which) {
    app.add_subcommand(name, what)->add_option("which", all.which, which)->required();
  };
  add("show", "Show all about one permission", kGrant);
  add("pause", "Stop a web service until you resume it", kGrant);
  add("resume", "Let a web service that you paused go on", kGrant);
  add("renew", "Get a new certificate from the device now", kGrant);
  constexpr const char* kDevice = "A name or number from `latchkey devices --mine`";
  add("people", "Show who else uses a device, and what happened there", kDevice);
  add("forget", "End everything on a device, and forget it", kDevice);
}

void add_nearby(CLI::App* command, bool& nearby, cli::WifiOptions& wifi) {
  auto* flag = command->add_flag("--nearby", nearby, "Look by this computer's Bluetooth, too");
  auto* name = command
                   ->add_option("--wifi", wifi.name,
                                "The Wi-Fi to tell a device nearby that is on no network yet")
                   ->needs(flag);
  command
      ->add_option("--wifi-password-fd", wifi.password_fd,
                   "Read its password from this open file, one line")
      ->needs(name)
      ->check(CLI::NonNegativeNumber);
}

void add_grants(CLI::App& app, All& all) {
  CLI::App* grant = app.add_subcommand("grant", "Let a web service use a device");
  grant->add_option("--origin", all.grant.origin, "The web service, such as https://video.example")
      ->required();
  grant->add_option("--type", all.grant.type, "The type of device, such as media-cache");
  grant->add_option("--device", all.grant.device, "The device's name");
  auto* code = grant->add_option("--code", all.grant.code, "The code that the device shows");
  grant->add_option("--code-from", all.grant.code_from, "- reads the code from standard input")
      ->check(CLI::IsMember({"-"}))
      ->excludes(code);
  auto* issuer =
      grant->add_option("--issuer", all.grant.issuer,
                        "With whom people sign in on it, such as https://accounts.example");
  grant->add_option("--client-id", all.grant.client, "What the web service is called there")
      ->needs(issuer);
  grant->add_option("--profile", all.grant.profile, "For this browser profile (32 hex digits)");
  grant->add_option("--timeout", all.grant.timeout, "For how many seconds to look")
      ->check(CLI::Range(0.1, 120.0));
  add_nearby(grant, all.grant.nearby, all.grant.wifi);
  CLI::App* grants = app.add_subcommand("grants", "Show which web services may use what");
  grants->add_flag("--all", all.all, "Also what has ended");
  CLI::App* revoke = app.add_subcommand("revoke", "End what you allowed");
  revoke->add_option("which", all.revoke.which, "A number from `latchkey grants`, or a host");
  revoke->add_option("--origin", all.revoke.origin, "All of this web service");
  revoke->add_flag("--all", all.revoke.all, "Everything");
}

void add_direct(CLI::App& app, All& all) {
  CLI::App* add = app.add_subcommand("add", "Add a device that you open yourself");
  add->add_option("device", all.add.device, "The device's name, or the link of its QR code");
  add->add_option("--name", all.add.name, "Its address, such as attic for https://attic.local");
  add->add_option("--type", all.add.type, "Only this type, such as media-cache");
  auto* code = add->add_option("--code", all.add.code, "The code that the device shows");
  add->add_option("--code-from", all.add.code_from, "- reads the code from standard input")
      ->check(CLI::IsMember({"-"}))
      ->excludes(code);
  add->add_option("--profile", all.add.profile, "For this browser profile (32 hex digits) alone");
  add->add_option("--timeout", all.add.timeout, "For how many seconds to look")
      ->check(CLI::Range(0.1, 120.0));
  add_nearby(add, all.add.nearby, all.add.wifi);
  CLI::App* open = app.add_subcommand("open", "Open a device that you added");
  open->add_option("device", all.open.which, "Its address, such as attic, or its name")->required();
  open->add_flag("--browser", all.open.browser, "Start the browser instead of printing a link");
}

void add_fetch(CLI::App& app, All& all) {
  CLI::App* fetch = app.add_subcommand("fetch", "Ask a device for something, as a page would");
  fetch->add_option("url", all.fetch.url, "https://HOST/PATH or HOST/PATH")->required();
  fetch->add_option("--origin", all.fetch.origin, "As this web service");
  fetch->add_option("-X,--request", all.fetch.method, "The method (GET, or POST with --data)");
  fetch->add_option("-H,--header", all.fetch.fields, "A header, 'Name: value'")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  fetch->add_option("--data", all.fetch.data, "What to send; @FILE sends a file");
  fetch->add_option("-o,--output", all.fetch.output, "Write the answer to this file");
  fetch->add_flag("-i,--include", all.fetch.show_head, "Show the answer's headers too");
  fetch->add_option("--resolve", all.fetch.resolve, "Connect to ADDRESS:PORT");
}

void add_setup(CLI::App& app, All& all) {
  CLI::App* setup = app.add_subcommand("setup", "Let your browsers accept your devices");
  setup->add_flag("--undo", all.setup.undo, "Take everything back");
  setup->add_option("--nssdb", all.setup.databases, "A browser's trust database (a folder)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  setup->add_option("--browser-dir", all.setup.browsers, "A browser's folder of user data")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  setup->add_option("--firefox-profile", all.setup.firefox, "A profile of Firefox (a folder)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_subcommand("providers", "Show who says what is real and what is revoked");
  app.add_subcommand("refresh", "Ask them for news now");
  app.add_subcommand("doctor", "Check this computer");
}

void add_moving(CLI::App& app, All& all) {
  CLI::App* save = app.add_subcommand("export", "Save everything for another computer of yours");
  CLI::App* load = app.add_subcommand("import", "Take over what another computer saved");
  for (CLI::App* command : {save, load}) {
    command->add_option("file", all.move.file, "The backup's file")->required();
    command
        ->add_option("--passphrase-fd", all.move.passphrase_fd,
                     "Read the passphrase from this open descriptor")
        ->check(CLI::Range(0, 1023));
  }
  load->add_flag("--replace", all.move.replace, "Also where there is something; it is kept aside");
  app.add_subcommand("profiles", "Show the browser profiles that have permissions");
  CLI::App* adopt = app.add_subcommand("adopt", "Give one browser profile what another may do");
  const CLI::Validator id(
      [](std::string& text) {
        return ProfileId::parse(text) ? std::string() : std::string("not 32 hex digits");
      },
      "");
  adopt->add_option("old", all.adopt.from, "The profile that had them")->check(id);
  adopt->add_option("new", all.adopt.to, "The profile that gets them")->check(id);
  adopt->add_flag("--yes", all.adopt.yes, "Without asking");
}

void add_keys(CLI::App& app, All& all) {
  const auto with_fd = [&](CLI::App* command) {
    command
        ->add_option("--passphrase-fd", all.keys.passphrase_fd,
                     "Read passphrases from this open file, a line for each")
        ->check(CLI::Range(0, 1023));
  };
  CLI::App* keys = app.add_subcommand("keys", "Look after what locks your keys");
  keys->require_subcommand(1);
  keys->add_subcommand("status", "Show what locks your keys, and whether they are open");
  CLI::App* seal = keys->add_subcommand("seal", "Lock your keys in another way");
  CLI::Option_group* ways = seal->add_option_group("way");
  const auto way = [&](const char* name, const char* text, const char* help) {
    ways->add_flag_callback(name, [&all, text] { all.keys.way = text; }, help);
  };
  way("--keyring", "keyring", "By your desktop's keyring");
  way("--passphrase", "passphrase", "By a passphrase, typed after each start");
  way("--file", "file", "By nothing but the rights of their file");
  ways->require_option(1);
  with_fd(seal);
  with_fd(keys->add_subcommand("change-passphrase", "Choose another passphrase"));
  with_fd(keys->add_subcommand("unlock", "Open your keys"));
  CLI::App* store = app.add_subcommand("store", "Look after what Latchkey remembers");
  store->require_subcommand(1);
  store->add_subcommand("status", "Show whether it is whole and up to date");
  store->add_subcommand("accept", "Use an old copy that you put back yourself")
      ->add_flag("--yes", all.keys.yes, "Do not ask");
  store->add_subcommand("start-anew", "Begin again; the old file is kept")
      ->add_flag("--yes", all.keys.yes, "Do not ask");
}

int run_keys(const CLI::App& family, const cli::Terminal& terminal, All& all) {
  const std::string name = family.get_subcommands().front()->get_name();
  if (name == "seal") {
    return cli::keys_seal(all.common, terminal, all.keys);
  }
  if (name == "change-passphrase") {
    all.keys.way = "passphrase";
    all.keys.change = true;
    return cli::keys_seal(all.common, terminal, all.keys);
  }
  if (name == "unlock") {
    return cli::keys_unlock(all.common, terminal, all.keys);
  }
  if (name == "accept") {
    return cli::store_accept(all.common, terminal, all.keys);
  }
  if (name == "start-anew") {
    return cli::store_start_anew(all.common, terminal, all.keys);
  }
  return cli::keys_status(all.common, terminal);
}

int run(const CLI::App& app, All& all) {
  const cli::Terminal terminal(all.json);
  if (all.common.socket.empty()) {
    all.common.socket = platform::agent_socket_path(platform::Environment::current()).string();
  }
  all.fetch.has_data = !app.get_subcommand("fetch")->get_option("--data")->empty();
  const std::string name = app.get_subcommands().front()->get_name();
  constexpr std::pair<const char*,
                      int (*)(const cli::Common&, const cli::Terminal&, const std::string&)>
      kOfOne[] = {{"show", cli::show},   {"pause", cli::pause},   {"resume", cli::resume},
                  {"renew", cli::renew}, {"people", cli::people}, {"forget", cli::forget}};
  for (const auto& [command, run_it] : kOfOne) {
    if (name == command) {
      return run_it(all.common, terminal, all.which);
    }
  }
  if (name == "keys" || name == "store") {
    return run_keys(*app.get_subcommands().front(), terminal, all);
  }
  if (name == "devices" && all.mine) {
    return cli::own_devices(all.common, terminal);
  }
  if (name == "devices") {
    return cli::devices(all.common, terminal, all.devices);
  }
  if (name == "grant") {
    return cli::grant(all.common, terminal, all.grant);
  }
  if (name == "add") {
    return cli::add(all.common, terminal, all.add);
  }
  if (name == "open") {
    return cli::open_device(all.common, terminal, all.open);
  }
  if (name == "grants") {
    return cli::grants(all.common, terminal, all.all);
  }
  if (name == "revoke") {
    return cli::revoke(all.common, terminal, all.revoke);
  }
  if (name == "fetch") {
    return cli::fetch(all.common, terminal, all.fetch);
  }
  if (name == "setup") {
    return cli::setup(all.common, terminal, all.setup);
  }
  if (name == "providers") {
    return cli::providers(all.common, terminal);
  }
  if (name == "refresh") {
    return cli::refresh(all.common, terminal);
  }
  if (name == "export") {
    return cli::export_backup(all.common, terminal, all.move);
  }
  if (name == "import") {
    return cli::import_backup(all.common, terminal, all.move);
  }
  if (name == "profiles") {
    return cli::profiles(all.common, terminal);
  }
  if (name == "adopt") {
    return cli::adopt(all.common, terminal, all.adopt);
  }
  return cli::doctor(all.common, terminal);
}

}  // namespace

int main(int argc, char** argv) {
  All all;
  CLI::App app{"Secure connections between web services and the devices in your home."};
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", LATCHKEY_VERSION);
  app.add_option("--socket", all.common.socket, "The agent's socket");
  add_devices(app, all);
  add_grants(app, all);
  add_direct(app, all);
  add_control(app, all);
  add_fetch(app, all);
  add_setup(app, all);
  add_keys(app, all);
  add_moving(app, all);
  for (CLI::App* command : app.get_subcommands({})) {
    command->add_flag("--json", all.json, "One JSON document on standard output");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, std::cout, std::cerr);
    return code == 0 ? 0 : static_cast<int>(cli::Exit::kUsage);
  }
  std::signal(SIGPIPE, SIG_IGN);
  cli::watch_for_interrupts();
  return run(app, all);
}
