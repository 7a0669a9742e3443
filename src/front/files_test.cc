#include "front/files.h"

#include <gtest/gtest.h>

#include "wire/http_selection.h"

namespace latchkey::front {
namespace {

constexpr FileFacts kFile{1000, 1'700'000'000, 5, 42};

FilePlan plan(std::initializer_list<wire::HttpField> fields, std::string method = "GET") {
  wire::HttpRequestHead head{std::move(method), "/a.mp4", 1, {}};
  for (const auto& field : fields) {
    head.fields.add(field.name, field.value);
  }
  return plan_file(head, "a.mp4", kFile);
}

TEST(FilesTest, Threat46PathsStayInside) {
  for (const char* path :
       {"", "a", "/../etc/passwd", "/a/../../b", "/%2e%2e/a", "/a/%2e%2e%2fb", "/a%2fb", "/a%5cb",
        "/a\\b", "/.git/config", "/a/.hidden", "/%00", "/a%0", "/a%zz", "//a", "/a//b", "/."}) {
    EXPECT_FALSE(file_path(path)) << path;
  }
  EXPECT_EQ(file_path("/a/b%20c.mp4"), (std::vector<std::string>{"a", "b c.mp4"}));
  EXPECT_EQ(file_path("/"), (std::vector<std::string>{""}));
  EXPECT_EQ(file_path("/a/"), (std::vector<std::string>{"a", ""}));
  EXPECT_FALSE(file_path("/" + std::string(2000, 'a')));
}

TEST(FilesTest, TypesOfMedia) {
  EXPECT_EQ(content_type("a.m3u8"), "application/vnd.apple.mpegurl");
  EXPECT_EQ(content_type("a.M4S"), "video/mp4");
  EXPECT_EQ(content_type("a.ts"), "video/mp2t");
  EXPECT_EQ(content_type("a.unknown"), "application/octet-stream");
  EXPECT_EQ(content_type("a"), "application/octet-stream");
}

TEST(FilesTest, Ranges) {
  struct Case {
    const char* range;
    int status;
    std::uint64_t offset, length;
  };
  for (const Case& c : {Case{"bytes=0-0", 206, 0, 1}, Case{"bytes=0-", 206, 0, 1000},
                        Case{"bytes=990-2000", 206, 990, 10}, Case{"bytes=-10", 206, 990, 10},
                        Case{"bytes=-5000", 206, 0, 1000}, Case{"bytes=1000-", 416, 0, 0},
                        Case{"bytes=-0", 416, 0, 0}, Case{"bytes=5-4", 200, 0, 1000},
                        Case{"bytes=0-1,5-6", 200, 0, 1000}, Case{"bytes=a-b", 200, 0, 1000},
                        Case{"bytes=-", 200, 0, 1000}, Case{"chapters=1-2", 200, 0, 1000},
                        Case{"bytes=99999999999999999999-", 200, 0, 1000},
                        Case{"bytes=0-99999999999999999999", 200, 0, 1000}}) {
    const auto got = plan({{"Range", c.range}});
    EXPECT_EQ(got.status, c.status) << c.range;
    EXPECT_EQ(got.offset, c.offset) << c.range;
    EXPECT_EQ(got.length, c.length) << c.range;
  }
  EXPECT_EQ(*plan({{"Range", "bytes=10-19"}}).fields.find("Content-Range"), "bytes 10-19/1000");
  EXPECT_EQ(*plan({{"Range", "bytes=2000-"}}).fields.find("Content-Range"), "bytes */1000");
}

TEST(FilesTest, Conditions) {
  const std::string tag = entity_tag(kFile);
  const std::string date = wire::http_date(kFile.modified);
  EXPECT_EQ(date, "Tue, 14 Nov 2023 22:13:20 GMT");
  EXPECT_EQ(wire::parse_http_date(date), kFile.modified);
  EXPECT_EQ(plan({{"If-None-Match", tag}}).status, 304);
  EXPECT_EQ(plan({{"If-None-Match", "\"x\", W/" + tag}}).status, 304);
  EXPECT_EQ(plan({{"If-None-Match", "\"x\""}, {"If-Modified-Since", date}}).status, 200);
  EXPECT_EQ(plan({{"If-Modified-Since", date}}).status, 304);
  EXPECT_EQ(plan({{"If-Match", "\"x\""}}).status, 412);
  EXPECT_EQ(plan({{"Range", "bytes=0-1"}, {"If-Range", tag}}).status, 206);
  EXPECT_EQ(plan({{"Range", "bytes=0-1"}, {"If-Range", date}}).status, 206);
  EXPECT_EQ(plan({{"Range", "bytes=0-1"}, {"If-Range", "\"old\""}}).status, 200);
  EXPECT_EQ(plan({{"Range", "bytes=0-1"}, {"If-Range", "W/" + tag}}).status, 200);
}

}  // namespace
}  // namespace latchkey::front
