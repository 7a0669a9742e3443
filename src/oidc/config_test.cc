#include "oidc/config.h"

#include <gtest/gtest.h>

namespace latchkey::oidc {
namespace {

latchkey::Result<Config, std::string> read(std::string_view text) {
  return read_config(text, [](const std::string& path) -> std::optional<SecretBytes> {
    return path == "/secret" ? std::optional(SecretBytes::take("s3")) : std::nullopt;
  });
}

TEST(SsoConfig, ReadsProvidersAndWhoMay) {
  const auto config = read(R"({"providers":[
      {"issuer":"https://idp.example","client_id":"device","client_secret_file":"/secret",
       "client_auth":"post","scope":"openid email groups","groups_claim":"roles","max_age":60},
      {"issuer":"https://other.example/x"}],
    "accept_offered":true,"offered_from":["10.1.0.0/16"],"required":true,"ca_file":"/ca.pem",
    "may_use":[{"issuer":"https://idp.example"}],
    "may_manage":[{"issuer":"https://idp.example","group":"parents","email":"a@b.c","sub":"x"}]})");
  ASSERT_TRUE(config) << config.error();
  const auto& first = config->rules.providers.at(0);
  EXPECT_EQ(first.client->id, "device");
  EXPECT_EQ(as_text(first.client->secret.span()), "s3");
  EXPECT_EQ(first.client->auth, ClientAuth::kPost);
  EXPECT_EQ(first.groups_claim, "roles");
  EXPECT_EQ(first.max_age, seconds(60));
  EXPECT_FALSE(config->rules.providers.at(1).client);
  EXPECT_TRUE(config->rules.policy.required && config->rules.accept_offered);
  EXPECT_EQ(config->rules.policy.manage.at(0).group, "parents");
  EXPECT_EQ(config->ca_file, "/ca.pem");
  EXPECT_EQ(config->offered_from, std::vector<std::string>{"10.1.0.0/16"});
}

TEST(SsoConfig, RefusesWhatItDoesNotUnderstand) {
  const std::string provider = R"("providers":[{"issuer":"https://idp.example"}])";
  EXPECT_TRUE(read("{" + provider + "}"));
  EXPECT_TRUE(read(R"({"accept_offered":true})"));
  for (
      const std::string& text : std::initializer_list<std::string>{
          "",
          "[]",
          "{}",
          R"({"providers":[]})",
          "{" + provider + R"(,"requierd":true})",
          "{" + provider + R"(,"required":"yes"})",
          "{" + provider + R"(,"may_use":[]})",
          "{" + provider + R"(,"may_use":[{"email":"a@b.c"}]})",
          "{" + provider + R"(,"may_use":[{"issuer":"https://idp.example","emial":"a"}]})",
          "{" + provider + R"(,"may_use":[{"issuer":"https://idp.example","email":""}]})",
          "{" + provider + R"(,"offered_from":["10.1.0.0/16"]})",
          R"({"accept_offered":true,"offered_from":[]})",
          R"({"accept_offered":true,"offered_from":[7]})",
          "{" + provider + "," + provider + "}",
          R"({"providers":[{"issuer":"http://idp.example"}]})",
          R"({"providers":[{"issuer":"https://idp.example","client_id":""}]})",
          R"({"providers":[{"issuer":"https://idp.example","client_secret_file":"/secret"}]})",
          R"({"providers":[{"issuer":"https://idp.example","client_id":"a","client_secret_file":"/none"}]})",
          R"({"providers":[{"issuer":"https://idp.example","client_id":"a","client_auth":"basic"}]})",
          R"({"providers":[{"issuer":"https://idp.example","scope":"email"}]})",
          R"({"providers":[{"issuer":"https://idp.example"},{"issuer":"https://idp.example"}]})"}) {
    EXPECT_FALSE(read(text)) << text;
  }
}

}  // namespace
}  // namespace latchkey::oidc
