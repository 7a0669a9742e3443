// Anchors in the profiles of Firefox, with the programs as they are and certutil to look.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>

#include "programs.h"

namespace latchkey::programs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

const std::string kVideo = "https://video.example";
const std::string kPhotos = "https://photos.example";

class FirefoxTest : public ::testing::Test {
 protected:
  FirefoxTest() {
    device_.emplace(
        Arguments{program("latchkey-device"), "run", "--state", (home_.path() / "device").string(),
                  "--name", "Kitchen", "--type", "media-cache", "--listen", "127.0.0.1", "--port",
                  "0", "--serve", home_.path().string(), "--mdns", "off"},
        home_.environment(), "listening on ");
    port_ = device_->line().substr(device_->line().rfind(':') + 1);
    start_agent();
    make_profile("one");
  }
  void start_agent() {
    agent_.emplace(Arguments{program("latchkey-agent"), "run", "--mdns", "off", "--allow-loopback",
                             "--static-device", "media-cache,Kitchen,127.0.0.1," + port_},
                   home_.environment(), "listening on ");
  }
  fs::path root() const { return home_.path() / ".mozilla/firefox"; }
  void make_profile(const std::string& name) {
    fs::create_directories(root() / name);
    certutil(name, {"-N", "--empty-password"});
    std::ofstream(root() / "profiles.ini", std::ios::app)
        << "[Profile" << name << "]\nName=" << name << "\nIsRelative=1\nPath=" << name << "\n\n";
  }
  std::string certutil(const std::string& profile, Arguments arguments) {
    arguments.insert(arguments.begin(),
                     {"/usr/bin/certutil", "-d", "sql:" + (root() / profile).string()});
    const auto output = run(arguments, home_.environment());
    return output.out + output.err;
  }
  std::string anchors(const std::string& profile = "one") { return certutil(profile, {"-L"}); }
  Output latchkey(Arguments arguments) {
    arguments.insert(arguments.begin(), program("latchkey"));
    return run(arguments, home_.environment());
  }
  json granted(const std::string& origin, const std::string& code) {
    Arguments arguments{"grant", "--origin", origin, "--device", "Kitchen", "--json"};
    if (!code.empty()) {
      arguments.insert(arguments.end(), {"--code", code});
    }
    const auto output = latchkey(arguments);
    EXPECT_EQ(output.exit, 0) << output.out << output.err;
    // The command line does not wait for Firefox: whatever asks Firefox's state does.
    Conversation(home_.socket()).hello();
    EXPECT_EQ(latchkey({"doctor", "--json"}).json().is_object(), true);
    return output.json().value("grant", json());
  }
  std::string code() {
    return run({program("latchkey-device"), "open-window", "--state",
                (home_.path() / "device").string(), "--json"},
               home_.environment())
        .json()
        .value("code", "");
  }
  json check() {
    const json answer = latchkey({"doctor", "--json"}).json();
    for (const json& one : answer.at("checks")) {
      if (one["id"] == "firefox_profiles") {
        return one;
      }
    }
    return {};
  }
  static std::string line(const json& grant) {
    return "Latchkey grant " + grant["id"].get<std::string>() + " +C,,";
  }

  Home home_;
  std::string port_;
  std::optional<Background> device_;
  std::optional<Background> agent_;
};

