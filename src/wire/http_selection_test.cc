#include "wire/http_selection.h"

#include <gtest/gtest.h>

namespace latchkey::wire {
namespace {

const Validators kCurrent{"\"v1\"", 1'700'000'000};
constexpr const char* kDate = "Tue, 14 Nov 2023 22:13:20 GMT";
constexpr const char* kEarlier = "Tue, 14 Nov 2023 22:13:19 GMT";

HttpRequestHead request(std::string method, std::vector<HttpField> fields) {
  HttpRequestHead head;
  head.method = std::move(method);
  head.target = "/";
  for (const HttpField& field : fields) {
    head.fields.add(field.name, field.value);
  }
  return head;
}
Selection of(const std::string& range, std::uint64_t size) {
  return select_ranges(request("GET", {{"Range", range}}), kCurrent, size);
}

TEST(HttpSelection, DatesGoThereAndBack) {
  EXPECT_EQ(http_date(kCurrent.modified), kDate);
  EXPECT_EQ(parse_http_date(kDate), kCurrent.modified);
  EXPECT_EQ(parse_http_date("yesterday"), std::nullopt);
  EXPECT_EQ(parse_http_date(std::string(kDate) + " or so"), std::nullopt);
}

TEST(HttpSelection, ConditionsOfReading) {
  const auto judge = [](std::vector<HttpField> fields) {
    return judge_conditions(request("GET", std::move(fields)), kCurrent);
  };
  EXPECT_EQ(judge({}), std::nullopt);
  EXPECT_EQ(judge({{"If-None-Match", "\"v1\""}}), 304);
  EXPECT_EQ(judge({{"If-None-Match", "\"a\", W/\"v1\""}}), 304);
  EXPECT_EQ(judge({{"If-None-Match", "\"a\""}, {"If-None-Match", "\"v1\""}}), 304);
  EXPECT_EQ(judge({{"If-None-Match", "\"a,\"v1\"\""}}), std::nullopt);
  EXPECT_EQ(judge({{"If-None-Match", "*"}}), 304);
  EXPECT_EQ(judge({{"If-Match", "W/\"v1\""}}), 412) << "If-Match compares strongly";
  EXPECT_EQ(judge({{"If-Match", "\"v1\""}}), std::nullopt);
  EXPECT_EQ(judge({{"If-Modified-Since", kDate}}), 304);
  EXPECT_EQ(judge({{"If-Modified-Since", kEarlier}}), std::nullopt);
  EXPECT_EQ(judge({{"If-Modified-Since", kDate}, {"If-None-Match", "\"a\""}}), std::nullopt)
      << "the tag decides";
  EXPECT_EQ(judge({{"If-Unmodified-Since", kEarlier}}), 412);
  EXPECT_EQ(judge({{"If-Unmodified-Since", kDate}}), std::nullopt);
}

TEST(HttpSelection, ConditionsOfWriting) {
  const auto judge = [](std::vector<HttpField> fields, std::optional<Validators> current) {
    return judge_conditions(request("PUT", std::move(fields)), current);
  };
  EXPECT_EQ(judge({{"If-None-Match", "*"}}, kCurrent), 412);
  EXPECT_EQ(judge({{"If-None-Match", "*"}}, std::nullopt), std::nullopt);
  EXPECT_EQ(judge({{"If-Match", "*"}}, std::nullopt), 412);
  EXPECT_EQ(judge({{"If-Match", "\"v1\""}}, kCurrent), std::nullopt);
  EXPECT_EQ(judge({{"If-Match", "\"v0\""}}, kCurrent), 412);
  EXPECT_EQ(judge({{"If-Modified-Since", kDate}}, kCurrent), std::nullopt);
}

TEST(HttpSelection, OneRange) {
  using Ranges = std::vector<ByteRange>;
  EXPECT_EQ(of("bytes=0-9", 100).ranges, (Ranges{{0, 10}}));
  EXPECT_EQ(of("bytes=90-", 100).ranges, (Ranges{{90, 10}}));
  EXPECT_EQ(of("bytes=90-1000", 100).ranges, (Ranges{{90, 10}}));
  EXPECT_EQ(of("bytes=-10", 100).ranges, (Ranges{{90, 10}}));
  EXPECT_EQ(of("bytes=-1000", 100).ranges, (Ranges{{0, 100}}));
  EXPECT_EQ(of("BYTES=0-0", 100).ranges, (Ranges{{0, 1}}));
  EXPECT_EQ(content_range({90, 10}, 100), "bytes 90-99/100");
}

TEST(HttpSelection, SeveralRanges) {
  using Ranges = std::vector<ByteRange>;
  EXPECT_EQ(of("bytes=0-9, 50-59", 100).ranges, (Ranges{{0, 10}, {50, 10}}));
  EXPECT_EQ(of("bytes=50-59,0-9", 100).ranges, (Ranges{{50, 10}, {0, 10}})) << "in their order";
  EXPECT_EQ(of("bytes=0-9,10-19", 100).ranges, (Ranges{{0, 20}}));
  EXPECT_EQ(of("bytes=0-9,30-39,5-35", 100).ranges, (Ranges{{0, 40}}));
  EXPECT_EQ(of("bytes=0-9,200-", 100).ranges, (Ranges{{0, 10}})) << "what lies outside is left out";
}

TEST(HttpSelection, AbsurdRangesCountAsNoneOrAsOutside) {
  for (const char* text :
       {"bytes=", "bytes=a-b", "bytes=9-0", "bytes=0-9,x", "bytes=--5", "items=0-9", "bytes 0-9",
        "bytes=0-99999999999999999999", "bytes=18446744073709551616-", "bytes=-", "bytes=,"}) {
    EXPECT_EQ(of(text, 100).kind, Selection::Kind::kWhole) << text;
  }
  for (const char* text : {"bytes=100-", "bytes=-0", "bytes=18446744073709551615-"}) {
    EXPECT_EQ(of(text, 100).kind, Selection::Kind::kUnsatisfiable) << text;
  }
  EXPECT_EQ(of("bytes=0-", 0).kind, Selection::Kind::kUnsatisfiable);
  std::string many = "bytes=0-0";
  for (int i = 1; i < 17; ++i) {
    many += "," + std::to_string(2 * i) + "-" + std::to_string(2 * i);
  }
  EXPECT_EQ(of(many, 100).kind, Selection::Kind::kWhole) << "17 ranges";
  // However they overlap, nobody gets more than there is.
  std::string same = "bytes=0-";
  for (int i = 1; i < 16; ++i) {
    same += ",0-";
  }
  EXPECT_EQ(of(same, 100).ranges, (std::vector<ByteRange>{{0, 100}}));
}

TEST(HttpSelection, RangesOfTwoFieldsOtherMethodsAndOtherVersionsCountAsNone) {
  const auto kind = [](std::string method, std::vector<HttpField> fields) {
    return select_ranges(request(std::move(method), std::move(fields)), kCurrent, 100).kind;
  };
  using Kind = Selection::Kind;
  EXPECT_EQ(kind("HEAD", {{"Range", "bytes=0-9"}}), Kind::kWhole);
  EXPECT_EQ(kind("GET", {{"Range", "bytes=0-9"}, {"Range", "bytes=0-9"}}), Kind::kWhole);
  EXPECT_EQ(kind("GET", {{"Range", "bytes=0-9"}, {"If-Range", "\"v1\""}}), Kind::kPart);
  EXPECT_EQ(kind("GET", {{"Range", "bytes=0-9"}, {"If-Range", "\"v0\""}}), Kind::kWhole);
  EXPECT_EQ(kind("GET", {{"Range", "bytes=0-9"}, {"If-Range", "W/\"v1\""}}), Kind::kWhole);
  EXPECT_EQ(kind("GET", {{"Range", "bytes=0-9"}, {"If-Range", kDate}}), Kind::kPart);
  EXPECT_EQ(kind("GET", {{"Range", "bytes=0-9"}, {"If-Range", kEarlier}}), Kind::kWhole);
}

}  // namespace
}  // namespace latchkey::wire
