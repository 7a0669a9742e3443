// device, token.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "crypto/chain.h"
#include "crypto/hash.h"
#include "provider/tokens.h"
#include "registry_use.h"

namespace latchkey::providerd {
namespace {

using nlohmann::json;
using provider::ErrorCode;
using provider::Registry;
using provider::RevokedDevice;

constexpr std::size_t kMaxLine = 200;

// 64 hex digits, or a file with the attestation certificate.
std::optional<SpkiHash> read_key(Context& context, const std::string& text) {
  if (auto key = SpkiHash::parse(text)) {
    return key;
  }
  const auto pem = read_input(context, text, crypto::kMaxPem);
  if (!pem) {
    return std::nullopt;
  }
  const auto certificates = crypto::certificates_from_pem(*pem);
  const auto leaf = certificates && !certificates->empty()
                        ? crypto::read_chain_leaf(certificates->front())
                        : crypto::Result<crypto::ChainLeaf>(
                              fail(crypto::Error{crypto::ErrorCode::kMalformed, "no certificate"}));
  if (!leaf) {
    complain(context,
             {ErrorCode::kInvalid, text +
                                       " is neither 64 hex digits of a key's hash nor a device's "
                                       "attestation certificate in PEM: " +
                                       leaf.error().detail});
    return std::nullopt;
  }
  return leaf->key.spki_hash();
}

void change_device(Context& context, const std::string& text, bool revoke) {
  const auto key = read_key(context, text);
  if (!key) {
    return;
  }
  use_registry(context, [&](Registry& registry) {
    const auto done = revoke ? registry.revoke_device(*key, act(context))
                             : registry.restore_device(*key, act(context));
    return report_done(context, done, {{"key", key->hex()}, {"revoked", revoke}},
                       key->hex() + (revoke ? "\nis revoked." : "\nis not revoked any more.") +
                           " It counts once it is published.");
  });
}

void list_devices(Context& context, const provider::Page& page) {
  provider::Records* known = records(context);
  if (known == nullptr) {
    return;
  }
  report(context, known->devices(page), [&](const std::vector<RevokedDevice>& devices) {
    json document = json::array();
    std::string text;
    for (const RevokedDevice& device : devices) {
      document.push_back({{"key", device.key.hex()},
                          {"reason", device.reason},
                          {"since", device.since.unix_seconds}});
      text += device.key.hex() + "\n    " + time_text(device.since) + "  " + device.reason + "\n";
    }
    answer(context, document, text.empty() ? "No device is revoked." : text);
  });
}

// Reads a chunk of keys, one a line. False: it has said what is wrong with a line.
bool read_keys(Context& context, std::istream& in, std::size_t& line, std::vector<SpkiHash>& keys) {
  constexpr std::size_t kChunk = 50000;
  std::string text;
  while (keys.size() < kChunk && std::getline(in, text)) {
    ++line;
    if (text.ends_with('\r')) {
      text.pop_back();
    }
    if (text.empty() || text.front() == '#') {
      continue;
    }
    const auto key = text.size() <= kMaxLine ? SpkiHash::parse(text) : std::nullopt;
    if (!key) {
      complain(context, {ErrorCode::kInvalid,
                         "line " + std::to_string(line) + " is not 64 hex digits (small letters)"});
      return false;
    }
    keys.push_back(*key);
  }
  return true;
}

// The whole file is looked at first: a mistake in line one million changes nothing.
void import_devices(Context& context, const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    complain(context, {ErrorCode::kNotFound, file + " cannot be read"});
    return;
  }
  std::size_t line = 0;
  std::size_t total = 0;
  for (;;) {
    std::vector<SpkiHash> keys;
    if (!read_keys(context, in, line, keys)) {
      return;
    }
    total += keys.size();
    if (keys.empty()) {
      break;
    }
  }
  in.clear();
  in.seekg(0);
  use_registry(context, [&](Registry& registry) {
    std::size_t added = 0;
    for (line = 0;;) {
      std::vector<SpkiHash> keys;
      if (!read_keys(context, in, line, keys)) {
        return;
      }
      if (keys.empty() && total > 0) {
        break;
      }
      const auto done = registry.revoke_devices(keys, act(context));
      if (!done) {
        complain(context, done.error());
        return;
      }
      added += *done;
      if (total == 0) {
        break;
      }
    }
    answer(context, {{"added", added}, {"known", total - added}},
           std::to_string(added) + " keys revoked, " + std::to_string(total - added) +
               " were already. It counts once it is published.");
  });
}

struct TokenOptions {
  std::string name;
  std::string role;
  int days = 0;  // 0: without an end
};

json to_json(const provider::Token& token) {
  return {{"id", token.id},
          {"name", token.name},
          {"role", token.role},
          {"created", token.created.unix_seconds},
          {"expires", token.expires ? json(token.expires->unix_seconds) : json()}};
}

void add_token(Context& context, const TokenOptions& options) {
  provider::Records* known = records(context);
  if (known == nullptr) {
    return;
  }
  provider::TokenWish wish{options.name, options.role, std::nullopt};
  if (options.days != 0) {
    wish.lifetime = seconds(86400LL * options.days);
  }
  const auto made = provider::make_token(*known, context.random, wish, act(context));
  report(context, made, [&](const provider::NewToken& token) {
    json document = to_json(token.record);
    document["token"] = token.secret;
    answer(context, document,
           token.secret + "\nThis is shown once. Whoever has it is " + options.role + " as \"" +
               options.name + "\" in the audit log.");
  });
}

void list_tokens(Context& context) {
  provider::Records* known = records(context);
  if (known == nullptr) {
    return;
  }
  report(context, known->tokens(), [&](const std::vector<provider::Token>& tokens) {
    json document = json::array();
    std::vector<std::vector<std::string>> rows;
    for (const provider::Token& token : tokens) {
      document.push_back(to_json(token));
      rows.push_back({token.name, token.role, time_text(token.created),
                      token.expires ? time_text(*token.expires) : "never"});
    }
    answer(context, document, table({"NAME", "ROLE", "CREATED", "EXPIRES"}, rows));
  });
}

void remove_token(Context& context, const std::string& name) {
  if (provider::Records* known = records(context)) {
    report_done(context, provider::remove_token(*known, name, act(context)), {{"removed", name}},
                "The token " + name + " lets nobody in any more.");
  }
}

}  // namespace

