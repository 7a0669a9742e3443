// Which part of a representation a request asks for, and whether it should have any of it at all:
// dates, conditions and byte ranges (RFC 9110 sections 5.6.7, 13 and 14), as one reading that all
// servers here share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/http_head.h"

namespace latchkey::wire {

// What is known of the representation that a request names.
struct Validators {
  std::string tag;            // strong, with its quotes
  std::int64_t modified = 0;  // seconds since 1970
};

std::string http_date(std::int64_t unix_seconds);
std::optional<std::int64_t> parse_http_date(std::string_view text);  // IMF-fixdate only

// RFC 9110 section 13.2.2, by all fields of a name together. `current`: nothing where there is no
// representation. Nothing: go on; else 412, or 304 for a GET or HEAD.
std::optional<int> judge_conditions(const HttpRequestHead& request,
                                    const std::optional<Validators>& current);

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // at least 1
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// More than so many, even if they lie apart, are no reader of ours: it gets the whole.
inline constexpr std::size_t kMaxRanges = 16;

struct Selection {
  enum class Kind { kWhole, kPart, kUnsatisfiable };
  Kind kind = Kind::kWhole;
  std::vector<ByteRange> ranges;  // of kPart: as asked, but those that overlap or touch made one
};

// What Range and If-Range of a GET come to for `size` bytes. Whatever is malformed, in another unit
// or absurd counts as not there (section 14.2). The ranges never add up to more than `size`.
Selection select_ranges(const HttpRequestHead& request, const Validators& current,
                        std::uint64_t size);

// "bytes 0-9/100"
std::string content_range(const ByteRange& range, std::uint64_t size);

}  // namespace latchkey::wire
