#include <nlohmann/json.hpp>

#include "agent_link.h"
#include "base/origin.h"
#include "base/sign_in.h"
#include "base/text.h"
#include "commands.h"
#include "course.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;

// "https://video.example/watch" means the web service there.
std::optional<Origin> origin_from(std::string text) {
  const auto scheme = text.find("://");
  if (scheme == std::string::npos) {
    text = "https://" + text;
  }
  const auto path = text.find_first_of("/?#", text.find("://") + 3);
  if (path != std::string::npos) {
    text.resize(path);
  }
  return Origin::parse(text);
}

Result<json> run(const Common& common, const Terminal& terminal, const GrantOptions& options) {
  const auto origin = origin_from(options.origin);
  if (!origin) {
    return fail(usage("\"" + options.origin + "\" is not the address of a web service.",
                      "Write it like https://video.example"));
  }
  json begin = {{"origin", origin->text()}};
  if (!options.issuer.empty()) {
    if (!SignInOffer::make(options.issuer, options.client)) {
      return fail(usage("\"" + options.issuer + "\" is not whom people can sign in with.",
                        "Write it as its provider does, like https://accounts.example"));
    }
    begin["sso"] = {{"issuer", options.issuer}};
    if (!options.client.empty()) {
      begin["sso"]["client"] = options.client;
    }
  }
  auto link = open_for_pairing(common.socket, options.type, options.profile);
  if (!link) {
    return fail(link.error());
  }
  const CourseOptions course{options.type,    options.device, options.code, options.code_from,
                             options.timeout, options.nearby, options.wifi};
  const auto device = choose_device(*link, terminal, course);
  if (!device) {
    return device;
  }
  const OnName unasked = [](const json&) -> Result<std::string> {
    return fail(failure_from("internal", "A web service's device needs no name."));
  };
  return run_course(*link, terminal, course, *device, std::move(begin), unasked);
}

}  // namespace

int grant(const Common& common, const Terminal& terminal, const GrantOptions& options) {
  const auto done = run(common, terminal, options);
  if (!done) {
    return terminal.end(done.error());
  }
  const json made = done->value("grant", json::object());
  const json warnings = done->value("warnings", json::array());
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
  terminal.progress(made.value("origin", "") + " may use " +
                    clean_display_name(made["device"].value("name", "")) + " now:");
  terminal.line(made.value("url", ""));
  return 0;
}

}  // namespace latchkey::cli