void add_device_commands(CLI::App& app, Context& context) {
  auto text = std::make_shared<std::string>();
  auto page = std::make_shared<provider::Page>();
  auto* device = app.add_subcommand("device", "Single devices whose attestation key is known");
  device->require_subcommand(1);
  const char* what = "64 hex digits of the key's hash, or a PEM file with the certificate";
  auto* revoke = device->add_subcommand("revoke", "No longer trust a key (with --reason)");
  revoke->add_option("KEY", *text, what)->required();
  revoke->callback([&context, text] { change_device(context, *text, true); });
  auto* restore = device->add_subcommand("restore", "Trust it again (with --reason)");
  restore->add_option("KEY", *text, what)->required();
  restore->callback([&context, text] { change_device(context, *text, false); });
  auto* list = device->add_subcommand("list", "Revoked keys");
  add_page_options(*list, *page);
  list->callback([&context, page] { list_devices(context, *page); });
  auto* import = device->add_subcommand("import", "Revoke many (with --reason)");
  import->add_option("FILE", *text, "64 hex digits a line; # begins a comment")->required();
  import->callback([&context, text] { import_devices(context, *text); });
}

void add_token_commands(CLI::App& app, Context& context) {
  auto options = std::make_shared<TokenOptions>();
  auto* token = app.add_subcommand("token", "Who may use the administration API");
  token->require_subcommand(1);
  auto* add = token->add_subcommand("add", "Let somebody in; prints the token once");
  add->add_option("NAME", options->name, "Who, for the audit log")->required();
  add->add_option("--role", options->role, "admin, registrar, reviewer or auditor")->required();
  add->add_option("--days", options->days, "Ends after so many days")->check(CLI::Range(1, 3650));
  add->callback([&context, options] { add_token(context, *options); });
  token->add_subcommand("list", "Tokens, without what is secret")->callback([&context] {
    list_tokens(context);
  });
  auto* remove = token->add_subcommand("remove", "Let somebody in no more");
  remove->add_option("NAME", options->name, "As in the list")->required();
  remove->callback([&context, options] { remove_token(context, options->name); });
}

}  // namespace latchkey::providerd
