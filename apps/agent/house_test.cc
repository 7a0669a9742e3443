// A house on one machine: device, agent and command line as they are, over loopback.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>

#include "programs.h"

namespace latchkey::programs {
namespace {

using nlohmann::json;

const std::string kVideo = "https://video.example";
const std::string kPhotos = "https://photos.example";
const std::string kFirst = "00112233445566778899aabbccddeeff";
const std::string kSecond = "ffeeddccbbaa99887766554433221100";

class HouseTest : public ::testing::Test {
 protected:
  HouseTest() {
    std::filesystem::create_directory(home_.path() / "www");
    std::ofstream(home_.path() / "www/hello.txt") << "hello";
    std::ofstream(home_.path() / "www/big.bin") << std::string(3000000, 'x');
    start_device("0");
    start_agent();
  }

  void start_device(const std::string& port) {
    device_.emplace(Arguments{program("latchkey-device"), "run", "--state", state(), "--name",
                              "Kitchen", "--type", "media-cache", "--listen", "127.0.0.1", "--port",
                              port, "--serve", (home_.path() / "www").string(), "--mdns", "off"},
                    home_.environment(), "listening on ");
    port_ = device_->line().substr(device_->line().rfind(':') + 1);
  }
  void start_agent() {
    agent_.emplace(Arguments{program("latchkey-agent"), "run", "--mdns", "off", "--allow-loopback",
                             "--static-device", "media-cache,Kitchen,127.0.0.1," + port_},
                   home_.environment(), "listening on ");
  }
  [[nodiscard]] std::string state() const { return (home_.path() / "device").string(); }

  Output latchkey(Arguments arguments, const std::string& input = {}) {
    arguments.insert(arguments.begin(), program("latchkey"));
    return run(arguments, home_.environment(), input);
  }
  std::string open_window() {
    const auto opened =
        run({program("latchkey-device"), "open-window", "--state", state(), "--json"},
            home_.environment());
    return opened.json().value("code", "");
  }
  Output grant(const std::string& origin, const std::string& code, const std::string& profile) {
    Arguments arguments{"grant", "--origin", origin, "--device", "Kitchen", "--json"};
    if (!code.empty()) {
      arguments.insert(arguments.end(), {"--code", code});
    }
    if (!profile.empty()) {
      arguments.insert(arguments.end(), {"--profile", profile});
    }
    return latchkey(arguments);
  }
  json granted(const std::string& origin, const std::string& code,
               const std::string& profile = {}) {
    const auto output = grant(origin, code, profile);
    EXPECT_EQ(output.exit, 0) << output.out << output.err;
    return output.json().is_object() ? output.json().value("grant", json()) : json();
  }
  Output fetch(const json& grant, const std::string& path, Arguments more = {}) {
    Arguments arguments{"fetch", grant.value("host", "") + path, "--resolve", "127.0.0.1:" + port_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return latchkey(arguments);
  }

  Home home_;
  std::string port_;
  std::optional<Background> device_;
  std::optional<Background> agent_;
};

TEST_F(HouseTest, FromCodeToContentAndBack) {
  EXPECT_EQ(grant(kVideo, "12345678", "").json()["error"]["code"], "window_closed");
  const auto code = open_window();
  const auto wrong = grant(kVideo, code == "00000000" ? "00000001" : "00000000", "");
  EXPECT_EQ(wrong.exit, 1);
  EXPECT_EQ(wrong.json()["error"]["code"], "wrong_code");
  const auto video = granted(kVideo, code);
  const auto hello = fetch(video, "/hello.txt");
  EXPECT_EQ(hello.exit, 0) << hello.err;
  EXPECT_EQ(hello.out, "hello");

  const auto file = (home_.path() / "got").string();
  EXPECT_EQ(fetch(video, "/big.bin", {"-o", file}).exit, 0);
  std::ifstream got(file, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(got), {}), std::string(3000000, 'x'));
  EXPECT_EQ(fetch(video, "/missing").exit, 1);
  EXPECT_EQ(fetch(video, "/hello.txt", {"--json"}).json()["body"], "hello");

