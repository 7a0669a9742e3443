// Moving to another computer: export, import, and browser profiles that take permissions over.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent_link.h"
#include "commands.h"
#include "passphrase.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

Result<std::string> passphrase(const MoveOptions& options, bool is_new) {
  return read_passphrase(options.passphrase_fd,
                         is_new ? "A passphrase for the backup:" : "The backup's passphrase:",
                         is_new ? Passphrase::kNew : Passphrase::kOld);
}

Result<json> ask_agent(const Common& common, std::string_view method, json params) {
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    return fail(link.error());
  }
  auto answer = link->call(method, std::move(params));
  if (!answer) {
    Failure failure = answer.error();
    if (failure.code == "wrong_code") {
      failure.hint = "Nothing was changed. Try once more.";
    } else if (failure.code == "name_conflict") {
      failure.hint =
          "See them with `latchkey grants`. `latchkey import --replace` keeps them aside and puts "
          "the backup in their place.";
    } else if (failure.code == "malformed" || failure.code == "internal") {
      failure.hint = "Nothing was changed. Is it the right file?";
    }
    return fail(failure);
  }
  return answer;
}

std::string count_of(const json& answer, const char* name, const std::string& one) {
  const auto count = answer.value(name, std::uint64_t{0});
  return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

std::string day_or_never(const json& seen) {
  return seen.is_number_integer() ? day_of(seen.get<std::int64_t>()) : "not here";
}

// The one profile that was never seen here and has permissions; the one that was seen here.
struct Pair {
  std::string from;
  std::string to;
};
Result<Pair> obvious(const json& profiles, const std::string& from) {
  std::vector<std::string> old;
  std::vector<std::string> current;
  for (const json& one : profiles) {
    const std::string name = one.value("profile", "");
    if (one.at("seen").is_null() && one.value("grants", 0) > 0 && name != std::string(32, '0')) {
      old.push_back(name);
    } else if (!one.at("seen").is_null() && name != from) {
      current.push_back(name);
    }
  }
  if (current.empty()) {
    return fail(Failure{Exit::kFailed, "usage",
                        "No browser with the Latchkey extension was seen on this computer yet.",
                        "Run `latchkey setup`, open the browser, then try again."});
  }
  if ((from.empty() && old.size() != 1) || current.size() != 1) {
    return fail(old.empty() && from.empty()
                    ? Failure{Exit::kFailed, "usage", "There is nothing to take over.",
                              "See `latchkey profiles`."}
                    : usage("There are several browser profiles.",
                            "See `latchkey profiles`, then run `latchkey adopt OLD NEW`."));
  }
  return Pair{from.empty() ? old.front() : from, current.front()};
}

}  // namespace

int export_backup(const Common& common, const Terminal& terminal, const MoveOptions& options) {
  const fs::path file = fs::absolute(options.file);
  std::error_code error;
  if (fs::exists(fs::symlink_status(file, error))) {
    return terminal.end(
        usage("There is something at " + file.string() + " already.", "Choose another name."));
  }
  auto secret = passphrase(options, true);
  if (!secret) {
    return terminal.end(secret.error());
  }
  const auto done = ask_agent(common, wire::kBackupExport,
                              {{"file", file.string()}, {"passphrase", *std::move(secret)}});
  if (!done) {
    return terminal.end(done.error());
  }
  if (terminal.json()) {
    terminal.document({{"file", file.string()},
                       {"devices", done->at("devices")},
                       {"grants", done->at("grants")}});
    return 0;
  }
  terminal.line("Saved " + count_of(*done, "devices", "device") + " and " +
                count_of(*done, "grants", "permission") + " in " + file.string());
  terminal.line("Whoever has this file and the passphrase can use your devices. On the other");
  terminal.line("computer: latchkey import FILE");
  return 0;
}

