// One line a request, in formats that other programs read. Queries, tickets and cookies are never
// in it, and nothing that a client says can end a line or forge another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace latchkey::front {

struct AccessLine {
  WallTime time;
  std::string host;     // of the grant
  std::string address;  // the client's, numeric
  std::string origin;   // as sent; empty: none
  std::string method;
  std::string target;    // as sent; cut at '?' here
  std::string protocol;  // "HTTP/1.1"
  std::string agent;     // User-Agent; empty: none
  int status = 0;        // 0: nothing was answered
  std::uint64_t bytes = 0;
};

// kCombined: Apache's and nginx's Combined Log Format, with the web service that asks where the
// Referer would stand: `address - - [time] "METHOD path HTTP/1.1" status bytes "origin" "agent"`.
// kJson: one object a line, with all of the above by these names, `time` in ISO 8601.
enum class AccessFormat { kCombined, kJson };
std::optional<AccessFormat> parse_access_format(std::string_view name);  // "combined", "json"
std::string format(const AccessLine& line, AccessFormat as);             // ends with a line feed

}  // namespace latchkey::front