  // Known by now: consent is enough.
  const auto photos = granted(kPhotos, "");
  EXPECT_NE(photos["host"], video["host"]);
  EXPECT_EQ(fetch(photos, "/hello.txt").out, "hello");
  EXPECT_EQ(fetch(video, "/hello.txt", {"--origin", kPhotos}).exit, 1);

  const auto revoked = latchkey({"revoke", "--origin", kVideo, "--json"});
  EXPECT_EQ(revoked.json()["revoked"][0]["delivered"], true) << revoked.out << revoked.err;
  EXPECT_EQ(fetch(video, "/hello.txt", {"--json"}).json()["error"]["code"], "not_granted");
  EXPECT_EQ(fetch(photos, "/hello.txt").out, "hello");
}

TEST_F(HouseTest, SurvivesRestarts) {
  const auto video = granted(kVideo, open_window());
  EXPECT_EQ(agent_->stop(), 0);
  start_agent();
  EXPECT_EQ(fetch(video, "/hello.txt").out, "hello");
  EXPECT_EQ(device_->stop(), 0);
  EXPECT_EQ(fetch(video, "/hello.txt").exit, 3);
  start_device(port_);
  const auto again = fetch(video, "/hello.txt");
  EXPECT_EQ(again.out, "hello") << again.err;
}

TEST_F(HouseTest, WhatIsEndedWhileTheDeviceIsAwayIsToldLater) {
  const auto video = granted(kVideo, open_window());
  ASSERT_EQ(device_->stop(), 0);
  const auto revoked = latchkey({"revoke", "--all", "--json"});
  EXPECT_EQ(revoked.exit, 0);
  EXPECT_EQ(revoked.json()["revoked"][0]["delivered"], false);
  start_device(port_);
  agent_->stop();
  start_agent();  // looks after what is due as it starts
  // The host is free again at the device once it was told.
  EXPECT_FALSE(granted(kVideo, "").empty());
}

TEST_F(HouseTest, ADeviceThatWasResetIsAnotherDevice) {
  const auto video = granted(kVideo, open_window());
  device_->stop();
  const auto reset = run({program("latchkey-device"), "factory-reset", "--yes", "--state", state()},
                         home_.environment());
  ASSERT_EQ(reset.exit, 0) << reset.err;
  start_device(port_);
  const auto refused = fetch(video, "/hello.txt");
  EXPECT_EQ(refused.exit, 1) << refused.out;
  EXPECT_TRUE(refused.out.empty());
  // A code is needed again, and then it works, under another host.
  EXPECT_EQ(grant(kVideo, "", "").exit, 1);
  const auto anew = granted(kVideo, open_window());
  EXPECT_NE(anew["host"], video["host"]);
  EXPECT_EQ(fetch(anew, "/hello.txt").out, "hello");
}

TEST_F(HouseTest, WithWhomPeopleSignInIsAgreedWithTheGrantOrLater) {
  const auto agree = [&](Arguments more) {
    Arguments arguments{"grant", "--origin", kVideo, "--device", "Kitchen", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return latchkey(arguments);
  };
  const auto at_device = [&] {
    return run({program("latchkey-device"), "status", "--json", "--state", state()},
               home_.environment())
        .json()["grants"][0]["sso"];
  };
  EXPECT_EQ(agree({"--issuer", "http://accounts.example"}).exit, 2);
  EXPECT_EQ(agree({"--client-id", "video"}).exit, 2);
  const auto first = agree(
      {"--code", open_window(), "--issuer", "https://accounts.example", "--client-id", "video"});
  ASSERT_EQ(first.exit, 0) << first.out << first.err;
  EXPECT_EQ(at_device(), json({{"issuer", "https://accounts.example"}, {"client", "video"}}));
  // Asked without one the person is told of none, and nothing is taken back.
  ASSERT_EQ(agree({}).exit, 0);
  EXPECT_EQ(at_device()["client"], "video");
  const auto other = agree({"--issuer", "https://login.example/"});
  ASSERT_EQ(other.exit, 0) << other.out << other.err;
  EXPECT_EQ(other.json()["grant"]["id"], first.json()["grant"]["id"]);
  EXPECT_EQ(at_device(), json({{"issuer", "https://login.example/"}, {"client", ""}}));
  EXPECT_EQ(device_->stop(), 0);
  start_device(port_);
  EXPECT_EQ(at_device()["issuer"], "https://login.example/");
}

TEST_F(HouseTest, ProfilesDoNotSeeEachOther) {
  const auto mine = granted(kVideo, open_window(), kFirst);
  const auto other = granted(kVideo, "", kSecond);
  EXPECT_NE(mine["host"], other["host"]);
  Conversation first(home_.socket());
  first.hello(kFirst);
  Conversation second(home_.socket());
  second.hello(kSecond);
  const auto list = first.ask("grants.list", {{"all", true}})["result"]["grants"];
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0]["id"], mine["id"]);

