#include "wire/http_selection.h"

#include <array>
#include <charconv>
#include <ctime>

namespace latchkey::wire {

namespace {

constexpr std::size_t kMaxRangeText = 1024;

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes the next element off a comma-separated list. Commas inside quotes do not separate.
std::string_view take_element(std::string_view& list) {
  bool quoted = false;
  std::size_t at = 0;
  for (; at < list.size() && (quoted || list[at] != ','); ++at) {
    quoted = quoted != (list[at] == '"');
  }
  const std::string_view element = trim(list.substr(0, at));
  list = at == list.size() ? std::string_view() : list.substr(at + 1);
  return element;
}

bool tag_in_list(std::string_view list, const std::optional<Validators>& current, bool weak) {
  while (!list.empty()) {
    std::string_view one = take_element(list);
    if (weak && one.starts_with("W/")) {
      one.remove_prefix(2);
    }
    if (current && (one == "*" || one == current->tag)) {
      return true;
    }
  }
  return false;
}

// Whether any field of this name lists the tag. Nothing: there is no such field.
std::optional<bool> lists_tag(const HttpFields& fields, std::string_view name,
                              const std::optional<Validators>& current, bool weak) {
  std::optional<bool> found;
  for (const HttpField& field : fields.all()) {
    if (iequals(field.name, name)) {
      found = found.value_or(false) || tag_in_list(field.value, current, weak);
    }
  }
  return found;
}

// The date in the one field of this name; two of them, or no date, count as none.
std::optional<std::int64_t> date_in(const HttpFields& fields, std::string_view name) {
  const std::string* value = fields.find(name);
  return value != nullptr && fields.count(name) == 1 ? parse_http_date(*value) : std::nullopt;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty()
             ? std::optional(value)
             : std::nullopt;
}

enum class Reading { kMalformed, kOutside, kInside };

// "first-last", "first-" or "-suffix".
Reading read_range(std::string_view text, std::uint64_t size, ByteRange& range) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    return Reading::kMalformed;
  }
  const auto first = parse_number(text.substr(0, dash));
  const auto last = parse_number(text.substr(dash + 1));
  if (dash == 0) {
    if (!last) {
      return Reading::kMalformed;
    }
    if (*last == 0 || size == 0) {
      return Reading::kOutside;
    }
    const std::uint64_t length = std::min(*last, size);
    range = {size - length, length};
    return Reading::kInside;
  }
  const bool open_ended = dash + 1 == text.size();
  if (!first || (!last && !open_ended) || (last && *last < *first)) {
    return Reading::kMalformed;
  }
  if (*first >= size) {
    return Reading::kOutside;
  }
  const std::uint64_t end = open_ended ? size - 1 : std::min(*last, size - 1);
  range = {*first, end - *first + 1};
  return Reading::kInside;
}

// Makes one of those that overlap or touch, in the place of the first of them.
std::vector<ByteRange> coalesced(const std::vector<ByteRange>& asked) {
  std::vector<ByteRange> out;
  for (ByteRange next : asked) {
    for (bool grew = true; grew;) {
      grew = false;
      for (auto at = out.begin(); at != out.end(); ++at) {
        if (next.offset > at->offset + at->length || at->offset > next.offset + next.length) {
          continue;
        }
        const std::uint64_t begin = std::min(at->offset, next.offset);
        const std::uint64_t end = std::max(at->offset + at->length, next.offset + next.length);
        next = {begin, end - begin};
        out.erase(at);
        grew = true;
        break;
      }
    }
    out.push_back(next);
  }
  return out;
}

bool range_applies(const HttpFields& fields, const Validators& current) {
  const std::string* condition = fields.find("If-Range");
  if (condition == nullptr) {
    return true;
  }
  if (fields.count("If-Range") != 1) {
    return false;
  }
  if (condition->starts_with('"')) {
    return *condition == current.tag;
  }
  const auto time = parse_http_date(*condition);
  return time && *time == current.modified;
}

}  // namespace

std::string http_date(std::int64_t unix_seconds) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t time = unix_seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  // Two of them are in every answer, and strftime() takes longer than the rest of its head.
  std::string text;
  text.reserve(30);
  const auto two = [&text](int number) {
    text.push_back(static_cast<char>('0' + number / 10 % 10));
    text.push_back(static_cast<char>('0' + number % 10));
  };
  text.append(kDays[static_cast<std::size_t>(parts.tm_wday)]).append(", ");
  two(parts.tm_mday);
  text.append(" ").append(kMonths[static_cast<std::size_t>(parts.tm_mon)]).append(" ");
  text.append(std::to_string(parts.tm_year + 1900)).append(" ");
  two(parts.tm_hour);
  text.push_back(':');
  two(parts.tm_min);
  text.push_back(':');
  two(parts.tm_sec);
  return text.append(" GMT");
}

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  std::tm parts{};
  const std::string copy(trim(text));
  const char* end = strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') {
    return std::nullopt;
  }
  return timegm(&parts);
}

std::optional<int> judge_conditions(const HttpRequestHead& request,
                                    const std::optional<Validators>& current) {
  const HttpFields& fields = request.fields;
  if (const auto match = lists_tag(fields, "If-Match", current, false)) {
    if (!*match) {
      return 412;
    }
  } else if (const auto since = date_in(fields, "If-Unmodified-Since");
             since && current && current->modified > *since) {
    return 412;
  }
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (const auto none = lists_tag(fields, "If-None-Match", current, true)) {
    return *none ? std::optional(reads ? 304 : 412) : std::nullopt;
  }
  if (const auto since = date_in(fields, "If-Modified-Since");
      since && reads && current && current->modified <= *since) {
    return 304;
  }
  return std::nullopt;
}

Selection select_ranges(const HttpRequestHead& request, const Validators& current,
                        std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  const std::string* wanted = request.fields.find("Range");
  if (wanted == nullptr || request.method != "GET" || request.fields.count("Range") != 1 ||
      wanted->size() > kMaxRangeText ||
      !iequals(std::string_view(*wanted).substr(0, kUnit.size()), kUnit) ||
      !range_applies(request.fields, current)) {
    return {};
  }
  std::string_view list = std::string_view(*wanted).substr(kUnit.size());
  std::vector<ByteRange> asked;
  bool outside = false;
  std::size_t count = 0;
  while (!list.empty()) {
    const std::string_view one = take_element(list);
    if (one.empty()) {
      continue;
    }
    ByteRange range;
    const Reading reading = read_range(one, size, range);
    if (reading == Reading::kMalformed || ++count > kMaxRanges) {
      return {};
    }
    if (reading == Reading::kInside) {
      asked.push_back(range);
    } else {
      outside = true;
    }
  }
  if (asked.empty()) {
    return outside ? Selection{Selection::Kind::kUnsatisfiable, {}} : Selection{};
  }
  return {Selection::Kind::kPart, coalesced(asked)};
}

std::string content_range(const ByteRange& range, std::uint64_t size) {
  return "bytes " + std::to_string(range.offset) + "-" +
         std::to_string(range.offset + range.length - 1) + "/" + std::to_string(size);
}

}  // namespace latchkey::wire
