// From one computer to another: two homes, one device, the programs as they are run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "programs.h"
#include "test_keyring.h"

namespace latchkey::programs {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const std::string kVideo = "https://video.example";
const std::string kOldProfile = "00112233445566778899aabbccddeeff";
const std::string kNewProfile = "ffeeddccbbaa99887766554433221100";
const std::string kPassphrase = "four words are enough\n";

class MovingTest : public ::testing::Test {
 protected:
  MovingTest() {
    std::filesystem::create_directory(old_.path() / "www");
    std::ofstream(old_.path() / "www/hello.txt") << "hello";
    device_.emplace(Arguments{program("latchkey-device"), "run", "--state", state(), "--name",
                              "Kitchen", "--type", "media-cache", "--listen", "127.0.0.1", "--port",
                              "0", "--serve", (old_.path() / "www").string(), "--mdns", "off"},
                    old_.environment(), "listening on ");
    port_ = device_->line().substr(device_->line().rfind(':') + 1);
    start(old_, old_agent_);
    start(next_, next_agent_);
  }
  void start(const Home& home, std::optional<Background>& agent) {
    start(home.environment(), agent, {});
  }
  void start(const Environment& environment, std::optional<Background>& agent,
             const Arguments& more) {
    agent.reset();
    Arguments arguments{program("latchkey-agent"),
                        "run",
                        "--mdns",
                        "off",
                        "--allow-loopback",
                        "--static-device",
                        "media-cache,Kitchen,127.0.0.1," + port_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    agent.emplace(arguments, environment, "listening on ");
  }
  [[nodiscard]] std::string state() const { return (old_.path() / "device").string(); }
  [[nodiscard]] std::string file() const { return (old_.path() / "moving.latchkey").string(); }

  static Output latchkey(const Home& home, Arguments arguments, const std::string& input = {}) {
    arguments.insert(arguments.begin(), program("latchkey"));
    return run(arguments, home.environment(), input);
  }
  std::string code() {
    return run({program("latchkey-device"), "open-window", "--state", state(), "--json"},
               old_.environment())
        .json()
        .value("code", "");
  }
  json granted(const Home& home, const std::string& profile) {
    const auto output = latchkey(home, {"grant", "--origin", kVideo, "--device", "Kitchen",
                                        "--json", "--code", code(), "--profile", profile});
    EXPECT_EQ(output.exit, 0) << output.out << output.err;
    return output.json().is_object() ? output.json().value("grant", json()) : json();
  }
  Output fetch(const Home& home, const json& grant) {
    return latchkey(
        home, {"fetch", grant.value("host", "") + "/hello.txt", "--resolve", "127.0.0.1:" + port_});
  }
  Output save(const Home& home) {
    return latchkey(home, {"export", file(), "--passphrase-fd", "0", "--json"}, kPassphrase);
  }
  Output load(const Home& home, const std::string& passphrase, const Arguments& more = {}) {
    Arguments arguments{"import", file(), "--passphrase-fd", "0", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return latchkey(home, arguments, passphrase);
  }

  Home old_;
  Home next_;
  std::string port_;
  std::optional<Background> device_;
  std::optional<Background> old_agent_;
  std::optional<Background> next_agent_;
};

TEST_F(MovingTest, GrantsGoOnOnTheOtherComputerWithoutPairing) {
  const auto video = granted(old_, kOldProfile);
  ASSERT_EQ(latchkey(old_, {"pause", video.value("id", "")}).exit, 0);
  const auto saved = save(old_);
  ASSERT_EQ(saved.exit, 0) << saved.out << saved.err;
  EXPECT_EQ(saved.json().value("devices", 0), 1);
  EXPECT_EQ(saved.json().value("grants", 0), 1);
  const auto mode = std::filesystem::status(file()).permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  ASSERT_EQ(old_agent_->stop(), 0);

  const auto loaded = load(next_, kPassphrase);
  ASSERT_EQ(loaded.exit, 0) << loaded.out << loaded.err;
  EXPECT_EQ(loaded.json().value("grants", 0), 1);
  // It ends by itself, because what it had in memory is no longer true.
  EXPECT_EQ(next_agent_->wait(), 0);
  start(next_, next_agent_);

  // It was paused there, so it is here.
  EXPECT_NE(fetch(next_, video).exit, 0);
  ASSERT_EQ(latchkey(next_, {"resume", video.value("id", "")}).exit, 0);
  EXPECT_EQ(fetch(next_, video).out, "hello");
  Conversation talk(next_.socket());
  talk.hello();
  const auto renewed = talk.ask("certificate.renew", {{"id", video["id"]}});
  EXPECT_TRUE(renewed.contains("result")) << renewed.dump();
  EXPECT_EQ(fetch(next_, video).out, "hello");
}

TEST_F(MovingTest, TheNewBrowserTakesOverWhatTheOldOneHad) {
  const auto video = granted(old_, kOldProfile);
  ASSERT_EQ(save(old_).exit, 0);
  ASSERT_EQ(load(next_, kPassphrase).exit, 0);
  start(next_, next_agent_);
  const auto seen_by_new = [&] {
    Conversation talk(next_.socket());
    talk.hello(kNewProfile);
    return talk.ask("grants.list", json::object())["result"]["grants"].size();
  };
  Conversation before(next_.socket());
  before.hello(kOldProfile);
  EXPECT_EQ(seen_by_new(), 0U);
  EXPECT_EQ(latchkey(next_, {"adopt", kOldProfile, kNewProfile}).exit, 2);  // nobody to ask
  const auto adopted = latchkey(next_, {"adopt", kOldProfile, kNewProfile, "--yes", "--json"});
  EXPECT_EQ(adopted.json().value("adopted", 0), 1) << adopted.out << adopted.err;
  EXPECT_EQ(seen_by_new(), 1U);
  // Should the old one be open here too, it is told to look again, and has nothing.
  EXPECT_TRUE(before.event("trust.changed"));
  EXPECT_EQ(before.ask("grants.list", json::object())["result"]["grants"].size(), 0U);
  EXPECT_EQ(fetch(next_, video).out, "hello");
  const auto profiles = latchkey(next_, {"profiles", "--json"}).json()["profiles"];
  ASSERT_EQ(profiles.size(), 1U);
  EXPECT_EQ(profiles[0]["profile"], kNewProfile);

  // The old one may ask again: what it would have been called is taken, so it gets another name.
  const auto again = granted(next_, kOldProfile);
  EXPECT_NE(again["url"], video["url"]);
  EXPECT_EQ(fetch(next_, again).out, "hello");
  EXPECT_EQ(fetch(next_, video).out, "hello");
}

TEST_F(MovingTest, WhatCannotBeReadChangesNothing) {
  granted(old_, kOldProfile);
  ASSERT_EQ(save(old_).exit, 0);
  EXPECT_EQ(save(old_).exit, 2);  // what is there is not written over
  const auto wrong = load(next_, "four words are enougj\n");
  EXPECT_EQ(wrong.exit, 1);
  EXPECT_EQ(wrong.json()["error"]["code"], "wrong_code");
  {
    std::fstream damage(file(), std::ios::in | std::ios::out | std::ios::binary);
    damage.seekp(-1, std::ios::end);
    damage.put('\0');
  }
  const auto damaged = load(next_, kPassphrase);
  EXPECT_EQ(damaged.exit, 1);
  EXPECT_EQ(damaged.json()["error"]["code"], "malformed");
  EXPECT_EQ(latchkey(next_, {"grants", "--json"}).json()["grants"].size(), 0U);
  EXPECT_EQ(load(next_, "short\n").exit, 1);
  EXPECT_EQ(latchkey(next_, {"export", file() + "2", "--passphrase-fd", "0"}, "short\n").exit, 2);
  EXPECT_FALSE(std::filesystem::exists(file() + "2"));
}

TEST_F(MovingTest, WhatIsThereIsNotWrittenOverUnlessSaidAndThenKept) {
  const auto video = granted(old_, kOldProfile);
  ASSERT_EQ(save(old_).exit, 0);
  const auto own = granted(next_, kNewProfile);
  const auto refused = load(next_, kPassphrase);
  EXPECT_EQ(refused.exit, 1);
  EXPECT_EQ(refused.json()["error"]["code"], "name_conflict");
  EXPECT_EQ(fetch(next_, own).out, "hello");
  const auto replaced = load(next_, kPassphrase, {"--replace"});
  ASSERT_EQ(replaced.exit, 0) << replaced.out << replaced.err;
  start(next_, next_agent_);
  EXPECT_EQ(fetch(next_, video).out, "hello");
  EXPECT_NE(fetch(next_, own).exit, 0);
  // And back.
  const std::string kept = replaced.json().value("kept", "");
  ASSERT_TRUE(std::filesystem::exists(kept)) << replaced.out;
  const auto back =
      latchkey(next_, {"import", kept, "--replace", "--passphrase-fd", "0", "--json"}, kPassphrase);
  ASSERT_EQ(back.exit, 0) << back.out << back.err;
  start(next_, next_agent_);
  EXPECT_EQ(fetch(next_, own).out, "hello");
}

// What browsers of the new computer trusted, of a root and permissions that are not there any more,
// goes; what comes with the backup is trusted as far as set-up was said here.
TEST_F(MovingTest, TheBrowsersOfTheNewComputerFollow) {
  const auto profile = next_.path() / ".mozilla/firefox/one";
  std::filesystem::create_directories(profile);
  const auto certutil = [&](const std::filesystem::path& folder, const std::string& what) {
    return run({"/usr/bin/certutil", "-d", "sql:" + folder.string(), what}, next_.environment())
        .out;
  };
  run({"/usr/bin/certutil", "-d", "sql:" + profile.string(), "-N", "--empty-password"},
      next_.environment());
  std::ofstream(profile.parent_path() / "profiles.ini") << "[Profile0]\nIsRelative=1\nPath=one\n";
  const auto chromium = next_.path() / ".pki/nssdb";
  const auto video = granted(old_, kOldProfile);
  ASSERT_EQ(save(old_).exit, 0);
  ASSERT_EQ(latchkey(next_, {"setup"}).exit, 0);
  const auto own = granted(next_, kNewProfile);
  const auto settled = [&] {
    const auto checks = latchkey(next_, {"doctor", "--json"}).json();
    return checks.is_object();
  };
  const auto anchor = [](const json& grant) { return "Latchkey grant " + grant.value("id", "?"); };
  ASSERT_TRUE(settled());
  ASSERT_THAT(certutil(profile, "-L"), HasSubstr(anchor(own)));
  const auto root_of = [&] {
    return run({"/usr/bin/certutil", "-d", "sql:" + chromium.string(), "-L", "-a", "-n",
                "Latchkey (this user's devices)"},
               next_.environment())
        .out;
  };
  const std::string root = root_of();
  ASSERT_THAT(root, HasSubstr("BEGIN CERTIFICATE"));

  ASSERT_EQ(load(next_, kPassphrase, {"--replace"}).exit, 0);
  start(next_, next_agent_);
  ASSERT_TRUE(settled());
  EXPECT_THAT(certutil(profile, "-L"), HasSubstr(anchor(video)));
  EXPECT_THAT(certutil(profile, "-L"), Not(HasSubstr(anchor(own))));
  // Chromium's root is a person's to put in, and what was there goes with it.
  const auto trust = [&] {
    const json answer = latchkey(next_, {"doctor", "--json"}).json();
    for (const json& one : answer.at("checks")) {
      if (one["id"] == "trust") {
        return one["level"].get<std::string>();
      }
    }
    return std::string();
  };
  EXPECT_NE(trust(), "ok");
  ASSERT_EQ(latchkey(next_, {"setup"}).exit, 0);
  EXPECT_EQ(trust(), "ok");
  EXPECT_THAT(root_of(), HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_NE(root_of(), root);
  ASSERT_EQ(latchkey(next_, {"setup", "--undo"}).exit, 0);
  EXPECT_THAT(certutil(profile, "-L"), Not(HasSubstr("Latchkey")));
  EXPECT_THAT(certutil(chromium, "-L"), Not(HasSubstr("Latchkey")));
}

// What comes in is sealed as the store here is, not as it was where it comes from.
TEST_F(MovingTest, AStoreWithAPassphraseStaysLockedByIt) {
  const auto video = granted(old_, kOldProfile);
  ASSERT_EQ(save(old_).exit, 0);
  const Home sealed;
  const std::string own = "correct horse\n";
  const auto unlock = [&] {
    return latchkey(sealed, {"keys", "unlock", "--passphrase-fd", "0"}, own);
  };
  std::optional<Background> agent;
  start(sealed.environment(), agent, {"--keys", "passphrase"});
  // There is nothing to put it into yet.
  const auto refused = load(sealed, kPassphrase);
  EXPECT_EQ(refused.exit, 1);
  EXPECT_EQ(refused.json()["error"]["code"], "locked") << refused.out;
  ASSERT_EQ(unlock().exit, 0);
  for (const Arguments& more : {Arguments{}, Arguments{"--replace"}}) {
    const auto loaded = load(sealed, kPassphrase, more);
    ASSERT_EQ(loaded.exit, 0) << loaded.out << loaded.err;
    EXPECT_EQ(agent->wait(), 0);
    start(sealed.environment(), agent, {});
    EXPECT_EQ(latchkey(sealed, {"keys", "status", "--json"}).json()["state"], "passphrase_needed");
    EXPECT_NE(fetch(sealed, video).exit, 0);
    ASSERT_EQ(unlock().exit, 0);
    EXPECT_EQ(fetch(sealed, video).out, "hello");
    EXPECT_EQ(latchkey(sealed, {"keys", "status", "--json"}).json()["sealed"], "passphrase");
  }
}

TEST_F(MovingTest, AStoreThatTheKeyringSealsStaysSealedByIt) {
  const auto video = granted(old_, kOldProfile);
  ASSERT_EQ(save(old_).exit, 0);
  const Home sealed;
  Keyring keyring(sealed);
  const auto latchkey = [&](Arguments arguments, const std::string& input = {}) {
    arguments.insert(arguments.begin(), program("latchkey"));
    return run(arguments, keyring.environment(), input);
  };
  const auto state = [&] { return latchkey({"keys", "status", "--json"}).json(); };
  std::optional<Background> agent;
  start(keyring.environment(), agent, {});
  ASSERT_EQ(state()["sealed"], "keyring");
  const auto loaded = latchkey({"import", file(), "--passphrase-fd", "0", "--json"}, kPassphrase);
  ASSERT_EQ(loaded.exit, 0) << loaded.out << loaded.err;
  EXPECT_EQ(agent->wait(), 0);
  keyring.lock();
  start(keyring.environment(), agent, {});
  EXPECT_EQ(state()["state"], "keyring_locked");
  keyring.stop();
  keyring.start();
  ASSERT_EQ(latchkey({"keys", "unlock"}).exit, 0);
  EXPECT_EQ(state()["sealed"], "keyring");
  EXPECT_EQ(
      latchkey({"fetch", video.value("host", "") + "/hello.txt", "--resolve", "127.0.0.1:" + port_})
          .out,
      "hello");
}

TEST_F(MovingTest, OnlyTheCommandLineMayAsk) {
  Conversation talk(next_.socket());
  const auto hello = talk.ask("hello", {{"client", "extension"},
                                        {"version", "1"},
                                        {"profile", kNewProfile},
                                        {"extension", LATCHKEY_EXTENSION_ID}});
  ASSERT_TRUE(hello.contains("result")) << hello.dump();
  for (const char* method : {"backup.export", "backup.import"}) {
    const auto answer =
        talk.ask(method, {{"file", file()}, {"passphrase", "four words are enough"}});
    EXPECT_EQ(answer["error"]["code"], "malformed") << answer.dump();
  }
  EXPECT_EQ(talk.ask("profiles.list", json::object())["error"]["code"], "malformed");
  EXPECT_EQ(
      talk.ask("profiles.adopt", {{"from", kOldProfile}, {"to", kNewProfile}})["error"]["code"],
      "malformed");
  EXPECT_FALSE(std::filesystem::exists(file()));
}

}  // namespace
}  // namespace latchkey::programs
