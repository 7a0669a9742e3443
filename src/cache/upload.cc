#include "cache/upload.h"

#include <algorithm>

#include "cache/digest.h"

namespace latchkey::cache {

namespace {

tl::unexpected<Refusal> refuse(int status, std::string code, std::string message) {
  return fail(Refusal{status, std::move(code), std::move(message)});
}
tl::unexpected<Refusal> malformed(std::string_view name) {
  return refuse(400, "bad_request", std::string(name) + " is not what it should be");
}

// The field's value as `parse` reads it; `absent` where there is none.
template <class T, class Parse>
Judged<std::optional<T>> read_field(const wire::HttpFields& fields, std::string_view name,
                                    Parse parse) {
  const std::string* text = fields.find(name);
  if (text == nullptr) {
    return std::optional<T>();
  }
  const auto value = fields.count(name) == 1 ? parse(*text) : std::nullopt;
  if (!value) {
    return malformed(name);
  }
  return std::optional<T>(*value);
}

Judged<std::optional<Digest256>> read_sha256(const wire::HttpFields& fields,
                                             std::string_view name) {
  const SaidDigest said = read_digest(fields, name);
  if (said.kind == SaidDigest::Kind::kBroken) {
    return malformed(name);
  }
  if (said.kind == SaidDigest::Kind::kNone && fields.has(name)) {
    return refuse(400, "unknown_digest", std::string(name) + " is understood with sha-256 only");
  }
  return said.kind == SaidDigest::Kind::kSha256 ? std::optional(said.value) : std::nullopt;
}

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

Judged<std::string> read_text(const wire::HttpFields& fields, std::string_view name) {
  const std::string* text = fields.find(name);
  if (text == nullptr) {
    return std::string();
  }
  if (fields.count(name) != 1 || text->size() > kMaxFieldText || !is_plain(*text)) {
    return malformed(name);
  }
  return *text;
}

std::optional<std::uint64_t> sum(std::uint64_t a, std::optional<std::uint64_t> b) {
  return b && a <= kMaxObjectBytes && *b <= kMaxObjectBytes ? std::optional(a + *b) : std::nullopt;
}

}  // namespace

std::optional<bool> parse_boolean(std::string_view text) {
  return text == "?1" ? std::optional(true) : text == "?0" ? std::optional(false) : std::nullopt;
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
  if (text.empty() || text.size() > 15 ||
      !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (const char c : text) {
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

Judged<UploadStart> read_upload_start(const wire::HttpRequestHead& request,
                                      std::optional<std::uint64_t> body_length) {
  const wire::HttpFields& fields = request.fields;
  // Parts of an object are put there with PATCH: somebody who means a part must not replace the
  // whole (RFC 9110 section 14.5). What is compressed on the way would be kept compressed.
  if (fields.has("Content-Range") || fields.has("Content-Encoding") || fields.has(kUploadOffset)) {
    return refuse(400, "bad_request", "a PUT sends a whole object, as it is");
  }
  const auto complete = read_field<bool>(fields, kUploadComplete, parse_boolean);
  const auto length = read_field<std::uint64_t>(fields, kUploadLength, parse_count);
  const auto digest = read_sha256(fields, kReprDigest);
  const auto content = read_sha256(fields, kContentDigest);
  const auto type = read_text(fields, "Content-Type");
  const auto cache_control = read_text(fields, "Cache-Control");
  for (const Refusal* bad :
       {complete ? nullptr : &complete.error(), length ? nullptr : &length.error(),
        digest ? nullptr : &digest.error(), content ? nullptr : &content.error(),
        type ? nullptr : &type.error(), cache_control ? nullptr : &cache_control.error()}) {
    if (bad != nullptr) {
      return fail(*bad);
    }
  }
  UploadStart start;
  start.resumable = complete->has_value();
  start.complete = complete->value_or(true);
  start.length = *length;
  start.digest = *digest;
  start.content = *content;
  start.facts.type = *type;
  start.facts.cache_control = *cache_control;
  if (start.complete && body_length) {
    if (start.length && *start.length != *body_length) {
      return refuse(400, "inconsistent_length", "the body is not as long as Upload-Length says");
    }
    start.length = body_length;
  }
  if (start.length.value_or(0) > kMaxObjectBytes || body_length.value_or(0) > kMaxObjectBytes) {
    return refuse(413, "too_large", "an object has up to 1 TiB");
  }
  if (start.length && body_length && *body_length > *start.length) {
    return refuse(400, "inconsistent_length", "the body is longer than Upload-Length says");
  }
  // In one request they are the same thing, said twice.
  if (!start.resumable && !start.digest) {
    start.digest = start.content;
  }
  return start;
}

Judged<UploadAppend> read_upload_append(const wire::HttpRequestHead& request,
                                        std::optional<std::uint64_t> body_length) {
  const wire::HttpFields& fields = request.fields;
  const std::string* type = fields.find("Content-Type");
  if (type == nullptr || !wire::iequals(*type, kPartialUpload)) {
    return refuse(415, "wrong_type", "a PATCH of an upload is application/partial-upload");
  }
  if (fields.has("Content-Encoding")) {
    return refuse(400, "bad_request", "a part of an object is sent as it is");
  }
  const auto offset = read_field<std::uint64_t>(fields, kUploadOffset, parse_count);
  const auto complete = read_field<bool>(fields, kUploadComplete, parse_boolean);
  const auto length = read_field<std::uint64_t>(fields, kUploadLength, parse_count);
  const auto content = read_sha256(fields, kContentDigest);
  for (const Refusal* bad :
       {offset ? nullptr : &offset.error(), complete ? nullptr : &complete.error(),
        length ? nullptr : &length.error(), content ? nullptr : &content.error()}) {
    if (bad != nullptr) {
      return fail(*bad);
    }
  }
  if (!*offset || !*complete) {
    return refuse(400, "bad_request", "Upload-Offset and Upload-Complete are needed");
  }
  UploadAppend append{**offset, **complete, *content, *length};
  const auto end = sum(append.offset, body_length);
  if (append.offset > kMaxObjectBytes || (body_length && (!end || *end > kMaxObjectBytes))) {
    return refuse(413, "too_large", "an object has up to 1 TiB");
  }
  if (append.complete && end) {
    if (append.length && *append.length != *end) {
      return refuse(400, "inconsistent_length", "the parts are not as long as Upload-Length says");
    }
    append.length = end;
  }
  return append;
}

}  // namespace latchkey::cache
