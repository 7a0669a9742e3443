// Devices that a person opens themselves, at an address of their own.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "commands.h"
#include "course.h"
#include "grant_view.h"
#include "pairing/code.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;

std::string trouble_text(const std::string& trouble, const std::string& asked) {
  if (trouble == "this_computer") {
    return "This computer itself is called that.";
  }
  if (trouble == "yours") {
    return "Another device of yours has that address.";
  }
  if (trouble == "taken") {
    return "Something else in this network answers to that address.";
  }
  return "\"" + clean_display_name(asked) + "\" cannot be written so in an address.";
}

// The person's word on each proposal. Where nobody is there to be asked, a proposal stands if
// nothing was demanded by --name, and else only if it is what was demanded.
class Naming {
 public:
  Naming(const Terminal& terminal, const AddOptions& options)
      : terminal_(terminal), options_(options), asked_(options.name) {}

  Result<std::string> operator()(const json& proposed) {
    const std::string name = proposed.value("name", "");
    const std::string host = proposed.value("host", "");
    const json trouble = proposed.value("trouble", json());
    const bool demanded = !options_.name.empty();
    // A device's own name always has to be put into an address's letters: that is no news.
    const bool changed = trouble.is_string() && (!asked_.empty() || trouble != "shape");
    if (changed) {
      terminal_.progress(trouble_text(trouble.get<std::string>(), asked_));
    }
    if (demanded && !trouble.is_string()) {
      return name;
    }
    if (!Terminal::can_ask()) {
      if (demanded) {
        return fail(Failure{Exit::kFailed, "name_conflict",
                            "The device cannot have the address " + options_.name + ".local.",
                            "Try --name " + name + ", or another."});
      }
      return name;
    }
    const json port = proposed.value("port", json());
    const bool bare = !port.is_number_unsigned() || port == 443;
    terminal_.progress("It will be at https://" + host + (bare ? "" : ":" + port.dump()));
    const auto typed = Terminal::ask("Press Enter to take that, or type another name:");
    if (!typed) {
      return fail(failure_from("cancelled", "No name was chosen."));
    }
    asked_ = typed->empty() ? name : cut_suffix(*typed);
    return asked_.empty() ? name : asked_;
  }

 private:
  // "https://attic.local/" means "attic".
  static std::string cut_suffix(std::string typed) {
    if (const auto scheme = typed.find("://"); scheme != std::string::npos) {
      typed.erase(0, scheme + 3);
    }
    typed = typed.substr(0, typed.find('/'));
    return typed.ends_with(".local") ? typed.substr(0, typed.size() - 6) : typed;
  }
  const Terminal& terminal_;
  const AddOptions& options_;
  std::string asked_;
};

Result<json> run(const Common& common, const Terminal& terminal, const AddOptions& options) {
  CourseOptions course{options.type,    options.device, options.code, options.code_from,
                       options.timeout, options.nearby, options.wifi};
  // A link holds the device's name and the code; whose it is, the agent checks by the key's hash.
  if (options.device.starts_with("latchkey:")) {
    const auto link = pairing::parse_link(options.device);
    if (!link) {
      return fail(usage("That is not a whole pairing link.",
                        "Copy all of it, from latchkey: to the end, between quotation marks."));
    }
    course.device = link->name;
    course.code = options.device;
    terminal.progress(
        "Whatever this link says: it can only make one address work on this computer, "
        "one that ends in .local.");
  }
  auto link = open_for_pairing(common.socket, options.type, options.profile);
  if (!link) {
    return fail(link.error());
  }
  const auto device = choose_device(*link, terminal, course);
  if (!device) {
    return device;
  }
  json begin{{"origin", nullptr}};
  if (!options.name.empty()) {
    begin["name"] = options.name;
  }
  return run_course(*link, terminal, course, *device, std::move(begin), Naming(terminal, options));
}

// A device that the person opens: its host, the host's label, its name, or the grant's number.
bool is_called(const json& grant, const std::string& which) {
  const std::string host = grant.value("host", "");
  const std::string id = grant.value("id", "");
  return host == which || host == which + ".local" || grant.value("url", "") == which ||
         grant.value("device", json::object()).value("name", "") == which ||
         (which.size() >= 6 && id.starts_with(which));
}

Result<json> find_direct(AgentLink& link, const std::string& which) {
  const auto listed = list_grants(link, false);
  if (!listed) {
    return fail(listed.error());
  }
  std::vector<json> fitting;
  for (const json& grant : *listed) {
    if (grant.value("origin", json()).is_null() && is_called(grant, which)) {
      fitting.push_back(grant);
    }
  }
  if (fitting.empty()) {
    return fail(Failure{Exit::kFailed, "not_granted",
                        "You have not added a device called " + which + ".",
                        "Add it with `latchkey add`; `latchkey grants` lists what there is."});
  }
  if (fitting.size() > 1) {
    return fail(usage("More than one device is called " + which + ".",
                      "Say which by its address; `latchkey grants --json` lists them."));
  }
  return fitting.front();
}

// xdg-open gets the plain address: a ticket on a command line could be read by other users.
bool open_in_browser(const std::string& url) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execlp("xdg-open", "xdg-open", url.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

}  // namespace

int add(const Common& common, const Terminal& terminal, const AddOptions& options) {
  const auto done = run(common, terminal, options);
  if (!done) {
    return terminal.end(done.error());
  }
  const json made = done->value("grant", json::object());
  const json warnings = done->value("warnings", json::array());
  if (!options.name.empty() && made.value("host", "") != options.name + ".local") {
    terminal.progress(
        "This device was added before. To give it another address, remove it first: "
        "`latchkey revoke " +
        made.value("host", "") + "`.");
  }
  if (terminal.json()) {
    terminal.document({{"grant", made}, {"warnings", warnings}});
    return 0;
  }
  for (const json& warning : warnings) {
    terminal.progress(warning.get<std::string>());
  }
  if (const std::string standing = standing_of(made); !standing.empty()) {
    terminal.progress(standing);
  }
  terminal.progress("You can open " + clean_display_name(made["device"].value("name", "")) +
                    " now, in any browser that was set up:");
  terminal.line(made.value("url", ""));
  return 0;
}

int open_device(const Common& common, const Terminal& terminal, const OpenOptions& options) {
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    return terminal.end(link.error());
  }
  const auto grant = find_direct(*link, options.which);
  if (!grant) {
    return terminal.end(grant.error());
  }
  const std::string url = grant->value("url", "");
  if (options.browser) {
    if (!open_in_browser(url + "/")) {
      return terminal.end({Exit::kFailed, "internal", "No browser could be started.",
                           "Open " + url + " yourself."});
    }
    if (terminal.json()) {
      terminal.document({{"url", url}});
    }
    return 0;
  }
  const auto minted =
      link->call(wire::kTicketMint, {{"id", grant->value("id", "")}, {"origin", nullptr}});
  if (!minted) {
    return terminal.end(minted.error());
  }
  const std::string once =
      url + "/.well-known/latchkey/open#" + minted->value("ticket", std::string());
  if (terminal.json()) {
    terminal.document({{"url", once}, {"expires", minted->value("expires", json())}});
    return 0;
  }
  terminal.progress("This works once, within a minute, and is for you alone:");
  terminal.line(once);
  return 0;
}

}  // namespace latchkey::cli