int import_backup(const Common& common, const Terminal& terminal, const MoveOptions& options) {
  const fs::path file = fs::absolute(options.file);
  std::error_code error;
  if (!fs::is_regular_file(file, error)) {
    return terminal.end(usage("There is no file " + file.string() + ".", "Check its name."));
  }
  auto secret = passphrase(options, false);
  if (!secret) {
    return terminal.end(secret.error());
  }
  const auto done = ask_agent(
      common, wire::kBackupImport,
      {{"file", file.string()}, {"passphrase", *std::move(secret)}, {"replace", options.replace}});
  if (!done) {
    return terminal.end(done.error());
  }
  if (terminal.json()) {
    terminal.document({{"devices", done->at("devices")},
                       {"grants", done->at("grants")},
                       {"kept", done->at("kept")}});
    return 0;
  }
  terminal.line("This computer now has " + count_of(*done, "devices", "device") + " and " +
                count_of(*done, "grants", "permission") + ".");
  if (done->at("kept").is_string()) {
    terminal.line("What was here before is in " + done->at("kept").get<std::string>() + ",");
    terminal.line("under the same passphrase.");
  }
  terminal.line("Next:");
  terminal.line("  1. latchkey setup        lets the browsers of this computer accept the devices");
  terminal.line("  2. Start the browser again, with the Latchkey extension in it.");
  terminal.line("  3. latchkey adopt        gives that browser what the old one was allowed");
  terminal.line("On the old computer, when all works here: latchkey setup --undo, and delete");
  terminal.line("~/.local/state/latchkey there. Until then both can use the devices.");
  return 0;
}

int profiles(const Common& common, const Terminal& terminal) {
  const auto known = ask_agent(common, wire::kProfilesList, json::object());
  if (!known) {
    return terminal.end(known.error());
  }
  if (terminal.json()) {
    terminal.document(*known);
    return 0;
  }
  if (known->at("profiles").empty()) {
    terminal.line("No browser profile is known yet.");
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json& one : known->at("profiles")) {
    const std::string name = one.value("profile", "");
    rows.push_back({name, std::to_string(one.value("grants", 0)),
                    name == std::string(32, '0') ? "command line" : day_or_never(one.at("seen"))});
  }
  terminal.table({"PROFILE", "PERMISSIONS", "LAST SEEN"}, rows);
  return 0;
}

int adopt(const Common& common, const Terminal& terminal, const AdoptOptions& options) {
  Pair pair{options.from, options.to};
  if (pair.to.empty()) {
    const auto known = ask_agent(common, wire::kProfilesList, json::object());
    if (!known) {
      return terminal.end(known.error());
    }
    const auto found = obvious(known->at("profiles"), options.from);
    if (!found) {
      return terminal.end(found.error());
    }
    pair = *found;
  }
  if (!options.yes) {
    if (!Terminal::can_ask()) {
      return terminal.end(usage("There is nobody to ask.", "Add --yes to do it without asking."));
    }
    const auto answer =
        Terminal::ask("The browser profile " + pair.to.substr(0, 8) + " takes over what " +
                      pair.from.substr(0, 8) + " was allowed. Go on? [y/N]");
    if (!answer || (*answer != "y" && *answer != "Y" && *answer != "yes")) {
      return terminal.end(failure_from("cancelled", "Nothing was changed."));
    }
  }
  const auto done = ask_agent(common, wire::kProfilesAdopt, {{"from", pair.from}, {"to", pair.to}});
  if (!done) {
    return terminal.end(done.error());
  }
  if (terminal.json()) {
    terminal.document({{"from", pair.from},
                       {"to", pair.to},
                       {"adopted", done->at("adopted")},
                       {"kept", done->at("kept")}});
    return 0;
  }
  terminal.line("Taken over: " + count_of(*done, "adopted", "permission") + ".");
  if (done->value("kept", 0) > 0) {
    terminal.line("Left as they are: " + count_of(*done, "kept", "permission") +
                  " that the browser has already.");
  }
  return 0;
}

}  // namespace latchkey::cli