  // Another's grant and one that never was are answered alike, by every method.
  const std::string nobody = "0123456789abcdef0123456789abcdef";
  for (const std::string method : {"grants.get", "grants.revoke", "certificate.renew"}) {
    const auto theirs = first.ask(method, {{"id", other["id"]}});
    const auto nobodys = first.ask(method, {{"id", nobody}});
    EXPECT_EQ(theirs["error"], nobodys["error"]) << method;
    EXPECT_EQ(theirs["error"]["code"], "not_granted") << method;
  }
  const auto theirs = first.ask("ticket.mint", {{"id", other["id"]}, {"origin", kVideo}});
  const auto nobodys = first.ask("ticket.mint", {{"id", nobody}, {"origin", kVideo}});
  EXPECT_EQ(theirs["error"], nobodys["error"]);
  EXPECT_EQ(first.ask("ticket.mint", {{"id", mine["id"]}, {"origin", kPhotos}})["error"],
            nobodys["error"]);
  EXPECT_TRUE(first.ask("ticket.mint", {{"id", mine["id"]}, {"origin", kVideo}})["result"].contains(
      "ticket"));

  // Only those who may see it hear that it ended.
  EXPECT_TRUE(second.ask("grants.revoke", {{"id", other["id"]}}).contains("result"));
  EXPECT_EQ(first.ask("grants.list", json::object())["result"]["grants"].size(), 1U);
  EXPECT_EQ(fetch(mine, "/hello.txt").out, "hello");
}

TEST_F(HouseTest, ACertificateIsRenewedOnRequest) {
  const auto video = granted(kVideo, open_window());
  Conversation client(home_.socket());
  client.hello();
  const auto renewed = client.ask("certificate.renew", {{"id", video["id"]}});
  ASSERT_TRUE(renewed.contains("result")) << renewed.dump();
  EXPECT_GE(renewed["result"]["not_after"].get<std::int64_t>(),
            video["not_after"].get<std::int64_t>());
  const auto again = client.ask("certificate.renew", {{"id", video["id"]}});
  EXPECT_TRUE(again.contains("result")) << again.dump();
  EXPECT_EQ(fetch(video, "/hello.txt").out, "hello");
}

TEST_F(HouseTest, GrantsNameTheKeysTheDeviceMayShow) {
  const auto video = granted(kVideo, open_window());
  Conversation client(home_.socket());
  client.hello();
  const auto before = client.ask("grants.get", {{"id", video["id"]}})["result"]["grant"];
  EXPECT_EQ(before["ca"].get<std::string>().size(), 43U);
  ASSERT_EQ(before["keys"].size(), 1U);
  EXPECT_EQ(before["keys"], video["keys"]) << "as pair.done said";
  ASSERT_TRUE(client.ask("certificate.renew", {{"id", video["id"]}}).contains("result"));
  const auto after = client.ask("grants.list", json::object())["result"]["grants"][0];
  EXPECT_EQ(after["ca"], before["ca"]);
  ASSERT_EQ(after["keys"].size(), 1U) << "it was confirmed: the key before is of no use any more";
  EXPECT_NE(after["keys"], before["keys"]);
}

TEST_F(HouseTest, ACancelledPairingLeavesNothing) {
  open_window();
  Conversation client(home_.socket());
  client.hello();
  client.ask("discover.start", json::object());
  const auto found = client.event("discover.found");
  ASSERT_TRUE(found);
  const json begin{{"origin", kVideo}, {"type", "media-cache"}, {"key", (*found)["device"]["key"]}};
  const auto begun = client.ask("pair.begin", begin)["result"];
  ASSERT_EQ(begun["state"], "code");
  EXPECT_EQ(begun["code"]["kind"], "digits8");
  EXPECT_EQ(begun["code"]["left"], 5);
  client.ask("pair.cancel", {{"session", begun["session"]}});
  EXPECT_EQ(
      client.ask("pair.code", {{"session", begun["session"]}, {"code", "1"}})["error"]["code"],
      "cancelled");
  EXPECT_TRUE(client.ask("grants.list", {{"all", true}})["result"]["grants"].empty());
}

TEST_F(HouseTest, FiveWrongCodesEndTheWindow) {
  const auto code = open_window();
  const std::string wrong = code == "00000000" ? "00000001" : "00000000";
  Conversation client(home_.socket());
  client.hello();
  client.ask("discover.start", json::object());
  const auto found = client.event("discover.found");
  const auto begun = client.ask(
      "pair.begin",
      {{"origin", kVideo}, {"type", "media-cache"}, {"key", (*found)["device"]["key"]}})["result"];
  for (int left = 4; left >= 0; --left) {
    client.ask("pair.code", {{"session", begun["session"]}, {"code", wrong}});
    const auto failed = client.event("pair.failed");
    ASSERT_TRUE(failed);
    EXPECT_EQ((*failed)["code"], "wrong_code");
    EXPECT_EQ((*failed)["left"], left);
    EXPECT_EQ((*failed)["again"], left > 0);
  }
  EXPECT_EQ(grant(kVideo, code, "").json()["error"]["code"], "window_closed");
}

// --- looking closer, pausing, forgetting (the control page and the commands like it) ---

TEST_F(HouseTest, WhatIsPausedRestsEverywhereUntilItIsResumed) {
  const auto video = granted(kVideo, open_window());
  const std::string id = video.value("id", "");
  const auto states_at_device = [&] {
    return run({program("latchkey-device"), "status", "--json", "--state", state()},
               home_.environment())
        .json()["grants"][0]["state"];
  };
  const auto paused = latchkey({"pause", id.substr(0, 8), "--json"});
  ASSERT_EQ(paused.exit, 0) << paused.out << paused.err;
  EXPECT_EQ(paused.json()["delivered"], true);
  EXPECT_EQ(paused.json()["grant"]["hold"], "paused");
  EXPECT_EQ(states_at_device(), "suspended");
  EXPECT_EQ(fetch(video, "/hello.txt", {"--json"}).json()["error"]["code"], "not_granted");
  EXPECT_NE(latchkey({"grants"}).out.find("paused by you"), std::string::npos);
  EXPECT_EQ(latchkey({"renew", id.substr(0, 8)}).exit, 1);

  agent_->stop();
  start_agent();
  EXPECT_EQ(fetch(video, "/hello.txt", {"--json"}).json()["error"]["code"], "not_granted")
      << "over a restart";
  const auto resumed = latchkey({"resume", id.substr(0, 8), "--json"});
  EXPECT_EQ(resumed.json()["delivered"], true) << resumed.out << resumed.err;
  EXPECT_EQ(states_at_device(), "active");
  EXPECT_EQ(fetch(video, "/hello.txt").out, "hello");

  // Allowing it anew is resuming it: the same grant, the same host.
  ASSERT_EQ(latchkey({"pause", id.substr(0, 8)}).exit, 0);
  const auto again = granted(kVideo, "");
  EXPECT_EQ(again["id"], video["id"]);
  EXPECT_EQ(fetch(video, "/hello.txt").out, "hello");
}

TEST_F(HouseTest, DetailsShowTheNewKeyAfterARenewal) {
  const auto video = granted(kVideo, open_window());
  const std::string id = video.value("id", "");
  const auto details = [&] { return latchkey({"show", id.substr(0, 8), "--json"}).json(); };
  const auto before = details();
  EXPECT_EQ(before["certificate"]["subject"], video["host"]);
  EXPECT_EQ(before["grant"]["last_used"], 0);
  ASSERT_EQ(latchkey({"renew", id.substr(0, 8)}).exit, 0);
  const auto after = details();
  EXPECT_NE(after["certificate"]["key"], before["certificate"]["key"]);
  EXPECT_EQ(after["certificate"]["issuer_sha256"], before["certificate"]["issuer_sha256"]);
  EXPECT_EQ(fetch(video, "/hello.txt").out, "hello");
  // When it was last used is kept, also over a restart.
  const auto used = details()["grant"]["last_used"];
  EXPECT_GT(used, 0);
  agent_->stop();
  start_agent();
  EXPECT_EQ(details()["grant"]["last_used"], used);

  const auto shown = latchkey({"show", id.substr(0, 8)});
  EXPECT_EQ(shown.exit, 0);
  std::istringstream lines(shown.out);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 80U) << line;
  }
  EXPECT_EQ(latchkey({"show", "abcdef00"}).exit, 1);
}

