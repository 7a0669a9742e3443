#include <nlohmann/json.hpp>

#include "agent_link.h"
#include "commands.h"
#include "platform/checks.h"
#include "platform/doctor_facts.h"
#include "wire/names.h"

namespace latchkey::cli {

using nlohmann::json;

namespace {

// Without the agent: what can be seen from here. Whether browsers trust its root, only it can say.
json checks_alone(const Common& common) {
  platform::DoctorQuestion question;
  question.environment = platform::Environment::current();
  question.agent_socket = common.socket;
  question.extension_id = LATCHKEY_EXTENSION_ID;
  json checks = json::array();
  for (const platform::Check& check : platform::judge(platform::read_facts(question))) {
    if (check.id != "trust" && check.id != "browser_restart") {
      checks.push_back({{"id", check.id},
                        {"level", platform::level_text(check.level)},
                        {"title", check.title},
                        {"detail", check.detail},
                        {"fix", check.fix}});
    }
  }
  return checks;
}

}  // namespace

int doctor(const Common& common, const Terminal& terminal) {
  terminal.progress("Looking at this computer...");
  auto link = AgentLink::open(common.socket, std::nullopt, AgentLink::Locked::kFine);
  json checks;
  if (link) {
    const auto checked = link->call(wire::kDoctor, json::object());
    if (!checked) {
      return terminal.end(checked.error());
    }
    checks = checked->value("checks", json::array());
  } else {
    checks = checks_alone(common);
  }
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
