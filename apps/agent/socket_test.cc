// The agent's socket and the native host, from outside.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "programs.h"

namespace latchkey::programs {
namespace {

using nlohmann::json;

const std::string kExtension = "chrome-extension://" LATCHKEY_EXTENSION_ID "/";
const std::string kProfile = "00112233445566778899aabbccddeeff";

class SocketTest : public ::testing::Test {
 protected:
  Arguments agent_command() {
    return {program("latchkey-agent"),
            "run",
            "--mdns",
            "off",
            "--allow-loopback",
            "--static-device",
            "media-cache,Cache,127.0.0.1,1"};
  }
  Home home_;
  Background agent_{agent_command(), home_.environment(), "listening on "};
};

std::string framed(const std::string& text) {
  const auto length = static_cast<std::uint32_t>(text.size());
  std::string head(sizeof length, '\0');
  std::memcpy(head.data(), &length, sizeof length);
  return head + text;
}

TEST_F(SocketTest, SaysWhereItListensInAPrivateFolder) {
  EXPECT_EQ(agent_.line(), "listening on " + home_.socket().string());
  struct stat seen{};
  ASSERT_EQ(::stat(home_.socket().parent_path().c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777U, 0700U);
  ASSERT_EQ(::stat((home_.path() / ".local/state/latchkey/agent.db").c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777U, 0600U);
}

TEST_F(SocketTest, EndsInOrderAndTakesTheSocketAway) {
  Conversation open(home_.socket());
  open.hello();
  EXPECT_EQ(agent_.stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(home_.socket()));
}

TEST_F(SocketTest, OnlyOneAgentListens) {
  const auto second = run(agent_command(), home_.environment());
  EXPECT_EQ(second.exit, 1);
  EXPECT_NE(second.err.find("another agent"), std::string::npos) << second.err;
  EXPECT_EQ(Conversation(home_.socket()).hello()["result"]["protocol"], 1);
}

TEST_F(SocketTest, OnlyOneAgentHasTheState) {
  auto command = agent_command();
  command.insert(command.end(), {"--socket", (home_.path() / "run/other/agent.sock").string()});
  const auto second = run(command, home_.environment());
  EXPECT_EQ(second.exit, 1) << second.err;
}

TEST_F(SocketTest, AFolderThatOthersMayEnterIsRefused) {
  const auto folder = home_.path() / "run/open";
  std::filesystem::create_directory(folder);
  ::chmod(folder.c_str(), 0755);
  auto command = agent_command();
  command.insert(command.end(), {"--socket", (folder / "agent.sock").string(), "--state",
                                 (home_.path() / "other").string()});
  const auto refused = run(command, home_.environment());
  EXPECT_EQ(refused.exit, 1);
  EXPECT_NE(refused.err.find("0700"), std::string::npos) << refused.err;
}

TEST_F(SocketTest, HelloComesFirst) {
  Conversation early(home_.socket());
  const auto answer = early.ask("grants.list", json::object());
  EXPECT_EQ(answer["error"]["code"], "malformed");
  EXPECT_FALSE(early.receive()) << "the connection ends";
}

TEST_F(SocketTest, ALengthOverTheLimitEndsIt) {
  Conversation big(home_.socket());
  big.hello();
  const std::uint32_t length = 1048577;
  std::string head(sizeof length, '\0');
  std::memcpy(head.data(), &length, sizeof length);
  big.send_raw(head);
  EXPECT_FALSE(big.receive());
  EXPECT_EQ(Conversation(home_.socket()).hello()["id"], 1);
}

TEST_F(SocketTest, BrokenMessagesEndIt) {
  for (const std::string text : {"", "x", "[]", "{\"id\":\"1\",\"method\":\"doctor\"}"}) {
    Conversation broken(home_.socket());
    broken.hello();
    broken.send_text(text);
    EXPECT_FALSE(broken.receive()) << text;
  }
  Conversation deep(home_.socket());
  deep.hello();
  deep.send_text(std::string(1000000, '['));
  EXPECT_FALSE(deep.receive());
}

TEST_F(SocketTest, WrongParametersAreAnswered) {
  Conversation wrong(home_.socket());
  wrong.hello();
  EXPECT_EQ(wrong.ask("grants.get", {{"id", "x"}})["error"]["code"], "malformed");
  EXPECT_EQ(wrong.ask("no.such", json::object())["error"]["code"], "unsupported");
  EXPECT_TRUE(wrong.ask("grants.list", json::object())["result"]["grants"].empty());
}

TEST_F(SocketTest, ManyConnectionsAreBounded) {
  std::vector<std::unique_ptr<Conversation>> open;
  int answered = 0;
  for (int i = 0; i < 70; ++i) {
    open.push_back(std::make_unique<Conversation>(home_.socket()));
  }
  for (auto& one : open) {
    answered += one->hello().is_object() ? 1 : 0;
  }
  EXPECT_EQ(answered, 64);
  open.clear();
  EXPECT_TRUE(Conversation(home_.socket()).hello().is_object());
}

TEST_F(SocketTest, AnotherUserIsTurnedAway) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root, to become somebody else";
  }
  // Even where the folder lets him in.
  ::chmod(home_.path().c_str(), 0755);
  ::chmod((home_.path() / "run").c_str(), 0755);
  ::chmod(home_.socket().parent_path().c_str(), 0755);
  ::chmod(home_.socket().c_str(), 0666);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(65534, 65534, 65534) != 0) {
      ::_exit(3);
    }
    try {
      Conversation foreign(home_.socket());
      ::_exit(foreign.hello().is_object() ? 1 : 0);
    } catch (const std::exception&) {
      ::_exit(2);
    }
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(SocketTest, DevicesOfTheListAreFound) {
  Conversation looking(home_.socket());
  looking.hello();
  looking.ask("discover.start", {{"type", "media-cache"}});
  const auto found = looking.event("discover.found");
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)["device"]["name"], "Cache");
  EXPECT_EQ((*found)["device"]["known"], false);
  // Nobody listens there.
  const auto begun = looking.ask("pair.begin", {{"origin", "https://video.example"},
                                                {"type", "media-cache"},
                                                {"key", (*found)["device"]["key"]}});
  EXPECT_EQ(begun["error"]["code"], "unreachable");
  EXPECT_EQ(looking.ask("pair.code", {{"session", "p9"}, {"code", "1"}})["error"]["code"],
            "cancelled");
}

