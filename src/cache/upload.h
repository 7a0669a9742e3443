// What a request to upload says, read once: PUT of a whole object, or the resumable uploads of the
// IETF's draft-ietf-httpbis-resumable-upload (version 8 of the interoperability number).
//
//   PUT   /objects/NAME  Upload-Complete: ?0 or ?1  makes an upload, 201 with Location /uploads/ID
//   HEAD  /uploads/ID                               204 with Upload-Offset, -Complete, -Limit
//   PATCH /uploads/ID    Upload-Offset: N           appends there; 409 with the right offset if not
//   DELETE /uploads/ID
//
// Without Upload-Complete a PUT is an ordinary one: all of the object, or nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cache/records.h"
#include "wire/http_head.h"

namespace latchkey::cache {

inline constexpr std::string_view kUploadComplete = "Upload-Complete";
inline constexpr std::string_view kUploadOffset = "Upload-Offset";
inline constexpr std::string_view kUploadLength = "Upload-Length";
inline constexpr std::string_view kUploadLimit = "Upload-Limit";
inline constexpr std::string_view kPartialUpload = "application/partial-upload";

// A refusal: a status, and a code and a sentence for the page's author.
struct Refusal {
  int status = 400;
  std::string code;
  std::string message;
};
template <class T>
using Judged = latchkey::Result<T, Refusal>;

struct UploadStart {
  bool resumable = false;
  bool complete = true;                 // its body is the end of the object
  std::optional<std::uint64_t> length;  // of the whole object, where it is said
  std::optional<Digest256> digest;      // of the whole object
  std::optional<Digest256> content;     // of this request's body
  ObjectFacts facts;
};
// `body_length`: of this request; nothing where it is chunked.
Judged<UploadStart> read_upload_start(const wire::HttpRequestHead& request,
                                      std::optional<std::uint64_t> body_length);

struct UploadAppend {
  std::uint64_t offset = 0;
  bool complete = false;
  std::optional<Digest256> content;     // of this request's body
  std::optional<std::uint64_t> length;  // of the whole object, where it is said
};
Judged<UploadAppend> read_upload_append(const wire::HttpRequestHead& request,
                                        std::optional<std::uint64_t> body_length);

// "?1" is true, "?0" false (RFC 8941 section 3.3.6).
std::optional<bool> parse_boolean(std::string_view text);
// Digits only, up to 15 of them (RFC 8941 section 3.3.1).
std::optional<std::uint64_t> parse_count(std::string_view text);

}  // namespace latchkey::cache
