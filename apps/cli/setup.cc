// `latchkey setup`: lets this user's browsers accept the devices of this home, and find the agent.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent_link.h"
#include "commands.h"
#include "fetch_output.h"
#include "platform/checks.h"
#include "platform/doctor_facts.h"
#include "platform/local_dns.h"
#include "platform/native_messaging.h"
#include "platform/nss_trust.h"
#include "platform/paths.h"
#include "setup_firefox.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kNickname = "Latchkey (this user's devices)";
constexpr const char* kExtensionId = LATCHKEY_EXTENSION_ID;

Failure failure_of(const platform::Error& error) {
  return {Exit::kFailed, "setup", error.message,
          error.hint.empty() ? "Run `latchkey doctor` to find out more." : error.hint};
}

std::vector<fs::path> paths_of(const std::vector<std::string>& texts) {
  std::vector<fs::path> paths;
  for (const std::string& text : texts) {
    paths.push_back(fs::absolute(text));
  }
  return paths;
}

json texts_of(const std::vector<fs::path>& paths) {
  json texts = json::array();
  for (const fs::path& path : paths) {
    texts.push_back(path.string());
  }
  return texts;
}

// Where things go: what was named, else what there is.
struct Places {
  std::vector<fs::path> databases;
  std::vector<fs::path> browsers;
};
Places places_of(const SetupOptions& options) {
  const auto environment = platform::Environment::current();
  Places places;
  places.databases = options.databases.empty() ? platform::chromium_databases(environment)
                                               : paths_of(options.databases);
  places.browsers = platform::user_data_folders(environment, paths_of(options.browsers));
  return places;
}

fs::path beside_self(const char* name) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return self.parent_path() / name;
}

// The unpacked extension, where it was installed or built.
std::optional<fs::path> extension_folder() {
  const fs::path bin = beside_self("").parent_path();
  for (const char* where : {"../share/latchkey/extension", "../../../extension/dist/chromium"}) {
    std::error_code error;
    const fs::path folder = fs::weakly_canonical(bin / where, error);
    if (!error && fs::exists(folder / "manifest.json", error)) {
      return folder;
    }
  }
  return std::nullopt;
}

struct Anchor {
  Bytes root;
  Places places;  // besides the usual ones, as set-up was told before
};
Result<Anchor> anchor_of(AgentLink& link) {
  const auto answer = link.call(wire::kAnchorGet, json::object());
  if (!answer) {
    return fail(answer.error());
  }
  auto root = decode_base64(answer->value("root", ""));
  if (!root) {
    return fail(failure_from("internal", "The agent's answer could not be read."));
  }
  Anchor anchor{*std::move(root), {}};
  for (const auto& [name, to] : {std::pair("databases", &anchor.places.databases),
                                 std::pair("browsers", &anchor.places.browsers)}) {
    const json folders = answer->value(name, json::array());
    for (const json& folder : folders) {
      if (folder.is_string()) {
        to->emplace_back(folder.get<std::string>());
      }
    }
  }
  return anchor;
}

void add_missing(std::vector<fs::path>& all, const std::vector<fs::path>& more) {
  for (const fs::path& one : more) {
    if (std::find(all.begin(), all.end(), one) == all.end()) {
      all.push_back(one);
    }
  }
}

Result<void> install_root(const fs::path& folder, const Bytes& root) {
  // What an earlier installation left is of no use any more.
  if (const auto old = platform::roots_named(folder, kNickname)) {
    for (const Bytes& other : *old) {
      if (other != root) {
        (void)platform::remove_root(folder, other);
      }
    }
  }
  if (const auto installed = platform::install_root(folder, root, kNickname); !installed) {
    return fail(failure_of(installed.error()));
  }
  return {};
}

struct Done {
  Places places;
  bool restart = false;
  std::string browser;
  std::optional<fs::path> extension;
  json firefox = json::array();  // its profiles: {folder, state, problem}
};

Result<Done> install(const Common& common, const Terminal& terminal, const SetupOptions& options) {
  if (platform::probe_local_dns().verdict == platform::LocalDns::kServed) {
    return fail(Failure{Exit::kFailed, "setup",
                        "In this network names that end in .local belong to somebody else, "
                        "probably a company. Latchkey stays out of there.",
                        "Set it up in your home network."});
  }
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    return fail(link.error());
  }
  const auto anchor = anchor_of(*link);
  if (!anchor) {
    return fail(anchor.error());
  }
  const Bytes& root = anchor->root;
  const auto browsers_before = platform::running_browsers();
  bool new_root = false;
  Done done{places_of(options), false, {}, extension_folder(), json::array()};
  for (const fs::path& folder : done.places.databases) {
    const auto state = platform::query_root(folder, root);
    new_root = new_root || !state || *state != platform::RootState::kTrusted;
    if (auto installed = install_root(folder, root); !installed) {
      return fail(installed.error());
    }
    terminal.progress("Your browsers will accept your devices: " + folder.string());
  }
  const platform::NativeHost host{beside_self("latchkey-native-host"), kExtensionId};
  for (const fs::path& folder : done.places.browsers) {
    if (const auto written = platform::write_manifest(folder, host); !written) {
      return fail(failure_of(written.error()));
    }
    terminal.progress("The browser can reach Latchkey: " + folder.string());
  }
  const auto firefox =
      set_up_firefox(*link, terminal, host.program, texts_of(paths_of(options.firefox)));
  if (!firefox) {
    return fail(firefox.error());
  }
  done.firefox = *firefox;
  // So that it knows from now on.
  auto told = link->call(wire::kDoctor, {{"databases", texts_of(done.places.databases)},
                                         {"browsers", texts_of(paths_of(options.browsers))}});
  if (!told) {
    return fail(told.error());
  }
  done.restart = new_root && !browsers_before.empty();
  done.browser = browsers_before.empty() ? "" : browsers_before.front().name;
  return done;
}