TEST_F(HouseTest, AForgottenDeviceForgetsInTurnAndNeedsItsCodeAgain) {
  const auto video = granted(kVideo, open_window());
  const auto photos = granted(kPhotos, "");
  EXPECT_EQ(latchkey({"devices", "--mine", "--json"}).json()["devices"][0]["grants"], 2);
  ASSERT_EQ(device_->stop(), 0);
  const auto forgotten = latchkey({"forget", "Kitchen", "--json"});
  ASSERT_EQ(forgotten.exit, 0) << forgotten.out << forgotten.err;
  EXPECT_EQ(forgotten.json()["ended"], 2);
  EXPECT_EQ(forgotten.json()["delivered"], false);
  EXPECT_TRUE(latchkey({"grants", "--json"}).json()["grants"].empty());
  EXPECT_TRUE(latchkey({"devices", "--mine", "--json"}).json()["devices"].empty());
  EXPECT_EQ(latchkey({"forget", "Kitchen"}).exit, 1);

  start_device(port_);
  agent_->stop();
  start_agent();  // tells what it owes as it starts
  const auto left_at_device = [&] {
    return run({program("latchkey-device"), "status", "--json", "--state", state()},
               home_.environment())
        .json()["grants"]
        .size();
  };
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (left_at_device() != 0 && std::chrono::steady_clock::now() < until) {
  }
  EXPECT_EQ(left_at_device(), 0U) << "the device was told";
  EXPECT_EQ(grant(kVideo, "", "").exit, 1) << "without a code";
  const auto anew = granted(kVideo, open_window());
  EXPECT_EQ(fetch(anew, "/hello.txt").out, "hello");
}

