#include "front/access_line.h"

#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

namespace latchkey::front {

namespace {

constexpr std::size_t kMaxPart = 1024;

// A part of a line: what could end it, or the part, is escaped. `blanks`: whether they may stay.
std::string part(std::string_view text, bool blanks = false) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text.substr(0, kMaxPart)) {
    if ((c > 0x20 && c < 0x7f && c != '"' && c != '\\') || (c == ' ' && blanks)) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kDigits[byte / 16], kDigits[byte % 16]});
    }
  }
  return out.empty() ? "-" : out;
}

std::string stamp(WallTime time, const char* format) {
  const std::time_t seconds = time.unix_seconds;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), format, &parts);
  return text.data();
}

std::string_view path_of(std::string_view target) {
  return target.substr(0, target.find_first_of("?#"));
}

std::string combined(const AccessLine& line) {
  // English names of months, whatever the locale: programs are not localized.
  return part(line.address) + " - - [" + stamp(line.time, "%d/%b/%Y:%H:%M:%S +0000") + "] \"" +
         part(line.method) + " " + part(path_of(line.target)) + " " + part(line.protocol) + "\" " +
         std::to_string(line.status) + " " + std::to_string(line.bytes) + " \"" +
         part(line.origin) + "\" \"" + part(line.agent, true) + "\"\n";
}

std::string json_line(const AccessLine& line) {
  const auto given = [](const std::string& text) {
    return text.empty() ? nlohmann::json(nullptr) : nlohmann::json(part(text, true));
  };
  nlohmann::ordered_json out;
  out["time"] = stamp(line.time, "%Y-%m-%dT%H:%M:%SZ");
  out["host"] = part(line.host);
  out["address"] = part(line.address);
  out["origin"] = given(line.origin);
  out["method"] = part(line.method);
  out["path"] = part(path_of(line.target));
  out["protocol"] = part(line.protocol);
  out["status"] = line.status;
  out["bytes"] = line.bytes;
  out["agent"] = given(line.agent);
  return out.dump() + "\n";
}

}  // namespace

std::optional<AccessFormat> parse_access_format(std::string_view name) {
  return name == "combined" ? std::optional(AccessFormat::kCombined)
         : name == "json"   ? std::optional(AccessFormat::kJson)
                            : std::nullopt;
}

std::string format(const AccessLine& line, AccessFormat as) {
  return as == AccessFormat::kJson ? json_line(line) : combined(line);
}

}  // namespace latchkey::front
