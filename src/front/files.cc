#include "front/files.h"

#include <array>
#include <charconv>

#include "base/encoding.h"
#include "wire/http_selection.h"

namespace latchkey::front {

namespace {

constexpr std::size_t kMaxNames = 32;
constexpr std::size_t kMaxPath = 1024;

bool is_plain_name(std::string_view name) {
  return !name.starts_with('.') &&
         name.find_first_of(std::string_view("\0/\\", 3)) == std::string_view::npos;
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
  std::array<char, 16> digits{};
  std::string text;
  text.reserve(64);
  const auto hex = [&](std::uint64_t number, char before) {
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
    text.append(1, before).append(digits.data(), end);
  };
  hex(file.inode, '"');
  hex(file.size, '-');
  hex(static_cast<std::uint64_t>(file.modified), '-');
  hex(file.modified_nanos, '.');
  return text.append(1, '"');
}

FilePlan plan_file(const wire::HttpRequestHead& request, std::string_view file_name,
                   const FileFacts& file) {
  FilePlan plan;
  const wire::Validators current{entity_tag(file), file.modified};
  plan.fields.add("ETag", current.tag);
  plan.fields.add("Last-Modified", wire::http_date(file.modified));
  plan.fields.add("Cache-Control", "private, no-cache");
  plan.fields.add("Accept-Ranges", "bytes");
  if (const auto status = wire::judge_conditions(request, current)) {
    plan.status = *status;
    return plan;
  }
  plan.fields.add("Content-Type", content_type(file_name));
  plan.length = file.size;
  const wire::Selection selected = wire::select_ranges(request, current, file.size);
  if (selected.kind == wire::Selection::Kind::kUnsatisfiable) {
    plan.status = 416;
    plan.length = 0;
    plan.fields.add("Content-Range", "bytes */" + std::to_string(file.size));
  } else if (selected.ranges.size() == 1) {
    const wire::ByteRange& range = selected.ranges.front();
    plan.status = 206;
    plan.offset = range.offset;
    plan.length = range.length;
    plan.fields.add("Content-Range", wire::content_range(range, file.size));
  }
  return plan;
}

}  // namespace latchkey::front
