// Against a real server over loopback that behaves well, badly, or not at all.
#include "net/https_fetch.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>

#include "support/https_server.h"

namespace latchkey::net {
namespace {

using testing::https_answer;
using testing::HttpsAnswer;
using testing::HttpsServer;

Fetch request_to(const HttpsServer& server, std::uint64_t limit = 1000) {
  Fetch request;
  request.url = server.url("/a");
  request.ca_file = server.ca_file();
  request.limit = limit;
  request.total_time = std::chrono::milliseconds(20'000);
  return request;
}
HttpsServer::Answer always(HttpsAnswer answer) {
  return [answer](const std::string&, const std::string&) { return answer; };
}
FetchCode code_of(const latchkey::Result<Fetched, FetchError>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? FetchCode::kBroken : result.error().code;
}

TEST(HttpsFetchTest, BringsTheBodyAndItsValidators) {
  HttpsServer server(always(https_answer(200, "hello", "ETag: \"v1\"\r\nLast-Modified: then\r\n")));
  const auto got = fetch(request_to(server));
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(as_text(got->body), "hello");
  EXPECT_EQ(got->bytes, 5U);
  EXPECT_EQ(got->etag, "\"v1\"");
  EXPECT_EQ(got->last_modified, "then");
}

TEST(HttpsFetchTest, SaysNothingAboutWhoAsks) {
  HttpsServer server(always(https_answer(304, "")));
  Fetch request = request_to(server);
  request.etag = "\"v1\"";
  ASSERT_EQ(fetch(request)->status, 304);
  const std::string port = server.url().substr(server.url().rfind(':') + 1);
  EXPECT_EQ(server.asked().at(0), "GET /a HTTP/1.1\r\nHost: localhost:" + port +
                                      "\r\nUser-Agent: latchkey\r\nIf-None-Match: \"v1\"\r\n\r\n");
}

TEST(HttpsFetchTest, TooMuchIsCutOff) {
  HttpsServer server(always(https_answer(200, std::string(1001, 'x'))));
  EXPECT_EQ(code_of(fetch(request_to(server))), FetchCode::kTooLarge);
  EXPECT_TRUE(fetch(request_to(server, 1001)));
}

TEST(HttpsFetchTest, TooMuchIsCutOffWhereNoLengthWasPromised) {
  const std::string head = "HTTP/1.1 200 x\r\n";
  HttpsServer server(always({head + "\r\n" + std::string(1'000'000, 'x'), true}));
  std::uint64_t taken = 0;
  Fetch request = request_to(server);
  request.sink = [&](ByteSpan bytes) {
    taken += bytes.size();
    return true;
  };
  EXPECT_EQ(code_of(fetch(request)), FetchCode::kTooLarge);
  EXPECT_LE(taken, 1000U);
  server.answer_with(always({head + "Transfer-Encoding: chunked\r\n\r\n7d1\r\n" +
                                 std::string(2001, 'x') + "\r\n0\r\n\r\n",
                             true}));
  EXPECT_EQ(code_of(fetch(request_to(server))), FetchCode::kTooLarge);
}

TEST(HttpsFetchTest, LessThanPromisedIsBroken) {
  HttpsServer server(always({"HTTP/1.1 200 x\r\nContent-Length: 900\r\n\r\nshort"}));
  EXPECT_EQ(code_of(fetch(request_to(server))), FetchCode::kBroken);
}

TEST(HttpsFetchTest, EndlessHeadersAreCutOff) {
  std::string head = "HTTP/1.1 200 x\r\n";
  for (int i = 0; i < 2000; ++i) {
    head += "X-" + std::to_string(i) + ": " + std::string(60, 'x') + "\r\n";
  }
  HttpsServer server(always({head, true}));
  EXPECT_EQ(code_of(fetch(request_to(server))), FetchCode::kTooLarge);
}

TEST(HttpsFetchTest, GarbageIsBroken) {
  HttpsServer server(always({"this is no HTTP at all\r\n\r\n"}));
  EXPECT_EQ(code_of(fetch(request_to(server))), FetchCode::kBroken);
}

TEST(HttpsFetchTest, SlowServersAreLeft) {
  HttpsServer server(always({"HTTP/1.1 200 x\r\nContent-Length: 900\r\n\r\nx", true}));
  Fetch request = request_to(server);
  request.stall_time = std::chrono::seconds(1);
  EXPECT_EQ(code_of(fetch(request)), FetchCode::kTimeout);
  request = request_to(server);
  request.total_time = std::chrono::milliseconds(300);
  EXPECT_EQ(code_of(fetch(request)), FetchCode::kTimeout);
}

TEST(HttpsFetchTest, RedirectsAreNotFollowed) {
  HttpsServer elsewhere(always(https_answer(200, "no")));
  HttpsServer server(
      always(https_answer(302, "body", "Location: " + elsewhere.url("/b") + "\r\n")));
  const auto got = fetch(request_to(server));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 302);
  EXPECT_TRUE(got->body.empty());
  EXPECT_TRUE(elsewhere.asked().empty());
}

TEST(HttpsFetchTest, OnlyTheHostAndWhomSomebodyVouchesFor) {
  HttpsServer server(always(https_answer(200, "x")));
  HttpsServer other(always(https_answer(200, "x")));
  HttpsServer misnamed(always(https_answer(200, "x")), "elsewhere.example");
  Fetch request = request_to(server);
  request.ca_file = other.ca_file();
  EXPECT_EQ(code_of(fetch(request)), FetchCode::kUntrusted);
  request.ca_file.clear();  // the system's
  EXPECT_EQ(code_of(fetch(request)), FetchCode::kUntrusted);
  EXPECT_EQ(code_of(fetch(request_to(misnamed))), FetchCode::kUntrusted);
  EXPECT_TRUE(server.asked().empty() && misnamed.asked().empty());
}

TEST(HttpsFetchTest, CanBeCancelled) {
  HttpsServer server(always({"HTTP/1.1 200 x\r\nContent-Length: 900\r\n\r\nx", true}));
  std::atomic<bool> cancel = false;
  Fetch request = request_to(server);
  request.cancel = &cancel;
  request.sink = [&](ByteSpan) {
    cancel = true;  // while it waits for more
    return true;
  };
  EXPECT_EQ(code_of(fetch(request)), FetchCode::kCancelled);
  EXPECT_EQ(code_of(fetch(request)), FetchCode::kCancelled);  // before it began
  cancel = false;
  request.sink = [](ByteSpan) { return false; };
  EXPECT_EQ(code_of(fetch(request)), FetchCode::kCancelled);
}

TEST(HttpsFetchTest, PrivateAddressesCanBeRefused) {
  HttpsServer server(always(https_answer(200, "x")));
  Fetch request = request_to(server);
  request.public_only = true;
  EXPECT_EQ(code_of(fetch(request)), FetchCode::kForbidden);
  EXPECT_TRUE(server.asked().empty());
}

TEST(HttpsFetchTest, TheEnvironmentsProxyIsNotUsedUnasked) {
  HttpsServer server(always(https_answer(200, "x")));
  ::setenv("https_proxy", "http://127.0.0.1:1", 1);
  ::setenv("no_proxy", "", 1);
  EXPECT_TRUE(fetch(request_to(server)));
  Fetch asked = request_to(server);
  asked.use_proxy = true;
  EXPECT_EQ(code_of(fetch(asked)), FetchCode::kUnreachable);
  ::unsetenv("https_proxy");
  ::unsetenv("no_proxy");
}

TEST(HttpsFetchTest, OnlyPlainHttpsUrls) {
  for (const char* url : {"http://localhost/", "ftp://localhost/", "file:///etc/passwd", "",
                          "https://", "https://user:pass@localhost/", "https://localhost/#a"}) {
    Fetch request;
    request.url = url;
    EXPECT_EQ(code_of(fetch(request)), FetchCode::kInvalid) << url;
  }
}

bool is_public(const char* text) {
  sockaddr_storage storage{};
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    std::memcpy(&storage, &v4, sizeof v4);
  } else {
    EXPECT_EQ(::inet_pton(AF_INET6, text, &v6.sin6_addr), 1) << text;
    v6.sin6_family = AF_INET6;
    std::memcpy(&storage, &v6, sizeof v6);
  }
  return is_public_address(reinterpret_cast<const sockaddr*>(&storage));
}

TEST(HttpsFetchTest, PublicAddresses) {
  for (const char* text : {"1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "198.20.0.1",
                           "2606:4700::1", "2001:4860::8888", "2a00::1"}) {
    EXPECT_TRUE(is_public(text)) << text;
  }
  for (const char* text : {"0.0.0.0",
                           "10.1.2.3",
                           "100.64.0.1",
                           "127.0.0.1",
                           "127.255.0.1",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.1",
                           "192.168.1.1",
                           "198.18.0.1",
                           "198.19.0.1",
                           "203.0.113.1",
                           "224.0.0.1",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "::ffff:10.0.0.1",
                           "::ffff:1.1.1.1",
                           "64:ff9b::a00:1",
                           "fc00::1",
                           "fd12::1",
                           "fe80::1",
                           "fec0::1",
                           "ff02::1",
                           "2001::1",
                           "2001:db8::1",
                           "2002:a00:1::1"}) {
    EXPECT_FALSE(is_public(text)) << text;
  }
}

}  // namespace
}  // namespace latchkey::net
