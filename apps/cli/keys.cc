// `latchkey keys` and `latchkey store`: what locks the keys, and what to do when the agent does not
// trust what it remembers (docs/keys.md).
#include <nlohmann/json.hpp>

#include "agent_link.h"
#include "commands.h"
#include "passphrase.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;

Result<json> ask(AgentLink& link, std::string_view method, json params) {
  auto answer = link.call(method, std::move(params));
  if (!answer) {
    Failure failure = answer.error();
    if (failure.code == "wrong_code") {
      failure.hint =
          "Try once more. A lost passphrase cannot be found again: see `latchkey keys "
          "status` for what to do then.";
    } else if (failure.code == "unreachable") {
      failure.exit = Exit::kFailed;
      failure.hint =
          "Log in to your desktop, or use a passphrase: `latchkey keys seal "
          "--passphrase`.";
    } else if (failure.code == "malformed" || failure.code == "not_allowed") {
      failure.hint = "See `latchkey keys status`.";
    }
    return fail(std::move(failure));
  }
  return answer;
}

Result<json> with_secret(AgentLink& link, std::string_view method, json params,
                         std::initializer_list<std::pair<const char*, std::string*>> secrets) {
  for (const auto& [name, text] : secrets) {
    if (!text->empty()) {
      params[name] = *text;
    }
    wipe_text(*text);
  }
  return ask(link, method, std::move(params));
}

std::string way_in_words(const std::string& sealed) {
  return sealed == "keyring"      ? "by your desktop's keyring"
         : sealed == "passphrase" ? "by your passphrase"
         : sealed == "file"       ? "by nothing but the rights of their file"
                                  : "(not known)";
}

std::string text_at(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_open(const json& status) {
  return text_at(status, "state") == "open";
}

// Says where things stand; done when nothing is in the way.
int show(const Terminal& terminal, const json& status) {
  const bool open = is_open(status);
  if (terminal.json()) {
    terminal.document(status);
    return open ? 0 : static_cast<int>(Exit::kFailed);
  }
  terminal.line(open ? terminal.good(text_at(status, "message"))
                     : terminal.bad(text_at(status, "message")));
  if (const std::string fix = text_at(status, "fix"); !fix.empty()) {
    terminal.paragraph(fix, 2);
  }
  const std::string sealed = text_at(status, "sealed");
  if (!sealed.empty()) {
    terminal.line("Your keys are locked " + way_in_words(sealed) + ".");
  }
  if (sealed == "file") {
    terminal.paragraph(
        "Lock them with `latchkey keys seal --keyring` or `latchkey keys seal "
        "--passphrase`.",
        2);
  }
  if (text_at(status, "witness") == "failed") {
    terminal.paragraph("Run `latchkey doctor`: the note of how new this is could not be written.",
                       2);
  }
  terminal.line("They are in " + text_at(status, "folder"));
  return open ? 0 : static_cast<int>(Exit::kFailed);
}

Result<AgentLink> open_even_locked(const Common& common) {
  return AgentLink::open(common.socket, std::nullopt, AgentLink::Locked::kFine);
}

}  // namespace

int keys_status(const Common& common, const Terminal& terminal) {
  auto link = open_even_locked(common);
  if (!link) {
    return terminal.end(link.error());
  }
  const auto status = ask(*link, wire::kStoreStatus, json::object());
  return status ? show(terminal, *status) : terminal.end(status.error());
}

