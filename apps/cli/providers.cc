// Who says what is real and what is revoked, and how new their lists are.
#include <nlohmann/json.hpp>

#include "agent_link.h"
#include "base/text.h"
#include "commands.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;

std::string text_at(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string day_at(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? day_of(found->get<std::int64_t>())
                                                             : "-";
}

std::string version_of(const json& provider) {
  const auto no = provider.find("no");
  return no != provider.end() && no->is_number_unsigned() ? std::to_string(no->get<std::uint64_t>())
                                                          : "-";
}

// The state in everyday words.
std::string state_of(const json& provider) {
  const std::string state = text_at(provider, "state");
  return state == "fresh"   ? "up to date"
         : state == "late"  ? "late"
         : state == "stale" ? "too old"
                            : "never read";
}

Result<json> ask(const Common& common, std::string_view method) {
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    return fail(link.error());
  }
  return link->call(method, json::object());
}

}  // namespace

int providers(const Common& common, const Terminal& terminal) {
  const auto status = ask(common, wire::kMetadataStatus);
  if (!status) {
    return terminal.end(status.error());
  }
  if (terminal.json()) {
    terminal.document(*status);
    return 0;
  }
  const json list = status->value("providers", json::array());
  if (list.empty()) {
    terminal.line("No provider is set up: nobody vouches for devices or web services.");
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json& one : list) {
    rows.push_back({clean_display_name(text_at(one, "name")), text_at(one, "url"), version_of(one),
                    day_at(one, "published"), state_of(one)});
  }
  terminal.table({"PROVIDER", "ADDRESS", "VERSION", "FROM", "STATE"}, rows);
  for (const json& one : list) {
    if (const std::string error = text_at(one, "error"); !error.empty()) {
      terminal.progress(clean_display_name(text_at(one, "name")) + ": " + error);
    }
  }
  return 0;
}

int refresh(const Common& common, const Terminal& terminal) {
  const auto status = ask(common, wire::kMetadataRefresh);
  if (!status) {
    return terminal.end(status.error());
  }
  bool well = true;
  const json list = status->value("providers", json::array());
  for (const json& one : list) {
    well = well && text_at(one, "error").empty();
  }
  if (terminal.json()) {
    terminal.document(*status);
    return well ? 0 : static_cast<int>(Exit::kUnreachable);
  }
  if (list.empty()) {
    terminal.line("No provider is set up: there is nothing to refresh.");
  }
  for (const json& one : list) {
    const std::string error = text_at(one, "error");
    terminal.line(clean_display_name(text_at(one, "name")) + ": " +
                  (error.empty() ? "version " + version_of(one) + ", " + state_of(one)
                                 : "not refreshed: " + error));
  }
  if (!well) {
    terminal.progress("Connect to the internet and try again, or run `latchkey doctor`.");
  }
  return well ? 0 : static_cast<int>(Exit::kUnreachable);
}

}  // namespace latchkey::cli