// threats.md row 14: no root of ours in Firefox, one anchor for each grant, gone with it.
TEST_F(FirefoxTest, Row14AnAnchorComesAndGoesWithItsGrant) {
  make_profile("two");
  const auto manifest = home_.path() / ".mozilla/native-messaging-hosts/org.latchkey.agent.json";
  const auto video = granted(kVideo, code());
  EXPECT_THAT(anchors(), Not(HasSubstr("Latchkey"))) << "nobody has set it up";
  const auto done = latchkey({"setup", "--json"});
  ASSERT_EQ(done.exit, 0) << done.out << done.err;
  EXPECT_EQ(done.json()["firefox"].size(), 2U);
  std::ifstream file(manifest);
  const json written = json::parse(file, nullptr, false);
  EXPECT_EQ(written["allowed_extensions"], json::array({LATCHKEY_FIREFOX_EXTENSION_ID}));
  EXPECT_THAT(anchors("one"), ContainsRegex(line(video)));
  EXPECT_THAT(anchors("two"), ContainsRegex(line(video)));

  const auto photos = granted(kPhotos, "");
  EXPECT_THAT(anchors(), ContainsRegex(line(photos)));
  EXPECT_THAT(anchors(), Not(HasSubstr("user's devices"))) << "the root is not needed here";
  EXPECT_EQ(check()["level"], "ok") << check().dump();

  ASSERT_EQ(latchkey({"revoke", "--origin", kVideo}).exit, 0);
  EXPECT_THAT(anchors("one"), Not(ContainsRegex(line(video))));
  EXPECT_THAT(anchors("two"), Not(ContainsRegex(line(video))));
  EXPECT_THAT(anchors(), ContainsRegex(line(photos)));

  const auto undone = latchkey({"setup", "--undo"});
  ASSERT_EQ(undone.exit, 0) << undone.out << undone.err;
  EXPECT_THAT(anchors("one"), Not(HasSubstr("Latchkey")));
  EXPECT_THAT(anchors("two"), Not(HasSubstr("Latchkey")));
  EXPECT_FALSE(fs::exists(manifest));
  ASSERT_EQ(agent_->stop(), 0);
  start_agent();
  (void)check();
  EXPECT_THAT(anchors(), Not(HasSubstr("Latchkey"))) << "it stays away";
}

TEST_F(FirefoxTest, WhatAnAgentThatDiedLeftIsPutRightAtTheNextStart) {
  ASSERT_EQ(latchkey({"setup"}).exit, 0);
  const auto video = granted(kVideo, code());
  ASSERT_THAT(anchors(), ContainsRegex(line(video)));
  // As if the grant ended and the agent died before Firefox heard of it: its record has another
  // anchor's name, and the one it should have is gone.
  const auto file = (home_.path() / "ca.pem").string();
  std::ofstream(file) << certutil(
      "one", {"-L", "-n", "Latchkey grant " + video["id"].get<std::string>(), "-a"});
  ::kill(agent_->pid(), SIGKILL);
  agent_->stop();
  certutil("one", {"-D", "-n", "Latchkey grant " + video["id"].get<std::string>()});
  certutil("one", {"-A", "-n", "Latchkey grant 0123456789abcdef0123456789abcdef", "-t", "C,,", "-i",
                   file});
  make_profile("later");
  start_agent();
  EXPECT_EQ(check()["level"], "ok") << check().dump();
  EXPECT_THAT(anchors(), ContainsRegex(line(video)));
  EXPECT_THAT(anchors(), Not(HasSubstr("0123456789abcdef0123456789abcdef")));
  EXPECT_THAT(anchors("later"), ContainsRegex(line(video)));
}

TEST_F(FirefoxTest, OneProfileInTroubleDoesNotHoldUpTheOthers) {
  make_profile("locked");
  std::ofstream(home_.path() / "none") << "\n";
  std::ofstream(home_.path() / "password") << "secret123\n";
  certutil("locked", {"-W", "-f", (home_.path() / "none").string(), "-@",
                      (home_.path() / "password").string()});
  ASSERT_EQ(latchkey({"setup"}).exit, 0);
  const auto video = granted(kVideo, code());
  EXPECT_THAT(anchors("one"), ContainsRegex(line(video)));
  EXPECT_THAT(anchors("locked"), Not(HasSubstr("Latchkey")));
  EXPECT_EQ(check()["level"], "warn");
  EXPECT_THAT(check()["title"].get<std::string>(), HasSubstr("primary password"));

  make_profile("broken");
  std::ofstream(root() / "broken/cert9.db") << "this is no database, however long it is";
  EXPECT_EQ(check()["level"], "fail");
  EXPECT_THAT(anchors("one"), ContainsRegex(line(video)));
}

}  // namespace
}  // namespace latchkey::programs
