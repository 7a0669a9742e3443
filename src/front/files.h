// Serving files, without touching any: which file a path means, what kind it is, and which part of
// it is to be sent (RFC 9110 sections 8.8, 13 and 14). One byte range at a time; a request for
// several gets the whole, as the RFC allows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "front/answers.h"
#include "wire/http_head.h"

namespace latchkey::front {

// The names along a path from the root of what is served, percent-decoded; a trailing '/' leaves an
// empty last one. Nothing for "." and "..", names that begin with a dot, NUL, '/' or '\' inside a
// name, broken escapes, more than 32 names or 1024 bytes.
std::optional<std::vector<std::string>> file_path(std::string_view path);

std::string_view content_type(std::string_view file_name);

struct FileFacts {
  std::uint64_t size = 0;
  std::int64_t modified = 0;  // seconds
  std::uint32_t modified_nanos = 0;
  std::uint64_t inode = 0;
};
std::string entity_tag(const FileFacts& file);

struct FilePlan {
  int status = 200;  // 200, 206, 304, 412 or 416
  wire::HttpFields fields;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // of the body; 0 for 304, 412 and 416
};
// For GET and HEAD.
FilePlan plan_file(const wire::HttpRequestHead& request, std::string_view file_name,
                   const FileFacts& file);

}  // namespace latchkey::front
