// What providers say, through the programs as they are: a real web server with signed files, the
// agent, a device, the command line (threats 21 to 24).
#include <gtest/gtest.h>

#include <fstream>

#include "net/task.h"
#include "programs.h"
#include "support/https_server.h"
#include "support/trust_maker.h"

namespace latchkey::programs {
namespace {

using attest::OriginStatus;
using nlohmann::json;
using testing::https_answer;
using testing::HttpsAnswer;

const std::string kVideo = "https://video.example";
const Origin kOrigin = Origin::parse(kVideo).value();

class TrustTest : public ::testing::Test {
 protected:
  TrustTest() {
    std::filesystem::create_directory(home_.path() / "www");
    std::ofstream(home_.path() / "www/hello.txt") << "hello";
    const std::vector<Bytes> roots{provider_.root};
    std::ofstream(home_.path() / "root.pem") << crypto::certificates_to_pem(roots);
    device_.emplace(Arguments{program("latchkey-device"), "run", "--state", state(), "--name",
                              "Kitchen", "--type", "media-cache", "--listen", "127.0.0.1", "--port",
                              "0", "--serve", (home_.path() / "www").string(), "--mdns", "off"},
                    home_.environment(), "listening on ");
    port_ = device_->line().substr(device_->line().rfind(':') + 1);
    provider_.set_origin(kOrigin, OriginStatus::kActive, "Video");
    publish();
  }
  void start_agent() {
    agent_.reset();
    agent_.emplace(
        Arguments{program("latchkey-agent"), "run", "--mdns", "off", "--allow-loopback",
                  "--static-device", "media-cache,Kitchen,127.0.0.1," + port_, "--provider",
                  "Ours," + web_.url("/v1/") + "," + (home_.path() / "root.pem").string(),
                  "--provider-ca", web_.ca_file()},
        home_.environment(), "listening on ");
  }
  // From now on the web server has these.
  void serve(std::map<std::string, Bytes> files) {
    web_.answer_with([files = std::move(files)](const std::string& path, const std::string&) {
      const auto found = files.find(path.substr(std::string("/v1/").size()));
      return found == files.end() ? https_answer(404, "")
                                  : https_answer(200, as_text(found->second));
    });
  }
  void publish() {
    files_ = provider_.publish(clock_.wall_now());
    serve(files_);
  }
  [[nodiscard]] std::string state() const { return (home_.path() / "device").string(); }
  Output latchkey(Arguments arguments) {
    arguments.insert(arguments.begin(), program("latchkey"));
    return run(arguments, home_.environment(), {});
  }
  json refreshed() { return latchkey({"refresh", "--json"}).json()["providers"][0]; }
  json granted() {
    const auto opened =
        run({program("latchkey-device"), "open-window", "--state", state(), "--json"},
            home_.environment());
    const auto output = latchkey({"grant", "--origin", kVideo, "--device", "Kitchen", "--json",
                                  "--code", opened.json().value("code", "")});
    EXPECT_EQ(output.exit, 0) << output.out << output.err;
    return output.json().value("grant", json::object());
  }
  Output fetch(const json& grant) {
    return latchkey({"fetch", grant.value("host", "") + "/hello.txt", "--json", "--resolve",
                     "127.0.0.1:" + port_});
  }

  Home home_;
  net::SystemClock clock_;
  testing::Provider provider_{clock_.wall_now()};
  std::map<std::string, Bytes> files_;
  testing::HttpsServer web_{[](const std::string&, const std::string&) { return HttpsAnswer{}; }};
  std::string port_;
  std::optional<Background> device_;
  std::optional<Background> agent_;
};

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
