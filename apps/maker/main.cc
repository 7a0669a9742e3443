// latchkey-maker: what a manufacturer needs so that its devices prove their make. Reads the command
// line, hands on.
#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <string>

#include "maker/commands.h"
#include "net/task.h"

namespace {

using namespace latchkey;
using maker::Document;
using nlohmann::json;

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kMisused = 2;

struct Options {
  maker::IssueOptions issue;
  maker::ExportOptions exported;
  maker::CheckOptions check;
  std::string file;
  bool as_json = false;
};
using Action = std::function<Document(Options&, maker::Surroundings&)>;

void add_token(CLI::App& app, maker::TokenOptions& to) {
  app.add_option("--pkcs11", to.module, "The PKCS#11 module of a token that holds the key");
  app.add_option("--token", to.token, "The token's label");
  app.add_option("--object", to.object, "The key's label");
  app.add_option("--pin-file", to.pin_file, "A file with the token's PIN, its owner's alone");
}

void add_issue(CLI::App& app, Options& to, const char* years) {
  app.add_option("--out", to.issue.out, "Makes OUT.pem, and OUT.key")->required();
  app.add_option("--name", to.issue.name, "The certificate's name, 1 to 64 bytes")->required();
  app.add_option("--organization", to.issue.organization, "Who makes the devices");
  app.add_option_function<int>(
         "--years", [&to](int n) { to.issue.years = n; },
         std::string("How long it holds [") + years + "]")
      ->check(CLI::Range(1, 40));
}

// Those of one word and those of two.
struct Command {
  CLI::App* app;
  Action action;
  int years = 0;  // unless said otherwise
};

std::vector<Command> add_issuing(CLI::App& app, Options& to) {
  std::vector<Command> all;
  auto* root = app.add_subcommand("root", "The maker's root: keep its key offline");
  auto* new_root = root->require_subcommand(1)->add_subcommand("new", "Make one");
  add_issue(*new_root, to, "20");
  all.push_back({new_root, [](Options& o, auto& a) { return maker::new_root(o.issue, a); }, 20});
  auto* middle = app.add_subcommand("intermediate", "A certificate that issues for one factory");
  auto* new_middle = middle->require_subcommand(1)->add_subcommand("new", "Make one");
  add_issue(*new_middle, to, "10");
  new_middle->add_option("--issuer", to.issue.issuer, "The root: ISSUER.pem and ISSUER.key")
      ->required();
  all.push_back(
      {new_middle, [](Options& o, auto& a) { return maker::new_intermediate(o.issue, a); }, 10});
  auto* batch = app.add_subcommand("batch", "Attestation certificates, for a batch or a device");
  auto* new_batch = batch->require_subcommand(1)->add_subcommand("new", "Make one");
  add_issue(*new_batch, to, "5");
  new_batch->add_option("--issuer", to.issue.issuer, "ISSUER.pem and ISSUER.key")->required();
  new_batch->add_option("--aaguid", to.issue.aaguid, "The model's number")->required();
  auto* given = new_batch->add_option("--public-key", to.issue.public_key,
                                      "For this key (PEM), instead of a new one");
  add_token(*new_batch, to.issue.token);
  given->excludes("--pkcs11");
  all.push_back({new_batch, [](Options& o, auto& a) { return maker::new_batch(o.issue, a); }, 5});
  auto* aaguid = app.add_subcommand("aaguid", "Numbers of models");
  all.push_back({aaguid->require_subcommand(1)->add_subcommand("new", "Make one"),
                 [](Options&, auto& a) { return maker::new_aaguid(a); }});
  return all;
}

std::vector<Command> add_commands(CLI::App& app, Options& to) {
  app.add_flag("--json", to.as_json, "Print one JSON document");
  app.fallthrough();
  app.require_subcommand(1);
  auto all = add_issuing(app, to);
  auto* show = app.add_subcommand("show", "What certificates a file holds");
  show->add_option("FILE", to.file, "PEM")->required();
  all.push_back({show, [](Options& o, auto&) { return maker::show(o.file); }});
  auto* exported = app.add_subcommand("export", "Print what a provider imports");
  exported->add_option("--vendor", to.exported.vendor, "The maker's name")->required();
  exported->add_option("--contact", to.exported.contact, "E-mail or URL")->required();
  exported->add_option("--root", to.exported.roots, "ROOT.pem; may be repeated")->required();
  exported->add_option("--model", to.exported.models, "AAGUID,TYPE,NAME; may be repeated");
  all.push_back({exported, [](Options& o, auto&) { return maker::export_vendor(o.exported); }});
  auto* check = app.add_subcommand("check", "Judge a chain and a key as an agent will");
  check->add_option("--chain", to.check.chain, "The device's certificates (PEM)")->required();
  check->add_option("--root", to.check.root, "The maker's root (PEM)")->required();
  auto* key = check->add_option("--key", to.check.key, "The private key (PEM), or a token:");
  add_token(*check, to.check.token);
  key->excludes("--pkcs11");
  check->add_option("--aaguid", to.check.aaguid, "The model it should name");
  all.push_back({check, [](Options& o, auto& a) { return maker::check(o.check, a); }});
  return all;
}

void print(const json& document, const std::string& indent) {
  for (const auto& [name, value] : document.items()) {
    if (value.is_array()) {
      for (const json& one : value) {
        std::cout << '\n';
        print(one, indent);
      }
    } else {
      std::cout << indent << name << ": "
                << (value.is_string() ? value.get<std::string>() : value.dump()) << '\n';
    }
  }
}

int report(const Document& result, bool as_json, bool is_export) {
  if (result) {
    if (as_json || is_export) {
      std::cout << result->dump(is_export ? 2 : -1) << '\n';
    } else {
      print(*result, "");
    }
    return kDone;
  }
  const maker::Error& error = result.error();
  if (as_json) {
    std::cout << json{{"error", {{"message", error.message}, {"hint", error.hint}}}}.dump() << '\n';
  } else {
    std::cerr << error.message << '\n' << error.hint << '\n';
  }
  return kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Roots, batches and models of a maker whose devices prove what they are.",
               "latchkey-maker");
  app.set_version_flag("--version", std::string("latchkey-maker ") + LATCHKEY_VERSION);
  const auto commands = add_commands(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kMisused;
  }
  net::SystemRandom random;
  maker::Surroundings around{random, net::SystemClock().wall_now()};
  for (const Command& command : commands) {
    if (command.app->parsed()) {
      if (options.issue.years == 0) {
        options.issue.years = command.years;
      }
      return report(command.action(options, around), options.as_json,
                    command.app->get_name() == "export");
    }
  }
  return kMisused;
}
