// Names of segments from a DASH template (ISO/IEC 23009-1 section 5.3.9.4.4), and its durations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace latchkey::cache {

struct SegmentNaming {
  std::string_view representation;
  std::uint64_t bandwidth = 0;
  std::uint64_t number = 0;
  std::uint64_t time = 0;
};

// Nothing for an identifier that is not known, one without an end, or a result of more than 2048
// bytes.
std::optional<std::string> fill_template(std::string_view pattern, const SegmentNaming& naming);

// Seconds of "P1DT2H3M4.5S" (XML Schema's duration without years and months); nothing for anything
// else.
std::optional<double> parse_duration(std::string_view text);

}  // namespace latchkey::cache
