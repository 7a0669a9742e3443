#include "front/files.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "base/encoding.h"

namespace latchkey::front {

namespace {

constexpr std::size_t kMaxNames = 32;
constexpr std::size_t kMaxPath = 1024;

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_plain_name(std::string_view name) {
  return !name.starts_with('.') &&
         name.find_first_of(std::string_view("\0/\\", 3)) == std::string_view::npos;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty()
             ? std::optional(value)
             : std::nullopt;
}

struct Range {
  std::uint64_t offset;
  std::uint64_t length;
};
enum class RangeKind { kIgnored, kUnsatisfiable, kGood };

// "bytes=first-last", "bytes=first-", "bytes=-suffix".
RangeKind parse_range(std::string_view text, std::uint64_t size, Range& range) {
  constexpr std::string_view kUnit = "bytes=";
  if (!wire::iequals(text.substr(0, kUnit.size()), kUnit) ||
      text.find(',') != std::string_view::npos) {
    return RangeKind::kIgnored;
  }
  text = trim(text.substr(kUnit.size()));
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    return RangeKind::kIgnored;
  }
  const auto first = parse_number(text.substr(0, dash));
  const auto last = parse_number(text.substr(dash + 1));
  if (dash == 0) {
    if (!last) {
      return RangeKind::kIgnored;
    }
    if (*last == 0 || size == 0) {
      return RangeKind::kUnsatisfiable;
    }
    const std::uint64_t length = std::min(*last, size);
    range = {size - length, length};
    return RangeKind::kGood;
  }
  const bool open_ended = dash + 1 == text.size();
  if (!first || (!last && !open_ended) || (last && *last < *first)) {
    return RangeKind::kIgnored;
  }
  if (*first >= size) {
    return RangeKind::kUnsatisfiable;
  }
  const std::uint64_t end = open_ended ? size - 1 : std::min(*last, size - 1);
  range = {*first, end - *first + 1};
  return RangeKind::kGood;
}

bool tag_in_list(std::string_view list, std::string_view tag, bool weak) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view one = trim(list.substr(0, comma));
    if (weak && one.starts_with("W/")) {
      one.remove_prefix(2);
    }
    if (one == "*" || one == tag) {
      return true;
    }
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return false;
}

// RFC 9110 section 13.2.2. Nothing: go on.
std::optional<int> judge_conditions(const wire::HttpFields& fields, std::string_view tag,
                                    std::int64_t modified) {
  if (const std::string* match = fields.find("If-Match")) {
    if (!tag_in_list(*match, tag, false)) {
      return 412;
    }
  } else if (const std::string* since = fields.find("If-Unmodified-Since")) {
    const auto time = parse_http_date(*since);
    if (time && modified > *time) {
      return 412;
    }
  }
  if (const std::string* none = fields.find("If-None-Match")) {
    return tag_in_list(*none, tag, true) ? std::optional(304) : std::nullopt;
  }
  if (const std::string* since = fields.find("If-Modified-Since")) {
    const auto time = parse_http_date(*since);
    if (time && modified <= *time) {
      return 304;
    }
  }
  return std::nullopt;
}

bool range_applies(const wire::HttpFields& fields, std::string_view tag, std::int64_t modified) {
  const std::string* condition = fields.find("If-Range");
  if (condition == nullptr) {
    return true;
  }
  if (condition->starts_with('"')) {
    return *condition == tag;
  }
  const auto time = parse_http_date(*condition);
  return time && *time == modified;
}

struct Type {
  std::string_view extension;
  std::string_view type;
};
constexpr std::array<Type, 36> kTypes = {{
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"txt", "text/plain; charset=utf-8"},
    {"xml", "application/xml"},
    {"vtt", "text/vtt; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"wasm", "application/wasm"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"svg", "image/svg+xml"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"ico", "image/vnd.microsoft.icon"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"mpd", "application/dash+xml"},
    {"ts", "video/mp2t"},
    {"m4s", "video/mp4"},
    {"mp4", "video/mp4"},
    {"m4v", "video/mp4"},
    {"webm", "video/webm"},
    {"m4a", "audio/mp4"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"opus", "audio/ogg"},
    {"wav", "audio/wav"},
}};

}  // namespace

std::optional<std::vector<std::string>> file_path(std::string_view path) {
  if (path.size() > kMaxPath || !path.starts_with('/')) {
    return std::nullopt;
  }
  std::vector<std::string> names;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t slash = path.find('/');
    const auto name = percent_decode(path.substr(0, slash));
    const bool last = slash == std::string_view::npos;
    if (!name || !is_plain_name(*name) || (name->empty() && !last) || names.size() == kMaxNames) {
      return std::nullopt;
    }
    names.push_back(*name);
    path = last ? std::string_view() : path.substr(slash);
  }
  return names;
}

std::string_view content_type(std::string_view file_name) {
  const std::size_t dot = file_name.rfind('.');
  if (dot != std::string_view::npos) {
    for (const Type& type : kTypes) {
      if (wire::iequals(type.extension, file_name.substr(dot + 1))) {
        return type.type;
      }
    }
  }
  return "application/octet-stream";
}

std::string entity_tag(const FileFacts& file) {
  std::array<char, 96> text{};
  const int size = std::snprintf(
      text.data(), text.size(), "\"%llx-%llx-%llx.%x\"",
      static_cast<unsigned long long>(file.inode), static_cast<unsigned long long>(file.size),
      static_cast<unsigned long long>(file.modified), file.modified_nanos);
  return {text.data(), static_cast<std::size_t>(size)};
}

std::string http_date(std::int64_t unix_seconds) {
  const std::time_t time = unix_seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  // The C locale's names are the RFC's.
  const std::size_t size =
      std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), size};
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

FilePlan plan_file(const wire::HttpRequestHead& request, std::string_view file_name,
                   const FileFacts& file) {
  FilePlan plan;
  const std::string tag = entity_tag(file);
  plan.fields.add("ETag", tag);
  plan.fields.add("Last-Modified", http_date(file.modified));
  plan.fields.add("Cache-Control", "private, no-cache");
  plan.fields.add("Accept-Ranges", "bytes");
  if (const auto status = judge_conditions(request.fields, tag, file.modified)) {
    plan.status = *status;
    return plan;
  }
  plan.fields.add("Content-Type", content_type(file_name));
  plan.length = file.size;
  const std::string* wanted = request.fields.find("Range");
  if (wanted == nullptr || request.method != "GET" ||
      !range_applies(request.fields, tag, file.modified)) {
    return plan;
  }
  Range range{};
  switch (parse_range(*wanted, file.size, range)) {
    case RangeKind::kIgnored:
      break;
    case RangeKind::kUnsatisfiable:
      plan.status = 416;
      plan.length = 0;
      plan.fields.add("Content-Range", "bytes */" + std::to_string(file.size));
      break;
    case RangeKind::kGood:
      plan.status = 206;
      plan.offset = range.offset;
      plan.length = range.length;
      plan.fields.add("Content-Range", "bytes " + std::to_string(range.offset) + "-" +
                                           std::to_string(range.offset + range.length - 1) + "/" +
                                           std::to_string(file.size));
      break;
  }
  return plan;
}

}  // namespace latchkey::front
