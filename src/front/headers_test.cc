// Threat 56: the service behind neither gets the session nor can open what the device keeps shut.
#include "front/headers.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace latchkey::front {
namespace {

const Visitor kVisitor{Origin::parse("https://video.example"), "subject", "192.168.1.9"};

TEST(HeadersTest, Threat56IdentityCannotBeForged) {
  wire::HttpFields in;
  for (const char* name : {"X-Latchkey-Origin", "x_latchkey_sub", "X_LATCHKEY-ORIGIN",
                           "x-latchkey-anything", "X-Forwarded-For", "x_forwarded_proto"}) {
    in.add(name, "https://evil.example");
  }
  in.add("Connection", "X-Latchkey-Origin, X-Latchkey-Sub, close");
  const auto out = upstream_request_fields(in, kVisitor, false);
  EXPECT_EQ(out.count("X-Latchkey-Origin"), 1U);
  EXPECT_EQ(*out.find("X-Latchkey-Origin"), "https://video.example");
  EXPECT_EQ(*out.find("X-Latchkey-Sub"), "subject");
  EXPECT_EQ(*out.find("X-Forwarded-For"), "192.168.1.9");
  EXPECT_EQ(out.all().size(), 4U);
}

TEST(HeadersTest, Threat56SessionAndTicketStayHere) {
  wire::HttpFields in;
  in.add("Cookie", "__Host-latchkey=secret");
  in.add("Cookie", "a=1; __Host-latchkey=secret; __host-LATCHKEY=secret;b=2");
  in.add("Cookie_", "x");
  in.add(
      "Authorization",
      "Bearer " + base64url_encode(as_bytes(R"({"alg":"ES256","typ":"latchkey+jwt"})")) + ".a.b");
  const auto out = upstream_request_fields(in, kVisitor, false);
  EXPECT_EQ(out.count("Cookie"), 1U);
  EXPECT_EQ(*out.find("Cookie"), "a=1; b=2");
  EXPECT_FALSE(out.has("Authorization"));
}

TEST(HeadersTest, OtherAuthorizationPasses) {
  wire::HttpFields in;
  in.add("Authorization", "Bearer abc.def.ghi");
  in.add("Range", "bytes=0-1");
  const auto out = upstream_request_fields(in, kVisitor, false);
  EXPECT_EQ(*out.find("Authorization"), "Bearer abc.def.ghi");
  EXPECT_EQ(*out.find("Range"), "bytes=0-1");
}

TEST(HeadersTest, HopByHopFieldsEndHere) {
  wire::HttpFields in;
  in.add("Connection", "keep-alive, X-Private");
  for (const char* name : {"X-Private", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding",
                           "Upgrade", "Proxy-Authorization", "Content-Length", "HTTP2-Settings",
                           "Expect", "Transfer_Encoding", "Content_Length"}) {
    in.add(name, "x");
  }
  in.add("Host", "h.local");
  const auto out = upstream_request_fields(in, kVisitor, false);
  EXPECT_EQ(out.all().size(), 5U);
  EXPECT_TRUE(out.has("Host"));
  const auto upgraded = upstream_request_fields(in, kVisitor, true);
  EXPECT_EQ(*upgraded.find("Connection"), "Upgrade");
  EXPECT_EQ(*upgraded.find("Upgrade"), "websocket");
}

TEST(HeadersTest, Threat56CorsAndOurCookieCannotBeSetByTheService) {
  wire::HttpFields in;
  in.add("Access-Control-Allow-Origin", "*");
  in.add("access_control_allow_credentials", "true");
  in.add("Access-Control-Expose-Headers", "*");
  in.add("Cross-Origin-Resource-Policy", "cross-origin");
  in.add("Set-Cookie", "__Host-latchkey=stolen; Path=/");
  in.add("Set-Cookie", " __HOST-latchkey =stolen");
  in.add("Set-Cookie", "=__Host-latchkey=stolen");
  in.add("Set-Cookie", "__Host-latchkey");
  in.add("Set-Cookie", "theirs=1");
  in.add("Vary", "Accept");
  in.add("Content-Type", "video/mp4");
  auto out = upstream_response_fields(in, false);
  dress(out, kVisitor.origin);
  EXPECT_FALSE(out.has("Access-Control-Allow-Origin"));
  EXPECT_FALSE(out.has("access_control_allow_credentials"));
  EXPECT_FALSE(out.has("Access-Control-Expose-Headers"));
  EXPECT_EQ(out.count("Set-Cookie"), 1U);
  EXPECT_EQ(*out.find("Set-Cookie"), "theirs=1");
  EXPECT_EQ(*out.find("Cross-Origin-Resource-Policy"), "same-origin");
  EXPECT_EQ(out.count("Vary"), 2U);
}

}  // namespace
}  // namespace latchkey::front
