#include <nlohmann/json.hpp>

#include "agent_link.h"
#include "commands.h"
#include "wire/names.h"

namespace latchkey::cli {

using nlohmann::json;

int doctor(const Common& common, const Terminal& terminal) {
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    return terminal.end(link.error());
  }
  terminal.progress("Looking at this computer...");
  const auto checked = link->call(wire::kDoctor, json::object());
  if (!checked) {
    return terminal.end(checked.error());
  }
  const json checks = checked->value("checks", json::array());
  bool failed = false;
  for (const json& check : checks) {
    failed = failed || check.value("level", "") == "fail";
  }
  if (terminal.json()) {
    terminal.document({{"checks", checks}});
    return failed ? 1 : 0;
  }
  for (const json& check : checks) {
    const std::string level = check.value("level", "");
    const std::string mark = level == "ok"     ? terminal.good("ok  ")
                             : level == "warn" ? terminal.strong("note")
                                               : terminal.bad("bad ");
    terminal.line(mark + "  " + check.value("title", ""));
    if (level != "ok") {
      for (const char* part : {"fix", "detail"}) {
        if (const std::string text = check.value(part, ""); !text.empty()) {
          terminal.paragraph(text, 6);
        }
      }
    }
  }
  return failed ? 1 : 0;
}

}  // namespace latchkey::cli