// This root, and what earlier ones left under our name: of a store that was deleted, or of before
// an import.
Result<void> remove_roots(const fs::path& folder, const Bytes& root) {
  auto all = platform::roots_named(folder, kNickname);
  if (!all) {
    return fail(failure_of(all.error()));
  }
  all->push_back(root);
  for (const Bytes& one : *all) {
    if (const auto removed = platform::remove_root(folder, one); !removed) {
      return fail(failure_of(removed.error()));
    }
  }
  return {};
}

// One place that cannot be changed does not keep trust in the others: all are tried, and what went
// wrong first is said.
Result<Done> remove(const Common& common, const Terminal& terminal, const SetupOptions& options) {
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    Failure failure = link.error();
    if (failure.code == "locked") {
      // Whoever cannot unlock it must be able to leave all the same.
      failure.hint += " To leave without it: `latchkey store start-anew`, then this again.";
    }
    return fail(std::move(failure));
  }
  const auto anchor = anchor_of(*link);
  if (!anchor) {
    return fail(anchor.error());
  }
  std::optional<Failure> first;
  const auto failed = [&](Failure failure) {
    if (!first) {
      first = std::move(failure);
    }
  };
  Done done{places_of(options), false, {}, std::nullopt, json::array()};
  add_missing(done.places.databases, anchor->places.databases);
  add_missing(done.places.browsers, anchor->places.browsers);
  for (const fs::path& folder : done.places.databases) {
    if (const auto removed = remove_roots(folder, anchor->root); !removed) {
      failed(removed.error());
    } else {
      terminal.progress("Removed from " + folder.string());
    }
  }
  if (const auto undone = undo_firefox(*link, terminal, texts_of(paths_of(options.firefox)));
      !undone) {
    failed(undone.error());
  }
  for (const fs::path& folder : done.places.browsers) {
    if (const auto removed = platform::remove_manifest(folder); !removed) {
      failed(failure_of(removed.error()));
    }
  }
  const auto told = link->call(wire::kDoctor, {{"databases", texts_of(done.places.databases)}});
  if (!told) {
    failed(told.error());
  }
  if (first) {
    return fail(*std::move(first));
  }
  const auto browsers = platform::running_browsers();
  done.restart = !browsers.empty();
  done.browser = browsers.empty() ? "" : browsers.front().name;
  return done;
}

// Somebody switched the user's unit on.
bool starts_with_the_session() {
  const fs::path unit = platform::Environment::current().home / ".config/systemd/user/" /
                        "default.target.wants/latchkey-agent.service";
  std::error_code error;
  return fs::is_symlink(fs::symlink_status(unit, error));
}

void say(const Terminal& terminal, const Done& done) {
  terminal.line("Latchkey is set up.");
  if (done.restart) {
    terminal.line("Close " + done.browser + " and open it again: it looks only when it starts.");
  }
  terminal.line("Add the extension to your browser, once:");
  terminal.line("  1. Open chrome://extensions and switch on \"Developer mode\".");
  terminal.line("  2. Choose \"Load unpacked\" and take the folder");
  terminal.line("     " + (done.extension ? done.extension->string()
                                          : std::string("share/latchkey/extension")));
  if (!done.firefox.empty()) {
    terminal.line(
        "In Firefox, for as long as it runs: open about:debugging#/runtime/this-firefox,");
    terminal.line("  \"Load Temporary Add-on\", and take manifest.json in the folder");
    terminal.line("     " + (done.extension ? (done.extension->parent_path() / "firefox").string()
                                            : std::string("share/latchkey/firefox")));
    terminal.line("  docs/firefox.md says how it stays for good.");
  }
  terminal.line("Then open a web service that works with devices in your home.");
}

}  // namespace

int setup(const Common& common, const Terminal& terminal, const SetupOptions& options) {
  if (std::string_view(kExtensionId).empty()) {
    return terminal.end({Exit::kFailed, "setup",
                         "This build of Latchkey does not know its browser extension.",
                         "Install a release, or build the extension first."});
  }
  const auto done =
      options.undo ? remove(common, terminal, options) : install(common, terminal, options);
  if (!done) {
    return terminal.end(done.error());
  }
  if (terminal.json()) {
    terminal.document({{options.undo ? "undone" : "done", true},
                       {"databases", texts_of(done->places.databases)},
                       {"browsers", texts_of(done->places.browsers)},
                       {"restart_needed", done->restart},
                       {"firefox", done->firefox},
                       {"extension", done->extension ? json(done->extension->string()) : json()},
                       {"extension_id", kExtensionId}});
    return 0;
  }
  if (options.undo) {
    terminal.line("Your browsers do not accept the devices of this home any more.");
    if (done->restart) {
      terminal.line("Close " + done->browser + " and open it again: it looks only when it starts.");
    }
    if (starts_with_the_session()) {
      terminal.line("The agent still starts with your session. To end that too:");
      terminal.line("  systemctl --user disable --now latchkey-agent");
    }
    terminal.line("What you allowed is still remembered; `latchkey revoke --all` ends that too.");
    return 0;
  }
  say(terminal, *done);
  return 0;
}

}  // namespace latchkey::cli