TEST_F(HouseTest, Threat16ProfilesPauseAndForgetOnlyTheirOwn) {
  const auto mine = granted(kVideo, open_window(), kFirst);
  const auto other = granted(kVideo, "", kSecond);
  Conversation first(home_.socket());
  first.hello(kFirst);
  Conversation third(home_.socket());
  third.hello(std::string(32, '3'));
  const std::string nobody = "0123456789abcdef0123456789abcdef";
  for (const std::string method : {"grants.pause", "grants.resume", "grants.details"}) {
    const auto theirs = first.ask(method, {{"id", other["id"]}});
    EXPECT_EQ(theirs["error"], first.ask(method, {{"id", nobody}})["error"]) << method;
    EXPECT_EQ(theirs["error"]["code"], "not_granted") << method;
  }
  const auto device = mine["device"]["id"];
  EXPECT_EQ(third.ask("devices.forget", {{"id", device}})["error"],
            third.ask("devices.forget", {{"id", nobody + nobody}})["error"]);
  EXPECT_TRUE(third.ask("devices.list", json::object())["result"]["devices"].empty());
  EXPECT_EQ(first.ask("devices.list", json::object())["result"]["devices"][0]["grants"], 1);
  EXPECT_EQ(first.ask("devices.forget", {{"id", device}})["result"]["ended"], 1);
  EXPECT_EQ(fetch(other, "/hello.txt").out, "hello") << "the other profile goes on";
  EXPECT_TRUE(first.ask("devices.list", json::object())["result"]["devices"].empty());
}

}  // namespace
}  // namespace latchkey::programs
