#include "cache/reading.h"

#include <gtest/gtest.h>

#include "cache/digest.h"
#include "crypto/hash.h"

namespace latchkey::cache {
namespace {

const std::string kContent = "0123456789abcdefghijklmnopqrstuvwxyz";

ObjectRecord object() {
  ObjectRecord record;
  record.number = 7;
  record.name = "a.txt";
  record.size = kContent.size();
  record.digest = crypto::sha256(as_bytes(kContent));
  record.facts.type = "text/plain";
  record.stored = {1'700'000'000};
  return record;
}
ReadPlan plan(std::initializer_list<wire::HttpField> fields, std::string method = "GET",
              const ObjectRecord& record = object()) {
  wire::HttpRequestHead head;
  head.method = std::move(method);
  for (const auto& field : fields) {
    head.fields.add(field.name, field.value);
  }
  return plan_reading(head, record, "boundary0");
}
std::string body(const ReadPlan& plan) {
  std::string out;
  for (const Piece& piece : plan.body) {
    out += piece.text + kContent.substr(piece.range.offset, piece.range.length);
  }
  EXPECT_EQ(out.size(), plan.length);
  return out;
}
std::string field(const ReadPlan& plan, std::string_view name) {
  const std::string* value = plan.fields.find(name);
  return value == nullptr ? "" : *value;
}

TEST(CacheReading, Whole) {
  const auto got = plan({});
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(body(got), kContent);
  EXPECT_EQ(field(got, "Content-Type"), "text/plain");
  EXPECT_EQ(field(got, "Cache-Control"), "private, no-cache");
  EXPECT_EQ(field(got, "Repr-Digest"), "sha-256=:dOflu50i1tsmv3aUbUD/8+qfA0a4hP0GlJIPzPrRXjM=:")
      << "of the whole";
  EXPECT_EQ(field(got, "Last-Modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
}

TEST(CacheReading, OneRangeIsPlain) {
  const auto got = plan({{"Range", "bytes=10-12"}});
  EXPECT_EQ(got.status, 206);
  EXPECT_EQ(body(got), "abc");
  EXPECT_EQ(field(got, "Content-Range"), "bytes 10-12/36");
  EXPECT_EQ(field(got, "Content-Type"), "text/plain");
}

TEST(CacheReading, SeveralRangesComeInParts) {
  const auto got = plan({{"Range", "bytes=0-1,10-12,-1"}});
  EXPECT_EQ(got.status, 206);
  EXPECT_EQ(field(got, "Content-Type"), "multipart/byteranges; boundary=boundary0");
  EXPECT_EQ(field(got, "Content-Range"), "") << "only inside the parts";
  EXPECT_EQ(
      body(got),
      "--boundary0\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/36\r\n\r\n01"
      "\r\n--boundary0\r\nContent-Type: text/plain\r\nContent-Range: bytes 10-12/36\r\n\r\nabc"
      "\r\n--boundary0\r\nContent-Type: text/plain\r\nContent-Range: bytes 35-35/36\r\n\r\nz"
      "\r\n--boundary0--\r\n");
}

TEST(CacheReading, ConditionsAndNothing) {
  const std::string tag = entity_tag(object());
  EXPECT_EQ(plan({{"If-None-Match", tag}}).status, 304);
  EXPECT_EQ(plan({{"If-None-Match", tag}}).length, 0U);
  EXPECT_EQ(plan({{"If-Match", "\"other\""}}).status, 412);
  EXPECT_EQ(plan({{"Range", "bytes=0-1"}, {"If-Range", tag}}).status, 206);
  EXPECT_EQ(plan({{"Range", "bytes=0-1"}, {"If-Range", "\"other\""}}).status, 200);
  const auto outside = plan({{"Range", "bytes=36-"}});
  EXPECT_EQ(outside.status, 416);
  EXPECT_EQ(field(outside, "Content-Range"), "bytes */36");
  EXPECT_TRUE(outside.body.empty());
  EXPECT_EQ(plan({{"Range", "bytes=0-1"}}, "HEAD").status, 200);
}

TEST(CacheReading, WhatThePageSaidOfItIsSaidAgain) {
  auto record = object();
  record.facts.cache_control = "private, max-age=600";
  record.facts.modified = 1'600'000'000;
  record.facts.type.clear();
  const auto got = plan({}, "GET", record);
  EXPECT_EQ(field(got, "Cache-Control"), "private, max-age=600");
  EXPECT_EQ(field(got, "Last-Modified"), "Sun, 13 Sep 2020 12:26:40 GMT");
  EXPECT_EQ(field(got, "Content-Type"), "application/octet-stream");
}

TEST(CacheDigest, ReadsAndWrites) {
  const auto digest = crypto::sha256(as_bytes(kContent));
  const auto read = [](std::initializer_list<std::string> values) {
    wire::HttpFields fields;
    for (const auto& value : values) {
      fields.add("repr-digest", value);
    }
    return read_digest(fields, kReprDigest);
  };
  using Kind = SaidDigest::Kind;
  EXPECT_EQ(read({digest_value(digest)}).value, digest);
  EXPECT_EQ(read({"md5=:AAAA:, " + digest_value(digest)}).value, digest);
  EXPECT_EQ(read({"md5=:AAAA:", digest_value(digest)}).value, digest);
  EXPECT_EQ(read({}).kind, Kind::kNone);
  EXPECT_EQ(read({"md5=:AAAA:"}).kind, Kind::kNone);
  for (const std::string& value :
       {std::string("sha-256=:AAAA:"), std::string("sha-256=AAAA"), std::string("sha-256"),
        digest_value(digest) + ",", digest_value(digest) + " x", digest_value(digest) + ";q=1",
        digest_value(digest) + "," + digest_value(digest),
        "SHA-256" + digest_value(digest).substr(7), std::string("sha-256=:????:"),
        std::string(2000, 'a')}) {
    EXPECT_EQ(read({value}).kind, Kind::kBroken) << value;
  }
}

}  // namespace
}  // namespace latchkey::cache
