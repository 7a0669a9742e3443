// The answer to GET and HEAD of an object, without reading any of it: which parts of the object go
// out, and what stands around them (RFC 9110 sections 13 and 14).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cache/records.h"
#include "wire/http_head.h"
#include "wire/http_selection.h"

namespace latchkey::cache {

// A text, then a part of the object (perhaps of no length).
struct Piece {
  std::string text;
  wire::ByteRange range;  // length 0: none
};

struct ReadPlan {
  int status = 200;  // 200, 206, 304, 412 or 416
  wire::HttpFields fields;
  std::vector<Piece> body;   // of a GET; none for 304, 412 and 416
  std::uint64_t length = 0;  // of the body, for Content-Length
};

// The strong validator of an object: its content's hash.
std::string entity_tag(const ObjectRecord& object);
wire::Validators validators(const ObjectRecord& object);

// `boundary`: 1 to 70 letters and digits that nobody can foresee, so that no object can contain it
// on purpose (RFC 2046 section 5.1.1).
ReadPlan plan_reading(const wire::HttpRequestHead& request, const ObjectRecord& object,
                      std::string_view boundary);

}  // namespace latchkey::cache
