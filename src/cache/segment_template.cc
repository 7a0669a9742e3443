#include "cache/segment_template.h"

#include <charconv>

namespace latchkey::cache {

namespace {

constexpr std::size_t kMaxName = 2048;
constexpr std::size_t kMaxWidth = 20;

// "%05d" or nothing: how many digits at least.
std::optional<std::size_t> width_of(std::string_view format) {
  if (format.empty()) {
    return 1;
  }
  if (!format.starts_with("%0") || !format.ends_with('d') || format.size() > 5 ||
      format.size() < 4) {
    return std::nullopt;
  }
  std::size_t width = 0;
  const std::string_view digits = format.substr(2, format.size() - 3);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), width);
  return error == std::errc{} && end == digits.data() + digits.size() && width <= kMaxWidth
             ? std::optional(width)
             : std::nullopt;
}

std::optional<std::string> value_of(std::string_view identifier, const SegmentNaming& naming) {
  const std::size_t percent = identifier.find('%');
  const std::string_view name = identifier.substr(0, percent);
  const auto width =
      width_of(percent == std::string_view::npos ? std::string_view() : identifier.substr(percent));
  if (!width) {
    return std::nullopt;
  }
  if (name == "RepresentationID" && percent == std::string_view::npos) {
    return std::string(naming.representation);
  }
  std::string digits;
  if (name == "Number") {
    digits = std::to_string(naming.number);
  } else if (name == "Time") {
    digits = std::to_string(naming.time);
  } else if (name == "Bandwidth") {
    digits = std::to_string(naming.bandwidth);
  } else {
    return std::nullopt;
  }
  if (digits.size() < *width) {
    digits.insert(0, *width - digits.size(), '0');
  }
  return digits;
}

}  // namespace

std::optional<std::string> fill_template(std::string_view pattern, const SegmentNaming& naming) {
  std::string out;
  while (!pattern.empty()) {
    const std::size_t begin = pattern.find('$');
    out.append(pattern.substr(0, begin));
    if (begin == std::string_view::npos) {
      break;
    }
    const std::size_t end = pattern.find('$', begin + 1);
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    const std::string_view identifier = pattern.substr(begin + 1, end - begin - 1);
    if (identifier.empty()) {
      out.push_back('$');
    } else if (const auto value = value_of(identifier, naming)) {
      out.append(*value);
    } else {
      return std::nullopt;
    }
    pattern.remove_prefix(end + 1);
    if (out.size() > kMaxName) {
      return std::nullopt;
    }
  }
  return out.size() <= kMaxName ? std::optional(out) : std::nullopt;
}

std::optional<double> parse_duration(std::string_view text) {
  if (!text.starts_with('P') || text.size() < 3 || text.size() > 64) {
    return std::nullopt;
  }
  text.remove_prefix(1);
  double seconds = 0;
  bool in_time = false;
  while (!text.empty()) {
    if (text.front() == 'T' && !in_time && text.size() > 1) {
      in_time = true;
      text.remove_prefix(1);
      continue;
    }
    double value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc{} || end == text.data() + text.size() || !(value >= 0)) {
      return std::nullopt;
    }
    const char unit = *end;
    const double factor = unit == 'D' && !in_time  ? 86400
                          : unit == 'H' && in_time ? 3600
                          : unit == 'M' && in_time ? 60
                          : unit == 'S' && in_time ? 1
                                                   : 0;
    if (factor == 0) {
      return std::nullopt;
    }
    seconds += value * factor;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  }
  return seconds;
}

}  // namespace latchkey::cache
