#include "cache/upload.h"

#include <gtest/gtest.h>

#include "cache/digest.h"

namespace latchkey::cache {
namespace {

wire::HttpRequestHead request(std::string method, std::initializer_list<wire::HttpField> fields) {
  wire::HttpRequestHead head;
  head.method = std::move(method);
  for (const auto& field : fields) {
    head.fields.add(field.name, field.value);
  }
  return head;
}
Judged<UploadStart> start(std::initializer_list<wire::HttpField> fields,
                          std::optional<std::uint64_t> length = 10) {
  return read_upload_start(request("PUT", fields), length);
}
Judged<UploadAppend> append(std::initializer_list<wire::HttpField> fields,
                            std::optional<std::uint64_t> length = 10) {
  return read_upload_append(request("PATCH", fields), length);
}
const wire::HttpField kPart{"Content-Type", "application/partial-upload"};

TEST(CacheUpload, APlainPutIsWhole) {
  const auto got = start({{"Content-Type", "video/mp4"}, {"Cache-Control", "private"}});
  ASSERT_TRUE(got);
  EXPECT_FALSE(got->resumable);
  EXPECT_TRUE(got->complete);
  EXPECT_EQ(got->length, 10U);
  EXPECT_EQ(got->facts.type, "video/mp4");
  EXPECT_EQ(got->facts.cache_control, "private");
  EXPECT_EQ(start({}, std::nullopt)->length, std::nullopt) << "chunked";
}

TEST(CacheUpload, DigestsOfThisBodyAndOfTheWhole) {
  Digest256 digest{};
  digest[0] = 1;
  const std::string value = digest_value(digest);
  EXPECT_EQ(start({{"Repr-Digest", value}})->digest, digest);
  EXPECT_EQ(start({{"Content-Digest", value}})->digest, digest) << "one request: the same thing";
  const auto part = start({{"Content-Digest", value}, {"Upload-Complete", "?0"}});
  EXPECT_EQ(part->digest, std::nullopt);
  EXPECT_EQ(part->content, digest);
  EXPECT_EQ(start({{"Repr-Digest", "sha-256=:AA:"}}).error().status, 400);
  EXPECT_EQ(start({{"Repr-Digest", "md5=:AAAA:"}}).error().code, "unknown_digest")
      << "who asks for a check must not believe that there was one";
}

TEST(CacheUpload, BeginningsOfResumableOnes) {
  const auto got = start({{"Upload-Complete", "?0"}, {"Upload-Length", "100"}});
  EXPECT_TRUE(got->resumable);
  EXPECT_FALSE(got->complete);
  EXPECT_EQ(got->length, 100U);
  EXPECT_EQ(start({{"Upload-Complete", "?1"}})->length, 10U);
  EXPECT_EQ(start({{"Upload-Complete", "?1"}, {"Upload-Length", "11"}}).error().code,
            "inconsistent_length");
  EXPECT_EQ(start({{"Upload-Complete", "?0"}, {"Upload-Length", "9"}}).error().code,
            "inconsistent_length");
}

TEST(CacheUpload, WhatIsNoWholeObjectIsRefused) {
  EXPECT_EQ(start({{"Content-Range", "bytes 0-9/100"}}).error().status, 400);
  EXPECT_EQ(start({{"Content-Encoding", "gzip"}}).error().status, 400);
  EXPECT_EQ(start({{"Upload-Offset", "0"}}).error().status, 400);
  EXPECT_EQ(start({{"Upload-Complete", "1"}}).error().status, 400);
  EXPECT_EQ(start({{"Upload-Complete", "?1"}, {"Upload-Complete", "?1"}}).error().status, 400);
  EXPECT_EQ(start({{"Upload-Complete", "?0"}, {"Upload-Length", "-1"}}).error().status, 400);
  EXPECT_EQ(start({{"Content-Type", std::string(300, 'a')}}).error().status, 400);
  EXPECT_EQ(start({{"Content-Type", "a\tb"}}).error().status, 400);
  EXPECT_EQ(start({}, kMaxObjectBytes + 1).error().status, 413);
  EXPECT_EQ(start({{"Upload-Complete", "?0"}, {"Upload-Length", "999999999999999"}}).error().status,
            413);
}

TEST(CacheUpload, Appending) {
  const auto got = append({kPart, {"Upload-Offset", "5"}, {"Upload-Complete", "?1"}});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->offset, 5U);
  EXPECT_TRUE(got->complete);
  EXPECT_EQ(got->length, 15U);
  EXPECT_EQ(append({{"Upload-Offset", "5"}, {"Upload-Complete", "?1"}}).error().status, 415);
  EXPECT_EQ(append({kPart, {"Upload-Offset", "5"}}).error().status, 400);
  EXPECT_EQ(append({kPart, {"Upload-Complete", "?1"}}).error().status, 400);
  EXPECT_EQ(
      append({kPart, {"Upload-Offset", "5"}, {"Upload-Complete", "?1"}, {"Upload-Length", "20"}})
          .error()
          .code,
      "inconsistent_length");
  EXPECT_EQ(append({kPart, {"Upload-Offset", "999999999999999"}, {"Upload-Complete", "?0"}})
                .error()
                .status,
            413);
}

TEST(CacheUpload, Counts) {
  EXPECT_EQ(parse_count("0"), 0U);
  EXPECT_EQ(parse_count("999999999999999"), 999'999'999'999'999U);
  for (const char* text : {"", "-1", "+1", "1.0", " 1", "1 ", "9999999999999999", "0x1"}) {
    EXPECT_EQ(parse_count(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace latchkey::cache
