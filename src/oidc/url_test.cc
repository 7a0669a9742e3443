#include "oidc/url.h"

#include <gtest/gtest.h>

#include "oidc/messages.h"

namespace latchkey::oidc {
namespace {

TEST(OidcUrl, TakesHttpsAddressesOnly) {
  EXPECT_TRUE(is_https_url("https://idp.example/authorize?a=b"));
  EXPECT_TRUE(is_https_url("https://idp.example:8443/"));
  for (const std::string_view url :
       {"http://idp.example/", "https://", "https:///x", "https://user@idp.example/",
        "https://idp.example/#x", "javascript:alert(1)", "https://idp.example\\@evil.example/",
        "https://idp.example/ x", "https://idp.example/\n", "//idp.example/", "",
        "HTTPS://idp.example/"}) {
    EXPECT_FALSE(is_https_url(url)) << url;
  }
  EXPECT_FALSE(is_https_url("https://idp.example/" + std::string(kMaxUrl, 'a')));
  EXPECT_TRUE(is_issuer("https://idp.example/tenant/1"));
  EXPECT_FALSE(is_issuer("https://idp.example/?tenant=1"));
}

TEST(OidcUrl, SaysTheOriginAsABrowserWould) {
  EXPECT_EQ(origin_of("https://Video.Example:443/a?b"), "https://video.example");
  EXPECT_EQ(origin_of("https://video.example:8443/a"), "https://video.example:8443");
  EXPECT_EQ(origin_of("https://video.example.evil.example/"), "https://video.example.evil.example");
  EXPECT_EQ(origin_of("http://video.example/"), "");
}

// Row 45: an open redirect through return_to.
TEST(OidcUrl, ReturnsToNothingButAPathOfThisHost) {
  for (const std::string_view path : {"/", "/films?x=1", "/a/b#c", "/.well-known/latchkey/home"}) {
    EXPECT_TRUE(is_local_path(path)) << path;
  }
  for (const std::string_view path : {"", "films", "//evil.example", "/\\evil.example",
                                      "\\\\evil.example", "https://evil.example", "javascript:x",
                                      "/\tevil", "/a\r\nLocation: x", " /a", "/\x7f", "/ü"}) {
    EXPECT_FALSE(is_local_path(path)) << path;
  }
  EXPECT_FALSE(is_local_path("/" + std::string(1024, 'a')));
}

TEST(OidcUrl, WritesAndReadsForms) {
  EXPECT_EQ(form({{"a", "1 2&="}, {"b", ""}, {"c", "~ü"}}), "a=1%202%26%3D&c=~%C3%BC");
  EXPECT_EQ(with_query("https://x.example/a?b=c", {{"d", "e"}}), "https://x.example/a?b=c&d=e");
  EXPECT_EQ(form_value("a=1+2&b=%2F", "a", 8), "1 2");
  EXPECT_EQ(form_value("a=1+2&b=%2F", "b", 8), "/");
  EXPECT_FALSE(form_value("a=1&a=2", "a", 8));
  EXPECT_FALSE(form_value("a=%", "a", 8));
  EXPECT_FALSE(form_value("a=123456789", "a", 8));
  EXPECT_FALSE(form_value("ab=1", "a", 8));
  EXPECT_FALSE(form_value("", "a", 8));
}

TEST(OidcMessages, ReadsTokenAnswersWithoutTrustingThem) {
  const auto good = read_tokens(
      200, R"({"access_token":"a","token_type":"bearer","id_token":"x.y.z","refresh_token":"r"})");
  ASSERT_TRUE(good);
  EXPECT_EQ(as_text(good->refresh.span()), "r");
  EXPECT_EQ(good->id_token, "x.y.z");
  for (const std::string_view bad :
       {R"({"token_type":"Bearer"})", R"({"access_token":"a","token_type":"mac"})",
        R"({"access_token":7,"token_type":"Bearer"})",
        R"({"access_token":"a b","token_type":"Bearer"})",
        R"({"access_token":"a","token_type":"Bearer","refresh_token":[]})", "[]", "", "<html>",
        R"({"access_token":"a","access_token":"b","token_type":"Bearer"})"}) {
    const auto read = read_tokens(200, bad);
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().code, ErrorCode::kMalformed) << bad;
  }
  EXPECT_FALSE(read_tokens(200, R"({"access_token":")" + std::string(kMaxToken + 1, 'a') +
                                    R"(","token_type":"Bearer"})"));
  const auto no = read_tokens(400, R"({"error":"invalid_grant","error_description":"<b>"})");
  EXPECT_EQ(no.error().code, ErrorCode::kRefused);
  EXPECT_EQ(no.error().detail, "invalid_grant");
  EXPECT_EQ(read_tokens(400, R"({"error":"a\nb"})").error().detail, "no_reason");
  EXPECT_EQ(read_tokens(503, "").error().code, ErrorCode::kUnreachable);
  EXPECT_EQ(read_tokens(429, "").error().code, ErrorCode::kUnreachable);
  // A redirect is not followed, and no answer.
  EXPECT_EQ(read_tokens(302, "{}").error().code, ErrorCode::kMalformed);
}

TEST(OidcMessages, ProvesTheClientAsAgreed) {
  Metadata provider;
  provider.token_endpoint = "https://idp.example/token";
  const auto body = [](const HttpRequest& request) {
    return std::string(as_text(request.body.span()));
  };
  const auto open = code_request(provider, {"me"}, "c o", "https://v.example/cb", as_bytes("ver"));
  EXPECT_EQ(body(open),
            "grant_type=authorization_code&code=c%20o&redirect_uri=https%3A%2F%2Fv.example%2Fcb"
            "&code_verifier=ver&client_id=me");
  EXPECT_TRUE(open.authorization.empty());
  const Client basic{"me:", SecretBytes::take("s+"), ClientAuth::kBasic};
  const auto proven = refresh_request(provider, basic, as_bytes("r"));
  EXPECT_EQ(as_text(proven.authorization.span()), "Basic bWUlM0E6cyUyQg==");
  EXPECT_EQ(body(proven), "grant_type=refresh_token&refresh_token=r");
  const Client post{"me", SecretBytes::take("s+"), ClientAuth::kPost};
  EXPECT_EQ(body(refresh_request(provider, post, as_bytes("r"))),
            "grant_type=refresh_token&refresh_token=r&client_id=me&client_secret=s%2B");
}

}  // namespace
}  // namespace latchkey::oidc