int keys_unlock(const Common& common, const Terminal& terminal, const KeysOptions& options) {
  auto link = open_even_locked(common);
  if (!link) {
    return terminal.end(link.error());
  }
  const auto before = ask(*link, wire::kStoreStatus, json::object());
  if (!before) {
    return terminal.end(before.error());
  }
  if (is_open(*before)) {
    return show(terminal, *before);
  }
  std::string passphrase;
  if (text_at(*before, "state") == "passphrase_needed") {
    const bool fresh = before->value("fresh", false);
    auto typed =
        read_passphrase(options.passphrase_fd, fresh ? "Choose a passphrase:" : "Your passphrase:",
                        fresh ? Passphrase::kNew : Passphrase::kOld);
    if (!typed) {
      return terminal.end(typed.error());
    }
    passphrase = *std::move(typed);
  } else if (text_at(*before, "state") == "keyring_locked") {
    terminal.progress("Your desktop may ask for the keyring's password...");
  }
  const auto after =
      with_secret(*link, wire::kStoreUnlock, {{"prompt", true}}, {{"passphrase", &passphrase}});
  return after ? show(terminal, *after) : terminal.end(after.error());
}

int keys_seal(const Common& common, const Terminal& terminal, const KeysOptions& options) {
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    return terminal.end(link.error());
  }
  const auto before = ask(*link, wire::kStoreStatus, json::object());
  if (!before) {
    return terminal.end(before.error());
  }
  const std::string sealed = text_at(*before, "sealed");
  if (options.change && sealed != "passphrase") {
    return terminal.end(usage("Your keys are not locked by a passphrase.",
                              "Lock them with one: latchkey keys seal --passphrase"));
  }
  std::string current;
  std::string next;
  if (sealed == "passphrase") {
    auto typed =
        read_passphrase(options.passphrase_fd, "Your current passphrase:", Passphrase::kOld);
    if (!typed) {
      return terminal.end(typed.error());
    }
    current = *std::move(typed);
  }
  if (options.way == "passphrase") {
    auto typed = read_passphrase(options.passphrase_fd, "A new passphrase:", Passphrase::kNew);
    if (!typed) {
      wipe_text(current);
      return terminal.end(typed.error());
    }
    next = *std::move(typed);
  }
  const auto after = with_secret(*link, wire::kStoreSeal, {{"way", options.way}},
                                 {{"current", &current}, {"passphrase", &next}});
  return after ? show(terminal, *after) : terminal.end(after.error());
}

namespace {

bool is_sure(const KeysOptions& options, const char* what) {
  if (options.yes) {
    return true;
  }
  const auto typed = Terminal::ask(std::string(what) + " Type yes to go on:");
  return typed && *typed == "yes";
}

int decide(const Common& common, const Terminal& terminal, const KeysOptions& options,
           std::string_view method, const char* question) {
  if (!options.yes && !Terminal::can_ask()) {
    return terminal.end(usage("There is nobody to ask.", "Add --yes if you are sure."));
  }
  auto link = open_even_locked(common);
  if (!link) {
    return terminal.end(link.error());
  }
  const auto before = ask(*link, wire::kStoreStatus, json::object());
  if (!before) {
    return terminal.end(before.error());
  }
  if (!is_open(*before) && !is_sure(options, question)) {
    return terminal.end(failure_from("cancelled", "Nothing was changed."));
  }
  const auto after = ask(*link, method, json::object());
  if (!after) {
    return terminal.end(after.error());
  }
  if (!terminal.json()) {
    if (const std::string old = text_at(*after, "old"); !old.empty()) {
      terminal.line("What was there is kept in " + old);
      terminal.line("Run `latchkey setup`, then allow your devices again.");
    } else if (method == wire::kStoreAccept) {
      terminal.line("Look through `latchkey grants`: what you removed lately may be there again.");
    }
  }
  return show(terminal, *after);
}

}  // namespace

int store_accept(const Common& common, const Terminal& terminal, const KeysOptions& options) {
  return decide(common, terminal, options, wire::kStoreAccept,
                "What you removed since this copy was made will work again.");
}

int store_start_anew(const Common& common, const Terminal& terminal, const KeysOptions& options) {
  return decide(common, terminal, options, wire::kStoreStartAnew,
                "Every device will have to be allowed again; the old file is kept.");
}

}  // namespace latchkey::cli
