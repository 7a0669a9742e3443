// What providers say, through the programs as they are: a real web server with signed files, the
// agent, a device, the command line (threats 21 to 24).
#include "trust_house.h"

namespace latchkey::programs {
namespace {

using attest::OriginStatus;
using nlohmann::json;

using TrustTest = TrustHouse;

TEST_F(TrustTest, Threat23ARevokedWebServiceRestsAndComesBackWithoutPairing) {
  start_agent();
  ASSERT_EQ(refreshed()["state"], "fresh");
  const auto grant = granted();
  EXPECT_EQ(grant["site"]["state"], "known");
  EXPECT_EQ(grant["device"]["standing"], "unattested");
  ASSERT_EQ(fetch(grant).exit, 0);
  provider_.set_origin(kOrigin, OriginStatus::kRevoked, "Video");
  publish();
  Conversation listener(home_.socket());
  listener.hello();
  ASSERT_EQ(refreshed()["no"], 2);
  const auto changed = listener.event("grants.changed");
  ASSERT_TRUE(changed);
  EXPECT_EQ((*changed)["state"], "suspended");
  EXPECT_EQ(listener.ask("ticket.mint", {{"id", grant["id"]}, {"origin", kVideo}})["error"]["code"],
            "origin_revoked");
  EXPECT_EQ(latchkey({"grants", "--json"}).json()["grants"][0]["hold"], "origin_revoked");
  EXPECT_EQ(listener.ask("policy.check", {{"origin", kVideo}})["result"]["code"], "origin_revoked");
  provider_.set_origin(kOrigin, OriginStatus::kActive, "Video");
  publish();
  ASSERT_EQ(refreshed()["no"], 3);
  EXPECT_TRUE(
      listener.ask("ticket.mint", {{"id", grant["id"]}, {"origin", kVideo}}).contains("result"));
  for (const std::string& head : web_.asked()) {
    EXPECT_EQ(head.find("video"), std::string::npos) << head;
    EXPECT_EQ(head.find('?'), std::string::npos) << head;
  }
}

TEST_F(TrustTest, Threat21OlderListsAreRefusedAlsoFromTheDisk) {
  start_agent();
  ASSERT_EQ(refreshed()["no"], 1);
  const auto old = files_;
  provider_.set_origin(kOrigin, OriginStatus::kRevoked, "Video");
  publish();
  ASSERT_EQ(refreshed()["no"], 2);
  serve(old);
  const auto refused = refreshed();
  EXPECT_EQ(refused["no"], 2);
  EXPECT_TRUE(refused["error"].is_string());
  agent_.reset();
  start_agent();
  Conversation client(home_.socket());
  client.hello();
  const auto status = client.ask("metadata.status", json::object())["result"]["providers"][0];
  EXPECT_EQ(status["no"], 2) << "read from the disk at start";
}

TEST_F(TrustTest, WhatIsNotWhatWasSignedChangesNothing) {
  start_agent();
  ASSERT_EQ(refreshed()["no"], 1);
  provider_.set_origin(kOrigin, OriginStatus::kRevoked, "Video");
  publish();
  const std::string table = provider_.metadata.table(attest::TableKind::kOrigins).file;
  auto bad = files_;
  bad[table].back() ^= 1;
  serve(bad);
  EXPECT_TRUE(refreshed()["error"].is_string());
  bad[table].pop_back();
  serve(bad);
  EXPECT_EQ(refreshed()["no"], 1);
  bad[table] = Bytes(files_[table].size() + 1);
  serve(bad);
  EXPECT_EQ(refreshed()["no"], 1);
  serve({});
  EXPECT_EQ(refreshed()["state"], "fresh");
  serve(files_);
  const auto whole = refreshed();
  EXPECT_EQ(whole["no"], 2) << "the page that was accepted before its tables came";
  EXPECT_TRUE(whole["error"].is_null());
}

TEST_F(TrustTest, AProviderThatWasNeverReadRefusesNewGrants) {
  serve({});
  start_agent();
  EXPECT_EQ(latchkey({"refresh"}).exit, 3);
  Conversation client(home_.socket());
  client.hello();
  EXPECT_EQ(client.ask("policy.check", {{"origin", kVideo}})["result"]["code"], "metadata_stale");
}

}  // namespace
}  // namespace latchkey::programs