// --- the native host ---

Output native_host(const Home& home, const Arguments& arguments, const std::string& input) {
  Arguments command{program("latchkey-native-host")};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run(command, home.environment(), input);
}

const std::string kHello =
    framed(R"({"id":1,"method":"hello","params":{"client":"extension","version":"1","profile":")" +
           kProfile + R"("}})");

TEST_F(SocketTest, TheNativeHostServesOneExtension) {
  for (const Arguments& arguments :
       {Arguments{}, Arguments{"chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/"},
        Arguments{LATCHKEY_EXTENSION_ID}, Arguments{kExtension + "x"}}) {
    const auto refused = native_host(home_, arguments, kHello);
    EXPECT_EQ(refused.exit, 1);
    EXPECT_TRUE(refused.out.empty());
  }
}

TEST_F(SocketTest, TheNativeHostRelays) {
  const auto spoken =
      native_host(home_, {kExtension}, kHello + framed("{\"id\":2,\"method\":\"x\"}"));
  // Standard input has ended: what was answered until then is there.
  EXPECT_EQ(spoken.exit, 0) << spoken.err;
}

TEST_F(SocketTest, TheNativeHostSendsNothingOfAnythingElse) {
  for (const std::string& input : {std::string(), std::string("\xff\xff\xff\x7f", 4), framed("[]"),
                                   framed(R"({"id":1,"method":"grants.list","params":{}})")}) {
    const auto refused = native_host(home_, {kExtension}, input);
    EXPECT_EQ(refused.exit, 1);
    EXPECT_TRUE(refused.out.empty());
  }
}

