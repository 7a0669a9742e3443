// origin: web services.
#include <nlohmann/json.hpp>

#include "commands.h"
#include "registry_use.h"

namespace latchkey::providerd {
namespace {

using attest::OriginStatus;
using nlohmann::json;
using provider::ErrorCode;
using provider::RegisteredOrigin;
using provider::Registry;

json to_json(const RegisteredOrigin& origin) {
  return {{"origin", origin.origin.text()},
          {"name", origin.name},
          {"icon", origin.icon},
          {"contact", origin.contact},
          {"status", attest::name_of(origin.status)},
          {"reason", origin.reason},
          {"since", origin.since.unix_seconds},
          {"checked", origin.checked.unix_seconds}};
}

std::string text_of(const RegisteredOrigin& origin) {
  std::string text = origin.origin.text() + "\n  name     " + origin.name + "\n  status   " +
                     std::string(attest::name_of(origin.status)) + " since " +
                     time_text(origin.since) + "\n";
  if (!origin.reason.empty()) {
    text += "  reason   " + origin.reason + "\n";
  }
  if (!origin.icon.empty()) {
    text += "  icon     " + origin.icon + "\n";
  }
  return text + "  contact  " + origin.contact + "\n  checked  " + time_text(origin.checked) + "\n";
}

std::optional<Origin> read_origin(Context& context, const std::string& text) {
  auto origin = Origin::parse(text);
  if (!origin) {
    complain(context, {ErrorCode::kInvalid,
                       "an origin is written https://video.example: small letters, nothing after "
                       "the host but a port other than 443"});
  }
  return origin;
}

// Registers, or looks again at what is registered.
void look(Context& context, const std::string& text, bool is_new) {
  const auto origin = read_origin(context, text);
  if (!origin) {
    return;
  }
  use_registry(context, [&](Registry& registry) {
    const auto found = is_new ? registry.register_origin(*origin, act(context))
                              : registry.check_origin(*origin, act(context));
    return report(context, found, [&](const RegisteredOrigin& known) {
      answer(context, to_json(known), text_of(known));
    });
  });
}

void show(Context& context, const std::string& text) {
  const auto origin = read_origin(context, text);
  provider::Records* known = origin ? records(context) : nullptr;
  if (known == nullptr) {
    return;
  }
  report(context, known->origin(*origin), [&](const std::optional<RegisteredOrigin>& found) {
    if (!found) {
      complain(context, {ErrorCode::kNotFound, text +
                                                   " is not registered: latchkey-provider "
                                                   "origin add " +
                                                   text});
      return;
    }
    answer(context, to_json(*found), text_of(*found));
  });
}

void list(Context& context, const provider::Page& page) {
  provider::Records* known = records(context);
  if (known == nullptr) {
    return;
  }
  report(context, known->origins(page), [&](const std::vector<RegisteredOrigin>& origins) {
    json document = json::array();
    std::vector<std::vector<std::string>> rows;
    for (const RegisteredOrigin& origin : origins) {
      document.push_back(to_json(origin));
      rows.push_back({origin.origin.text(), std::string(attest::name_of(origin.status)),
                      time_text(origin.since), origin.name});
    }
    answer(context, document, table({"ORIGIN", "STATUS", "SINCE", "NAME"}, rows));
  });
}

void set_status(Context& context, const std::string& text, OriginStatus status) {
  const auto origin = read_origin(context, text);
  if (!origin) {
    return;
  }
  use_registry(context, [&](Registry& registry) {
    const auto done = registry.set_origin_status(*origin, status, act(context));
    const std::string name(attest::name_of(status));
    return report_done(context, done, {{"origin", text}, {"status", name}},
                       text + " is " + name + " from now on. It counts once it is published.");
  });
}

}  // namespace

void add_origin_commands(CLI::App& app, Context& context) {
  auto text = std::make_shared<std::string>();
  auto page = std::make_shared<provider::Page>();
  auto* origin = app.add_subcommand("origin", "Web services");
  origin->require_subcommand(1);
  const auto command = [&](const char* name, const char* help) {
    auto* added = origin->add_subcommand(name, help);
    added->add_option("ORIGIN", *text, "https://HOST or https://HOST:PORT")->required();
    return added;
  };
  command("add", "Register, after a look at its /.well-known/latchkey-origin.json")
      ->callback([&context, text] { look(context, *text, true); });
  command("check", "Look at its file again: name, icon, contact")->callback([&context, text] {
    look(context, *text, false);
  });
  command("show", "One web service")->callback([&context, text] { show(context, *text); });
  auto* all = origin->add_subcommand("list", "Web services, in order");
  add_page_options(*all, *page);
  all->callback([&context, page] { list(context, *page); });
  command("suspend", "Nothing for it until further notice (with --reason)")
      ->callback([&context, text] { set_status(context, *text, OriginStatus::kSuspended); });
  command("revoke", "Nothing for it any more (with --reason)")->callback([&context, text] {
    set_status(context, *text, OriginStatus::kRevoked);
  });
  command("reinstate", "As if nothing had been (with --reason)")->callback([&context, text] {
    set_status(context, *text, OriginStatus::kActive);
  });
}

}  // namespace latchkey::providerd
