// Against a real server over loopback that behaves well, badly, or not at all.
#include "net/https_fetch.h"

#include <gtest/gtest.h>

#include <cstdlib>

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

TEST(HttpsFetchTest, PostsAndBringsAnswersOfEveryStatus) {
  HttpsServer server(always(https_answer(400, "{\"error\":\"invalid_grant\"}")));
  Fetch request = request_to(server);
  request.post = "a=b";
  request.authorization = "Basic eHg=";
  request.on_head = [](long, const wire::HttpFields&) { return true; };
  const auto got = fetch(request);
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->status, 400);
  EXPECT_EQ(as_text(got->body), "{\"error\":\"invalid_grant\"}");
  const std::string asked = server.asked().at(0);
  EXPECT_TRUE(asked.starts_with("POST /a HTTP/1.1\r\n"));
  for (const std::string_view field :
       {"\r\nContent-Length: 3\r\n", "\r\nAuthorization: Basic eHg=\r\n",
        "\r\nContent-Type: application/x-www-form-urlencoded\r\n"}) {
    EXPECT_NE(asked.find(field), std::string::npos) << field;
  }
  EXPECT_EQ(asked.find("Expect"), std::string::npos);
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

TEST(HttpsFetchTest, NoneOfTheHomesOwnAddressesEither) {
  HttpsServer server(always(https_answer(200, "x")));
  Fetch request = request_to(server);
  request.public_only = true;
  request.also = {Network::parse("10.0.0.0/8").value()};
  EXPECT_EQ(code_of(fetch(request)), FetchCode::kForbidden);
  request.also.push_back(Network::parse("127.0.0.1").value());
  EXPECT_TRUE(fetch(request)) << "what was allowed by name of the network";
  EXPECT_EQ(server.asked().size(), 1U);
}

TEST(HttpsFetchTest, TheHeadIsSeenBeforeTheBody) {
  HttpsServer server(always(
      https_answer(206, "rest", "Content-Range: bytes 2-5/6\r\nContent-Type: video/mp4\r\n")));
  Fetch request = request_to(server);
  request.from = 2;
  request.if_range = "\"v1\"";
  request.origin = "https://video.example";
  std::string seen;
  request.on_head = [&](long status, const wire::HttpFields& fields) {
    seen = std::to_string(status) + " " + *fields.find("content-range");
    return true;
  };
  const auto got = fetch(request);
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(seen, "206 bytes 2-5/6");
  EXPECT_EQ(as_text(got->body), "rest");
  const std::string asked = server.asked().at(0);
  EXPECT_NE(asked.find("\r\nOrigin: https://video.example\r\n"), std::string::npos);
  EXPECT_NE(asked.find("\r\nRange: bytes=2-\r\nIf-Range: \"v1\"\r\n"), std::string::npos);
  request.on_head = [](long, const wire::HttpFields&) { return false; };
  bool taken = false;
  request.sink = [&](ByteSpan) { return taken = true; };
  EXPECT_EQ(code_of(fetch(request)), FetchCode::kCancelled);
  EXPECT_FALSE(taken);
}

TEST(HttpsFetchTest, OneSessionForMany) {
  HttpsServer server(always(https_answer(200, "hello", "ETag: \"v1\"\r\n")));
  FetchSession session;
  Fetch first = request_to(server);
  first.origin = "https://video.example";
  EXPECT_EQ(session.fetch(first)->etag, "\"v1\"");
  EXPECT_EQ(as_text(session.fetch(request_to(server))->body), "hello");
  EXPECT_EQ(server.asked().at(1).find("Origin"), std::string::npos) << "nothing is left over";
  Fetch forbidden = request_to(server);
  forbidden.public_only = true;
  EXPECT_EQ(code_of(session.fetch(forbidden)), FetchCode::kForbidden);
}

}  // namespace
}  // namespace latchkey::net
