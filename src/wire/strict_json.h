// JSON from outside (RFC 8259), as one reading only: no duplicate names, bounded size and depth,
// valid UTF-8, nothing after it.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "wire/error.h"

namespace latchkey::wire {

struct JsonLimits {
  std::size_t bytes;
  std::size_t depth = 16;
};

// kMalformed for anything else.
Result<nlohmann::json> parse_json(std::string_view text, const JsonLimits& limits);

}  // namespace latchkey::wire
