#include "agent/request.h"

#include <gtest/gtest.h>

#include "agent/direct_name.h"

namespace latchkey::agent {
namespace {

const std::string kId32 = "00112233445566778899aabbccddeeff";

std::string message(const std::string& method, const std::string& params) {
  return R"({"id":7,"method":")" + method + R"(","params":)" + params + "}";
}

TEST(ParseRequest, ReadsEveryMethod) {
  const std::pair<const char*, std::string> good[] = {
      {"hello", R"({"client":"cli","version":"1","profile":null})"},
      {"hello",
       R"({"client":"extension","version":"1","profile":")" + kId32 + R"(","extension":"abc"})"},
      {"discover.start", "{}"},
      {"discover.start", R"({"type":"media-cache"})"},
      {"discover.stop", "{}"},
      {"pair.begin", R"({"origin":"https://video.example","type":"media-cache","key":"d1"})"},
      {"pair.begin", R"({"origin":null,"type":"nas","key":"d1","name":"attic"})"},
      {"pair.begin", R"({"origin":"https://video.example","type":"nas","key":"d1","sso":null})"},
      {"pair.begin",
       R"({"origin":"https://video.example","type":"nas","key":"d1","sso":{"issuer":"https://accounts.example/","client":"video"}})"},
      {"pair.name", R"({"session":"p1","name":"Under the roof"})"},
      {"pair.code", R"({"session":"p1","code":"1234 5678"})"},
      {"pair.cancel", R"({"session":"p1"})"},
      {"grants.list", "{}"},
      {"grants.list", R"({"all":true})"},
      {"grants.list", R"({"after":null})"},
      {"grants.list", R"({"all":true,"after":"00112233445566778899aabbccddeeff"})"},
      {"grants.get", R"({"id":")" + kId32 + R"("})"},
      {"grants.revoke", R"({"id":")" + kId32 + R"("})"},
      {"ticket.mint", R"({"id":")" + kId32 + R"(","origin":"https://video.example"})"},
      {"ticket.mint",
       R"({"id":")" + kId32 + R"(","origin":null,"nonce":"AAAAAAAAAAAAAAAAAAAAAA"})"},
      {"certificate.renew", R"({"id":")" + kId32 + R"("})"},
      {"policy.check", R"({"origin":"https://video.example"})"},
      {"anchor.get", "{}"},
      {"doctor", "{}"},
      {"doctor", R"({"databases":["/h/.pki/nssdb"]})"},
      {"grants.pause", R"({"id":")" + kId32 + R"("})"},
      {"grants.resume", R"({"id":")" + kId32 + R"("})"},
      {"grants.details", R"({"id":")" + kId32 + R"("})"},
      {"devices.list", "{}"},
      {"devices.forget", R"({"id":")" + kId32 + kId32 + R"("})"},
      {"devices.people", R"({"id":")" + kId32 + kId32 + R"("})"},
  };
  for (const auto& [method, params] : good) {
    const auto request = parse_request(message(method, params));
    ASSERT_TRUE(request) << method << " " << params << ": " << request.error().error.message;
    EXPECT_EQ(request->id, 7U);
  }
  EXPECT_TRUE(parse_request(R"({"id":1,"method":"doctor"})"));
}

TEST(ParseRequest, RefusesWrongParametersButCanAnswer) {
  const std::pair<const char*, std::string> bad[] = {
      {"hello", R"({"client":"page","version":"1","profile":null})"},
      {"hello", R"({"client":"cli","version":1,"profile":null})"},
      {"hello", R"({"client":"cli","version":"1","profile":"short"})"},
      {"hello", R"({"client":"cli","version":"1","profile":null,"more":1})"},
      {"discover.start", R"({"type":"Media Cache"})"},
      {"pair.begin", R"({"type":"media-cache","key":"d1"})"},
      {"pair.begin", R"({"origin":"http://video.example","type":"media-cache","key":"d1"})"},
      {"pair.begin", R"({"origin":"https://video.example/","type":"media-cache","key":"d1"})"},
      {"pair.begin", R"({"origin":"https://u@video.example","type":"media-cache","key":"d1"})"},
      {"pair.begin", R"({"origin":"null","type":"media-cache","key":"d1"})"},
      {"pair.begin",
       R"({"origin":"https://video.example","type":"nas","key":"d1","name":"attic"})"},
      {"pair.begin", R"({"origin":null,"type":"nas","key":"d1","name":")" +
                         std::string(kMaxAskedName + 1, 'x') + R"("})"},
      {"pair.begin",
       R"({"origin":null,"type":"nas","key":"d1","sso":{"issuer":"https://accounts.example"}})"},
      {"pair.begin",
       R"({"origin":"https://video.example","type":"nas","key":"d1","sso":{"issuer":"http://a.example"}})"},
      {"pair.begin",
       R"({"origin":"https://video.example","type":"nas","key":"d1","sso":{"client":"video"}})"},
      {"pair.begin",
       R"({"origin":"https://video.example","type":"nas","key":"d1","sso":{"issuer":"https://a.example","client":""}})"},
      {"pair.begin",
       R"({"origin":"https://video.example","type":"nas","key":"d1","sso":{"issuer":"https://a.example","more":1}})"},
      {"pair.name", R"({"session":"p1"})"},
      {"pair.name", R"({"session":"p1","name":""})"},
      {"pair.name", R"({"session":"p1","name":"x","host":"x.local"})"},
      {"pair.name", R"({"session":"p1","name":")" + std::string(kMaxAskedName + 1, 'x') + R"("})"},
      {"pair.code", R"({"session":"p1","code":""})"},
      {"pair.code", R"({"session":"p1","code":")" + std::string(600, '1') + R"("})"},
      {"grants.get", R"({"id":"xyz"})"},
      {"grants.get", R"({"id":")" + kId32 + R"(00"})"},
      {"grants.list", R"({"all":"yes"})"},
      {"grants.list", R"({"after":"0011"})"},
      {"grants.list", R"({"after":7})"},
      {"ticket.mint", R"({"id":")" + kId32 + R"("})"},
      {"ticket.mint", R"({"id":")" + kId32 + R"(","origin":null,"nonce":"!"})"},
      {"doctor", R"({"databases":["relative"]})"},
      {"doctor", R"({"databases":"/x"})"},
      {"doctor", "[]"},
      {"grants.pause", R"({"id":")" + kId32 + R"(","for":1})"},
      {"grants.resume", "{}"},
      {"grants.details", R"({"id":1})"},
      {"devices.list", R"({"profile":")" + kId32 + R"("})"},
      {"devices.forget", R"({"id":")" + kId32 + R"("})"},
      {"devices.people", R"({"id":")" + kId32 + R"("})"},
      {"no.such.method", "{}"},
  };
  for (const auto& [method, params] : bad) {
    const auto request = parse_request(message(method, params));
    ASSERT_FALSE(request) << method << " " << params;
    EXPECT_EQ(request.error().id, 7U) << method << " " << params;
  }
}

TEST(ParseRequest, GivesUpOnWhatIsNoMessage) {
  for (const std::string& text : {
           std::string(),
           std::string("x"),
           std::string("[]"),
           std::string("null"),
           std::string(R"({"method":"doctor"})"),
           std::string(R"({"id":-1,"method":"doctor"})"),
           std::string(R"({"id":1.5,"method":"doctor"})"),
           std::string(R"({"id":9007199254740992,"method":"doctor"})"),
           std::string(R"({"id":1,"id":2,"method":"doctor"})"),
           std::string("{\"id\":1,\"method\":\"doctor\xff\"}"),
           std::string(R"({"id":1,"method":"doctor"} )") + "{}",
           R"({"id":1,"method":"doctor","params":)" + std::string(20, '[') + std::string(20, ']') +
               "}",
           std::string(500000, '['),
       }) {
    const auto request = parse_request(text);
    ASSERT_FALSE(request) << text.substr(0, 60);
    EXPECT_FALSE(request.error().id) << text.substr(0, 60);
  }
}

}  // namespace
}  // namespace latchkey::agent