TEST_F(SocketTest, TheNativeHostServesTheAddOnOfFirefox) {
  const std::string manifest = "/home/a/.mozilla/native-messaging-hosts/org.latchkey.agent.json";
  for (const Arguments& arguments :
       {Arguments{manifest}, Arguments{manifest, "other@latchkey.org"},
        Arguments{manifest, LATCHKEY_EXTENSION_ID}, Arguments{LATCHKEY_FIREFOX_EXTENSION_ID}}) {
    EXPECT_EQ(native_host(home_, arguments, kHello).exit, 1);
  }
  const auto spoken = native_host(home_, {manifest, LATCHKEY_FIREFOX_EXTENSION_ID}, kHello);
  EXPECT_EQ(spoken.exit, 0) << spoken.err;
}

TEST(NativeHost, StartsTheAgent) {
  const Home home;
  const auto started = native_host(home, {kExtension}, kHello);
  EXPECT_EQ(started.exit, 0) << started.err;
  EXPECT_EQ(Conversation(home.socket()).hello()["result"]["protocol"], 1);
}

// --- the command line without a device ---

TEST(CommandLine, ExitCodes) {
  const Home home;
  const auto latchkey = [&](Arguments arguments) {
    arguments.insert(arguments.begin(), program("latchkey"));
    return run(arguments, home.environment());
  };
  EXPECT_EQ(latchkey({}).exit, 2);
  EXPECT_EQ(latchkey({"nonsense"}).exit, 2);
  EXPECT_EQ(latchkey({"--help"}).exit, 0);
  EXPECT_EQ(latchkey({"grant"}).exit, 2);
  EXPECT_EQ(latchkey({"grant", "--origin", "http://video.example"}).exit, 2);
  EXPECT_EQ(latchkey({"grants"}).exit, 0);
  EXPECT_EQ(latchkey({"revoke"}).exit, 2);
  EXPECT_EQ(latchkey({"revoke", "--all"}).exit, 0);
  EXPECT_EQ(latchkey({"fetch", "https://public.example/"}).exit, 2);
  const auto unknown = latchkey({"fetch", "media-cache-k3f7x2m7q4ab.local/", "--json"});
  EXPECT_EQ(unknown.exit, 1);
  EXPECT_EQ(unknown.json()["error"]["code"], "not_granted");
  EXPECT_FALSE(unknown.json()["error"]["hint"].get<std::string>().empty());
  const auto gone = latchkey({"revoke", "00112233", "--json"});
  EXPECT_EQ(gone.exit, 1);
  EXPECT_EQ(gone.json()["error"]["code"], "not_granted");
}

TEST(CommandLine, AnAgentThatCannotStartIsSaid) {
  const Home home;
  auto environment = home.environment();
  environment["LATCHKEY_AGENT"] = "/bin/false";
  const auto failed = run({program("latchkey"), "grants", "--json"}, environment);
  EXPECT_EQ(failed.exit, 1);
  EXPECT_EQ(failed.json()["error"]["code"], "internal");
}

TEST(CommandLine, SetupAndBack) {
  const Home home;
  std::filesystem::create_directories(home.path() / ".config/chromium");
  const auto manifest =
      home.path() / ".config/chromium/NativeMessagingHosts/org.latchkey.agent.json";
  const auto done = run({program("latchkey"), "setup", "--json"}, home.environment());
  ASSERT_EQ(done.exit, 0) << done.out << done.err;
  EXPECT_TRUE(std::filesystem::exists(home.path() / ".pki/nssdb/cert9.db"));
  std::ifstream file(manifest);
  const json written = json::parse(file, nullptr, false);
  EXPECT_EQ(written["path"], program("latchkey-native-host"));
  EXPECT_EQ(written["allowed_origins"][0], kExtension);
  EXPECT_EQ(Conversation(home.socket()).hello()["result"]["ready"], true);
  // Once more changes nothing.
  EXPECT_EQ(run({program("latchkey"), "setup", "--json"}, home.environment()).exit, 0);
  EXPECT_EQ(run({program("latchkey"), "setup", "--undo"}, home.environment()).exit, 0);
  EXPECT_FALSE(std::filesystem::exists(manifest));
  EXPECT_EQ(Conversation(home.socket()).hello()["result"]["ready"], false);
}

}  // namespace
}  // namespace latchkey::programs
