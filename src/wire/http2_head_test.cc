#include "wire/http2_head.h"

#include <gtest/gtest.h>

namespace latchkey::wire {
namespace {

using Fields = std::vector<HttpField>;

Fields request(Fields more = {}) {
  Fields all{{":method", "GET"},
             {":scheme", "https"},
             {":authority", "a.local:8443"},
             {":path", "/x?y=1"}};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

// The request with one field said otherwise.
Fields with(const std::string& name, const std::string& value) {
  Fields all = request();
  for (HttpField& field : all) {
    if (field.name == name) {
      field.value = value;
    }
  }
  return all;
}

Fields without(const std::string& name) {
  Fields all = request();
  std::erase_if(all, [&](const HttpField& field) { return field.name == name; });
  return all;
}

TEST(Http2HeadTest, ARequestBecomesOneOfHttp1) {
  const auto head = request_from_http2(
      request({{"cookie", "a=1"}, {"accept", "*/*"}, {"cookie", "b=2"}, {"content-length", "12"}}));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->method, "GET");
  EXPECT_EQ(head->target, "/x?y=1");
  EXPECT_EQ(head->minor_version, 1);
  EXPECT_EQ(*head->fields.find("Host"), "a.local:8443");
  EXPECT_EQ(head->fields.count("Cookie"), 1U);
  EXPECT_EQ(*head->fields.find("Cookie"), "a=1; b=2");
  EXPECT_EQ(promised_length(*head), 12U);
  for (const HttpField& field : head->fields.all()) {
    EXPECT_FALSE(field.name.starts_with(':'));
  }
}

TEST(Http2HeadTest, EmptyCookiesLeaveNoBlankBehind) {
  const auto head =
      request_from_http2(request({{"cookie", ""}, {"cookie", "a=1"}, {"cookie", ""}}));
  ASSERT_TRUE(head);
  EXPECT_EQ(*head->fields.find("cookie"), "a=1");
  EXPECT_FALSE(request_from_http2(request({{"cookie", ""}}))->fields.has("cookie"));
}

TEST(Http2HeadTest, HostStandsInForAuthorityAndMustAgree) {
  Fields only_host = without(":authority");
  only_host.push_back({"host", "b.local"});
  ASSERT_TRUE(request_from_http2(only_host));
  EXPECT_EQ(*request_from_http2(only_host)->fields.find("Host"), "b.local");
  EXPECT_TRUE(request_from_http2(request({{"host", "a.local:8443"}})));
  EXPECT_FALSE(request_from_http2(request({{"host", "b.local"}})));
  EXPECT_FALSE(request_from_http2(request({{"host", "a.local:8443"}, {"host", "a.local:8443"}})));
  EXPECT_FALSE(request_from_http2(without(":authority")));
}

TEST(Http2HeadTest, PseudoFieldsAreCompleteFirstAndOnce) {
  for (const char* name : {":method", ":scheme", ":path"}) {
    EXPECT_FALSE(request_from_http2(without(name))) << name;
    EXPECT_FALSE(request_from_http2(with(name, ""))) << name;
    EXPECT_FALSE(request_from_http2(request({{name, "GET"}}))) << name;
  }
  Fields late{{":method", "GET"}, {":scheme", "https"}, {"a", "b"}, {":path", "/"}};
  late.push_back({":authority", "a.local"});
  EXPECT_FALSE(request_from_http2(late));
  EXPECT_FALSE(request_from_http2(request({{":protocol", "websocket"}})));
  EXPECT_FALSE(request_from_http2(request({{":status", "200"}})));
}

TEST(Http2HeadTest, AnExtendedConnectIsTheGetOfHttp1) {  // RFC 8441 section 5.1
  Fields open = with(":method", "CONNECT");
  open.push_back({":protocol", "websocket"});
  const auto also = [&open](const std::string& name, const std::string& value) {
    Fields all = open;
    all.push_back({name, value});
    return request_from_http2(all);
  };
  const auto head = also("sec-websocket-version", "13");
  ASSERT_TRUE(head);
  EXPECT_TRUE(opens_websocket(*head));
  EXPECT_EQ(head->method, "GET");
  EXPECT_EQ(head->target, "/x?y=1");
  EXPECT_EQ(*head->fields.find("Connection"), "Upgrade");
  EXPECT_EQ(*head->fields.find("Upgrade"), "websocket");
  EXPECT_EQ(promised_length(*head), std::nullopt);
  EXPECT_FALSE(opens_websocket(*request_from_http2(request())));

  EXPECT_FALSE(also("content-length", "5"));
  EXPECT_FALSE(also("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="));
  EXPECT_FALSE(also("upgrade", "h2c"));
  EXPECT_FALSE(also("connection", "close"));
  EXPECT_FALSE(also(":protocol", "websocket"));
  for (const char* other : {"", "connect-udp", "WebSocket", "websocket, x"}) {
    open.back().value = other;
    EXPECT_FALSE(request_from_http2(open)) << other;
  }
  open.back() = {":protocol", "websocket"};
  for (const char* name : {":scheme", ":path", ":authority"}) {
    Fields lacking = open;
    std::erase_if(lacking, [name](const HttpField& field) { return field.name == name; });
    EXPECT_FALSE(request_from_http2(lacking)) << name;
  }
}

TEST(Http2HeadTest, Threat30TargetsAndMethodsThatHttp1CouldReadOtherwise) {
  for (const char* path : {"/a b", "/a HTTP/1.1\r\nX: y", "/a\tb", "a", "https://a.local/", "*",
                           "/a#b", "/\x7f", "/\xc3\xa9", "/a\nb", "//\r"}) {
    EXPECT_FALSE(request_from_http2(with(":path", path))) << path;
  }
  for (const char* method : {"GET /x HTTP/1.1\r\n", "G T", "CONNECT", "GET\r", "G:T", "\xff"}) {
    EXPECT_FALSE(request_from_http2(with(":method", method))) << method;
  }
  EXPECT_FALSE(request_from_http2(with(":scheme", "http")));
  EXPECT_FALSE(request_from_http2(with(":authority", "a.local\r\nX: y")));
  EXPECT_FALSE(request_from_http2(with(":authority", "a.local b")));
}

TEST(Http2HeadTest, FieldsThatFrameOrBreakOutAreRefused) {
  const Fields bad{{"transfer-encoding", "chunked"},
                   {"connection", "close"},
                   {"connection", "x"},
                   {"keep-alive", "1"},
                   {"proxy-connection", "x"},
                   {"upgrade", "websocket"},
                   {"http2-settings", "AAAA"},
                   {"te", "chunked"},
                   {"Accept", "x"},
                   {"a b", "x"},
                   {"a:", "x"},
                   {"", "x"},
                   {"a\r\nb", "x"},
                   {"content-length", ""},
                   {"content-length", "+1"},
                   {"content-length", "1, 1"},
                   {"content-length", "0x1"},
                   {"content-length", "1111111111111111111"},
                   {"a", "b\r\nc: d"},
                   {"a", "b\nc"},
                   {"a", "b\rc"},
                   {"a", std::string("b\0c", 3)},
                   {"a", " b"},
                   {"a", "b\t"},
                   {"a", "\x7f"}};
  for (const HttpField& field : bad) {
    EXPECT_FALSE(request_from_http2(request({field}))) << field.name << ": " << field.value;
  }
  EXPECT_FALSE(request_from_http2(request({{"content-length", "1"}, {"content-length", "1"}})));
  EXPECT_TRUE(request_from_http2(request({{"te", "trailers"}, {"a", "b\tc"}, {"b", ""}})));
}

TEST(Http2HeadTest, AnAnswerLosesWhatBelongsToAConnection) {
  HttpResponseHead head;
  head.status = 204;
  head.fields.add("Content-Type", "text/plain");
  head.fields.add("Connection", "close");
  head.fields.add("Transfer-Encoding", "chunked");
  const Fields out = response_to_http2(head);
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(out[0].name, ":status");
  EXPECT_EQ(out[0].value, "204");
  EXPECT_EQ(out[1].name, "content-type");
}

}  // namespace
}  // namespace latchkey::wire
