// publish, key.
#include <unistd.h>

#include <array>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "commands.h"
#include "crypto/chain.h"
#include "crypto/hash.h"
#include "publishing.h"
#include "store/file_shelf.h"

namespace latchkey::providerd {
namespace {

using nlohmann::json;

void publish(Context& context, const PublishOptions& options, bool force) {
  provider::Records* log = records(context);
  if (log == nullptr) {
    return;
  }
  const WallTime now = context.clock.wall_now();
  const auto key = load_signing_key(options.signing, now);
  if (!key) {
    complain(context, key.error());
    return;
  }
  auto shelf = store::FileShelf::open(options.output);
  if (!shelf) {
    complain(context, shelf.error());
    return;
  }
  if (::isatty(STDERR_FILENO) == 1) {
    std::cerr << "Publishing to " << options.output.string() << " ...\n";
  }
  provider::Publisher publisher(*log, *shelf, options.settings());
  const std::string holder = instance_name(context.random);
  const auto outcome = publisher.publish(*key, holder, now, force);
  // Nobody waits for a command that has ended.
  (void)log->give_up_lease(holder);
  if (!outcome) {
    complain(context, outcome.error());
    return;
  }
  const json document = {
      {"published", outcome->done},    {"no", outcome->no},
      {"changes", outcome->changes},   {"bytes_written", outcome->bytes},
      {"repaired", outcome->repaired}, {"reason", outcome->done ? json() : json(outcome->why_not)}};
  answer(context, document,
         outcome->done ? "Published number " + std::to_string(outcome->no) + ": " +
                             std::to_string(outcome->changes) + " changes, " +
                             std::to_string(outcome->bytes) + " bytes written to " +
                             options.output.string() + "."
                       : "Not published: " + outcome->why_not + ". Number " +
                             std::to_string(outcome->no) + " stands.");
}

struct KeyOptions {
  SigningFiles files;
  std::string name;
  int days = 0;
};

void make_key(Context& context, const KeyOptions& options, bool root) {
  const NewCertificate what{options.name, seconds(86400LL * options.days)};
  const WallTime now = context.clock.wall_now();
  const auto done = root ? make_root(options.files.folder, what, now, context.random)
                         : make_signing_key(options.files, what, now, context.random);
  if (!done) {
    complain(context, done.error());
    return;
  }
  const auto file = root ? options.files.folder / "root.pem" : options.files.chain_path();
  answer(context, {{"certificate", file.string()}},
         root ? "Made " + file.string() +
                    ", which agents pin, and root.key beside it. Keep root.key away from this "
                    "machine: it is only needed for `key new`."
              : "Made " + file.string() +
                    " and its key. `latchkey-provider publish` signs with it from now on; agents "
                    "that have seen it take nothing signed with an older one.");
}

void show_key(Context& context, const KeyOptions& options) {
  const auto key = load_signing_key(options.files, context.clock.wall_now());
  if (!key) {
    complain(context, key.error());
    return;
  }
  const auto leaf = *crypto::read_chain_leaf(key->chain.front());
  const std::string hash = leaf.key.spki_hash().hex();
  const std::string name = crypto::certificate_name(key->chain.front());
  answer(context,
         {{"name", name},
          {"spki_sha256", hash},
          {"not_before", leaf.not_before.unix_seconds},
          {"not_after", leaf.not_after.unix_seconds}},
         name + "\n  valid from " + time_text(leaf.not_before) + " to " +
             time_text(leaf.not_after) + "\n  SHA-256 of the key: " + hash);
}

void add_folder(CLI::App& command, SigningFiles& files) {
  command.add_option("--keys", files.folder, "The folder of keys and certificates")
      ->capture_default_str();
}

}  // namespace

void add_publish_options(CLI::App& command, PublishOptions& options) {
  add_folder(command, options.signing);
  command.add_option("--signing-key", options.signing.key,
                     "The signing key (PEM), instead of KEYS/signing.key");
  command.add_option("--signing-chain", options.signing.chain,
                     "Its certificates (PEM), instead of KEYS/signing.pem");
  command.add_option("--output", options.output, "The folder that a web server serves")
      ->capture_default_str();
  command.add_option("--name", options.name, "This provider's name, as people read it")
      ->capture_default_str();
  command
      .add_option("--validity", options.validity_days, "Days until the next update at the latest")
      ->check(CLI::Range(1, 60))
      ->capture_default_str();
}

std::string instance_name(Random& random) {
  std::array<char, 65> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) {
    host.front() = '\0';
  }
  return std::string(host.data()) + "/" + std::to_string(::getpid()) + "/" +
         hex_encode(random.bytes<4>());
}

void add_publish_commands(CLI::App& app, Context& context) {
  auto options = std::make_shared<PublishOptions>();
  auto force = std::make_shared<bool>(false);
  auto* command = app.add_subcommand(
      "publish", "Write signed files of what is in the database, if anything changed");
  add_publish_options(*command, *options);
  command->add_flag("--force", *force, "Also where nothing has changed");
  command->callback([&context, options, force] { publish(context, *options, *force); });
}

void add_key_commands(CLI::App& app, Context& context) {
  auto* key = app.add_subcommand("key", "The keys that sign what is published");
  key->require_subcommand(1);
  auto* root = key->add_subcommand("root", "The root that agents pin");
  root->require_subcommand(1);
  auto root_options = std::make_shared<KeyOptions>();
  root_options->name = "Latchkey provider root";
  root_options->days = 7300;
  auto* new_root = root->add_subcommand("new", "Make a root: once");
  add_folder(*new_root, root_options->files);
  new_root->add_option("--name", root_options->name, "Its name")->capture_default_str();
  new_root->add_option("--days", root_options->days, "How long it is valid")
      ->check(CLI::Range(1, 10950))
      ->capture_default_str();
  new_root->callback([&context, root_options] { make_key(context, *root_options, true); });

  auto new_options = std::make_shared<KeyOptions>();
  new_options->name = "Latchkey provider signing key";
  new_options->days = 90;
  auto* new_key = key->add_subcommand("new", "Make a signing key, in place of the one there is");
  add_folder(*new_key, new_options->files);
  new_key->add_option("--name", new_options->name, "Its name")->capture_default_str();
  new_key->add_option("--days", new_options->days, "How long it is valid")
      ->check(CLI::Range(1, 825))
      ->capture_default_str();
  new_key->callback([&context, new_options] { make_key(context, *new_options, false); });

  auto show_options = std::make_shared<KeyOptions>();
  auto* show = key->add_subcommand("show", "Show the signing key's certificate");
  add_folder(*show, show_options->files);
  show->callback([&context, show_options] { show_key(context, *show_options); });
}

}  // namespace latchkey::providerd
