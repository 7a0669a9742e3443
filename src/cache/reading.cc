#include "cache/reading.h"

#include "base/encoding.h"
#include "cache/digest.h"

namespace latchkey::cache {

namespace {

// Whether it may be kept elsewhere is for the one who stored it to say; if not, it is asked about
// each time: a 304 from the house costs nothing.
constexpr std::string_view kCacheControl = "private, no-cache";
constexpr std::string_view kDefaultType = "application/octet-stream";

void add_parts(ReadPlan& plan, const std::vector<wire::ByteRange>& ranges,
               const ObjectRecord& object, std::string_view type, std::string_view boundary) {
  for (const wire::ByteRange& range : ranges) {
    std::string head = plan.body.empty() ? "--" : "\r\n--";
    head.append(boundary).append("\r\nContent-Type: ").append(type);
    head.append("\r\nContent-Range: ").append(wire::content_range(range, object.size));
    head.append("\r\n\r\n");
    plan.length += head.size() + range.length;
    plan.body.push_back({std::move(head), range});
  }
  std::string end = "\r\n--";
  end.append(boundary).append("--\r\n");
  plan.length += end.size();
  plan.body.push_back({std::move(end), {}});
}

}  // namespace

std::string entity_tag(const ObjectRecord& object) {
  // base64url holds no quote. Half of the hash tells versions of one name apart.
  return "\"" + base64url_encode(ByteSpan(object.digest).first(16)) + "\"";
}

wire::Validators validators(const ObjectRecord& object) {
  return {entity_tag(object),
          object.facts.modified != 0 ? object.facts.modified : object.stored.unix_seconds};
}

ReadPlan plan_reading(const wire::HttpRequestHead& request, const ObjectRecord& object,
                      std::string_view boundary) {
  ReadPlan plan;
  const wire::Validators current = validators(object);
  plan.fields.add("ETag", current.tag);
  plan.fields.add("Last-Modified", wire::http_date(current.modified));
  plan.fields.add("Cache-Control",
                  object.facts.cache_control.empty() ? kCacheControl : object.facts.cache_control);
  plan.fields.add("Accept-Ranges", "bytes");
  if (const auto status = wire::judge_conditions(request, current)) {
    plan.status = *status;
    return plan;
  }
  const std::string_view type = object.facts.type.empty() ? kDefaultType : object.facts.type;
  const wire::Selection selected = wire::select_ranges(request, current, object.size);
  if (selected.kind == wire::Selection::Kind::kUnsatisfiable) {
    plan.status = 416;
    plan.fields.add("Content-Range", "bytes */" + std::to_string(object.size));
    return plan;
  }
  plan.fields.add(kReprDigest, digest_value(object.digest));
  if (selected.ranges.size() > 1) {
    plan.status = 206;
    plan.fields.add("Content-Type", "multipart/byteranges; boundary=" + std::string(boundary));
    add_parts(plan, selected.ranges, object, type, boundary);
    return plan;
  }
  plan.fields.add("Content-Type", type);
  wire::ByteRange range{0, object.size};
  if (selected.kind == wire::Selection::Kind::kPart) {
    range = selected.ranges.front();
    plan.status = 206;
    plan.fields.add("Content-Range", wire::content_range(range, object.size));
  }
  plan.length = range.length;
  plan.body.push_back({{}, range});
  return plan;
}

}  // namespace latchkey::cache
