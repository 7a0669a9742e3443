// What locks the agent's keys, and what it does when it cannot open or trust its store: the real
// programs, a real keyring. Rows 37 and 38 of docs/threat-model.md.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

#include "base/encoding.h"
#include "programs.h"
#include "test_keyring.h"

namespace latchkey::programs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class KeysTest : public ::testing::Test {
 protected:
  void use_keyring() {
    keyring_.emplace(home_);
    environment_ = keyring_->environment();
  }
  void start(const Arguments& more = {}) {
    agent_.reset();
    Arguments arguments{program("latchkey-agent"), "run", "--mdns", "off"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    agent_.emplace(arguments, environment_, "listening on ");
  }
  Output latchkey(Arguments arguments, const std::string& input = {}) {
    arguments.insert(arguments.begin(), program("latchkey"));
    return run(arguments, environment_, input);
  }
  json status() { return latchkey({"keys", "status", "--json"}).json(); }
  std::string state() { return status().value("state", "?"); }
  json check(const std::string& id) {
    const json answer = latchkey({"doctor", "--json"}).json();
    for (const json& one : answer["checks"]) {
      if (one["id"] == id) {
        return one;
      }
    }
    return nullptr;
  }
  fs::path folder() { return home_.path() / ".local/state/latchkey"; }
  fs::path witnesses() { return home_.path() / ".config/latchkey/witness"; }
  // The same person as far as the devices can tell: the user's root.
  std::string root() {
    Conversation talk(home_.socket());
    talk.hello();
    return talk.ask("anchor.get", json::object())["result"].value("root", "");
  }
  // Something the store remembers, and counts.
  void change(const std::string& mark) {
    Conversation talk(home_.socket());
    talk.hello();
    ASSERT_TRUE(talk.ask("doctor", {{"browsers", json::array({mark})}}).contains("result"));
  }
  // Nothing but what a locked agent does is answered.
  void expect_locked(const std::string& state) {
    Conversation talk(home_.socket());
    json hello = talk.hello()["result"];
    EXPECT_EQ(hello["ready"], false);
    EXPECT_EQ(hello["locked"]["state"], state) << hello.dump();
    for (const char* method : {"grants.list", "anchor.get", "devices.list", "metadata.status"}) {
      EXPECT_EQ(talk.ask(method, json::object())["error"]["code"], "locked") << method;
    }
    const auto grants = latchkey({"grants", "--json"});
    EXPECT_EQ(grants.exit, 1);
    EXPECT_EQ(grants.json()["error"]["code"], "locked");
    EXPECT_FALSE(grants.json()["error"]["hint"].get<std::string>().empty());
  }

  Home home_;
  Environment environment_ = home_.environment();
  std::optional<Keyring> keyring_;
  std::optional<Background> agent_;
};

TEST_F(KeysTest, WithoutAKeyringTheFilesModeIsAllAndIsSaid) {
  start();
  EXPECT_EQ(state(), "open");
  EXPECT_EQ(status()["sealed"], "file");
  EXPECT_EQ(check("keys")["level"], "warn");
  EXPECT_EQ(check("store")["level"], "ok");
  // The witness, for this user alone.
  struct stat seen{};
  ASSERT_EQ(::stat(witnesses().c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777U, 0700U);
  const std::string before = root();
  start();
  EXPECT_EQ(root(), before);
}

TEST_F(KeysTest, OnlyTheCommandLineLooksAfterTheKeys) {
  start();
  Conversation talk(home_.socket());
  talk.ask("hello", {{"client", "extension"},
                     {"version", "1"},
                     {"profile", "00112233445566778899aabbccddeeff"},
                     {"extension", LATCHKEY_EXTENSION_ID}});
  for (const char* method : {"store.status", "store.unlock", "store.accept", "store.start_anew"}) {
    EXPECT_EQ(talk.ask(method, json::object())["error"]["code"], "malformed") << method;
  }
  EXPECT_EQ(talk.ask("store.seal", {{"way", "file"}})["error"]["code"], "malformed");
}

TEST_F(KeysTest, AKeyringSealsANewStoreByItself) {
  use_keyring();
  start();
  EXPECT_EQ(status()["sealed"], "keyring");
  EXPECT_EQ(check("keys")["level"], "ok");
  // A tool that is not ours finds one key, with a name for a person.
  EXPECT_NE(keyring_->list().find("label = Latchkey"), std::string::npos) << keyring_->list();
  const std::string before = root();
  start();
  EXPECT_EQ(root(), before);
}

TEST_F(KeysTest, ALockedKeyringLocksAndUnlockingOpensWithoutARestart) {
  use_keyring();
  start();
  const std::string before = root();
  keyring_->lock();
  start();
  expect_locked("keyring_locked");
  EXPECT_EQ(check("keys")["level"], "fail");
  // Nobody is there for the desktop's dialog: it stays as it is.
  EXPECT_EQ(latchkey({"keys", "unlock"}).exit, 1);
  EXPECT_EQ(state(), "keyring_locked");
  keyring_->stop();
  keyring_->start();
  EXPECT_EQ(latchkey({"keys", "unlock"}).exit, 0);
  EXPECT_EQ(root(), before);
}

TEST_F(KeysTest, AKeyringThatComesLaterIsFoundByItself) {
  use_keyring();
  start();
  const std::string before = root();
  keyring_->stop();
  start();
  expect_locked("keyring_missing");
  keyring_->start();
  // It looks every ten seconds.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (state() != "open" && std::chrono::steady_clock::now() < until) {
    ::usleep(200000);
  }
  EXPECT_EQ(root(), before);
}

TEST_F(KeysTest, AKeyThatWasDeletedIsSaidAndNothingIsMadeInItsPlace) {
  use_keyring();
  start();
  agent_.reset();
  const std::string file = contents(folder() / "agent.db");
  keyring_->clear_all();
  start();
  expect_locked("key_gone");
  EXPECT_EQ(latchkey({"keys", "unlock"}).exit, 1);
  EXPECT_EQ(latchkey({"store", "accept", "--yes"}).exit, 1);
  agent_.reset();
  EXPECT_EQ(contents(folder() / "agent.db"), file);
  EXPECT_EQ(keyring_->list(), "");
  // Only when the person says so, and then the old file is kept.
  start();
  EXPECT_EQ(latchkey({"store", "start-anew"}).exit, 2);
  const auto anew = latchkey({"store", "start-anew", "--yes", "--json"});
  EXPECT_EQ(anew.exit, 0) << anew.out << anew.err;
  EXPECT_EQ(contents(anew.json()["old"].get<std::string>()), file);
  EXPECT_EQ(status()["sealed"], "keyring");
}

TEST_F(KeysTest, APassphrasesLife) {
  start();
  const std::string before = root();
  // Too short, or none: as it was.
  EXPECT_EQ(latchkey({"keys", "seal", "--passphrase", "--passphrase-fd", "0"}, "short\n").exit, 2);
  EXPECT_EQ(latchkey({"keys", "seal", "--passphrase"}).exit, 2);
  EXPECT_EQ(latchkey({"keys", "seal"}).exit, 2);
  EXPECT_EQ(latchkey({"keys", "change-passphrase", "--passphrase-fd", "0"}, "a\nb\n").exit, 2);
  EXPECT_EQ(status()["sealed"], "file");
  const auto sealed =
      latchkey({"keys", "seal", "--passphrase", "--passphrase-fd", "0"}, "correct horse\n");
  ASSERT_EQ(sealed.exit, 0) << sealed.out << sealed.err;
  EXPECT_EQ(status()["sealed"], "passphrase");
  EXPECT_EQ(root(), before);
  EXPECT_EQ(check("keys")["level"], "ok");

  start();
  expect_locked("passphrase_needed");
  const auto wrong =
      latchkey({"keys", "unlock", "--passphrase-fd", "0", "--json"}, "wrong horse\n");
  EXPECT_EQ(wrong.exit, 1);
  EXPECT_EQ(wrong.json()["error"]["code"], "wrong_code");
  EXPECT_EQ(latchkey({"keys", "unlock"}).exit, 2);  // nobody to ask
  EXPECT_EQ(latchkey({"keys", "unlock", "--passphrase-fd", "0"}, "correct horse\n").exit, 0);
  EXPECT_EQ(root(), before);

  // Another one, and only with the current one.
  EXPECT_EQ(latchkey({"keys", "change-passphrase", "--passphrase-fd", "0"},
                     "wrong horse\nbattery staple\n")
                .exit,
            1);
  EXPECT_EQ(latchkey({"keys", "seal", "--file", "--passphrase-fd", "0"}, "wrong horse\n").exit, 1);
  EXPECT_EQ(status()["sealed"], "passphrase");
  ASSERT_EQ(latchkey({"keys", "change-passphrase", "--passphrase-fd", "0"},
                     "correct horse\nbattery staple\n")
                .exit,
            0);
  start();
  EXPECT_EQ(latchkey({"keys", "unlock", "--passphrase-fd", "0"}, "correct horse\n").exit, 1);
  EXPECT_EQ(latchkey({"keys", "unlock", "--passphrase-fd", "0"}, "battery staple\n").exit, 0);
  EXPECT_EQ(root(), before);
  ASSERT_EQ(latchkey({"keys", "seal", "--file", "--passphrase-fd", "0"}, "battery staple\n").exit,
            0);
  start();
  EXPECT_EQ(root(), before);
}

TEST_F(KeysTest, GuessesAreFew) {
  start();
  ASSERT_EQ(
      latchkey({"keys", "seal", "--passphrase", "--passphrase-fd", "0"}, "correct horse\n").exit,
      0);
  start();
  int wrong = 0;
  int refused = 0;
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 30; ++i) {
    // A connection of its own each time, so that it is not the connection's limit.
    Conversation talk(home_.socket());
    talk.hello();
    const auto code =
        talk.ask("store.unlock", {{"passphrase", "wrong horse"}})["error"].value("code", "");
    wrong += code == "wrong_code" ? 1 : 0;
    refused += code == "locked" ? 1 : 0;
  }
  EXPECT_EQ(wrong + refused, 30);
  // Each of them costs 128 MiB and a third of a second. On a machine so slow that one takes two
  // seconds all are heard.
  const auto earned = (std::chrono::steady_clock::now() - begun) / std::chrono::seconds(2);
  EXPECT_LE(wrong, 5 + earned + 1);
  EXPECT_GE(wrong, 5);
}

TEST_F(KeysTest, APassphraseFromAFileOpensAtTheStart) {
  const fs::path file = home_.path() / "passphrase";
  std::ofstream(file) << "correct horse\n";
  ::chmod(file.c_str(), 0600);
  start({"--passphrase-file", file.string()});
  EXPECT_EQ(status()["sealed"], "passphrase");
  const std::string before = root();
  start({"--passphrase-file", file.string()});
  EXPECT_EQ(root(), before);
  // As systemd gives it, by the name of the credential.
  fs::create_directory(home_.path() / "credentials");
  fs::copy_file(file, home_.path() / "credentials/latchkey-passphrase");
  environment_["CREDENTIALS_DIRECTORY"] = (home_.path() / "credentials").string();
  start();
  EXPECT_EQ(root(), before);
  environment_.erase("CREDENTIALS_DIRECTORY");
  // One that others may read is not taken; the agent waits.
  ::chmod(file.c_str(), 0644);
  start({"--passphrase-file", file.string()});
  EXPECT_EQ(state(), "passphrase_needed");
  EXPECT_NE(status()["detail"].get<std::string>().find("others"), std::string::npos);
}

TEST_F(KeysTest, ANewStoreCanWaitForItsPassphrase) {
  start({"--keys", "passphrase"});
  EXPECT_EQ(state(), "passphrase_needed");
  EXPECT_FALSE(fs::exists(folder() / "agent.db"));
  EXPECT_EQ(latchkey({"keys", "unlock", "--passphrase-fd", "0"}, "short\n").exit, 2);
  EXPECT_EQ(latchkey({"keys", "unlock", "--passphrase-fd", "0"}, "correct horse\n").exit, 0);
  EXPECT_EQ(status()["sealed"], "passphrase");
}

TEST_F(KeysTest, AKeyringThatWasDemandedIsWaitedFor) {
  start({"--keys", "keyring"});
  expect_locked("keyring_missing");
  EXPECT_FALSE(fs::exists(folder() / "agent.db"));
}

TEST_F(KeysTest, FromAFileIntoTheKeyringAndBack) {
  use_keyring();
  start({"--keys", "file"});
  EXPECT_EQ(status()["sealed"], "file");
  const std::string before = root();
  ASSERT_EQ(latchkey({"keys", "seal", "--keyring"}).exit, 0);
  EXPECT_EQ(status()["sealed"], "keyring");
  start();
  EXPECT_EQ(root(), before);
  ASSERT_EQ(latchkey({"keys", "seal", "--file"}).exit, 0);
  EXPECT_EQ(keyring_->list(), "") << "a key that nothing needs is not kept";
  keyring_->stop();
  start();
  EXPECT_EQ(root(), before);
  // Without a keyring: said, and as it was.
  const auto refused = latchkey({"keys", "seal", "--keyring", "--json"});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_EQ(status()["sealed"], "file");
}

TEST_F(KeysTest, Row37ACopiedStoreOpensNowhereElse) {
  use_keyring();
  start();
  const std::string before = root();
  agent_.reset();
  // The thief has every file of this home, the keyring's too, and not the password.
  const Home thief;
  fs::copy(home_.path() / ".local", thief.path() / ".local", fs::copy_options::recursive);
  fs::copy(home_.path() / ".config", thief.path() / ".config", fs::copy_options::recursive);
  const Keyring his(thief, "guess");
  for (const Environment& environment : {thief.environment(), his.environment()}) {
    const Background agent({program("latchkey-agent"), "run", "--mdns", "off"}, environment,
                           "listening on ");
    Conversation talk(thief.socket());
    EXPECT_TRUE(talk.hello()["result"].contains("locked"));
    EXPECT_EQ(talk.ask("anchor.get", json::object())["error"]["code"], "locked");
  }
  start();
  EXPECT_EQ(root(), before);
}

TEST_F(KeysTest, Row38AnOldCopyIsHeldUntilSomebodyAcceptsIt) {
  start();
  change("/one");
  agent_.reset();
  const fs::path copy = home_.path() / "copy.db";
  fs::copy_file(folder() / "agent.db", copy);
  start();
  change("/two");
  agent_.reset();
  fs::copy_file(copy, folder() / "agent.db", fs::copy_options::overwrite_existing);
  start();
  expect_locked("rolled_back");
  EXPECT_EQ(check("store")["level"], "fail");
  // Asking again changes nothing, a restart neither.
  EXPECT_EQ(latchkey({"keys", "unlock"}).exit, 1);
  start();
  expect_locked("rolled_back");
  EXPECT_EQ(latchkey({"store", "accept"}).exit, 2);  // nobody to ask
  EXPECT_EQ(latchkey({"store", "accept", "--yes"}).exit, 0);
  EXPECT_EQ(state(), "open");
  start();
  EXPECT_EQ(state(), "open");
  EXPECT_EQ(latchkey({"store", "accept", "--yes"}).exit, 1);
}

TEST_F(KeysTest, Row38AWitnessThatIsGoneIsSaid) {
  start();
  change("/one");
  agent_.reset();
  fs::remove_all(witnesses());
  start();
  expect_locked("witness_missing");
  EXPECT_EQ(latchkey({"store", "accept", "--yes"}).exit, 0);
  start();
  EXPECT_EQ(state(), "open");
}

TEST_F(KeysTest, AWitnessThatCannotBeToldIsSaid) {
  fs::create_directories(home_.path() / ".config/latchkey");
  std::ofstream(witnesses()) << "a file in the folder's place";
  start();
  expect_locked("witness_unwritable");
  EXPECT_NE(status()["fix"].get<std::string>().find(witnesses().string()), std::string::npos);
  fs::remove(witnesses());
  EXPECT_EQ(latchkey({"keys", "unlock"}).exit, 0);
  EXPECT_EQ(check("store")["level"], "ok");
  // While it runs: it goes on, and doctor says it.
  fs::remove_all(witnesses());
  std::ofstream(witnesses()) << "again";
  change("/two");
  EXPECT_EQ(state(), "open");
  EXPECT_EQ(status()["witness"], "failed");
  EXPECT_EQ(check("store")["level"], "fail");
}

TEST_F(KeysTest, Row38ADamagedStoreIsSaidAndKept) {
  start();
  const std::string before = root();
  agent_.reset();
  {
    // One byte inside a value: SQLite itself does not notice.
    const auto der = base64_decode(before, 4096);
    ASSERT_TRUE(der);
    const auto at = contents(folder() / "agent.db").find(std::string(as_text(*der)));
    ASSERT_NE(at, std::string::npos);
    std::fstream file(folder() / "agent.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at + 100));
    file.put(static_cast<char>(~(*der)[100]));
  }
  const std::string damaged = contents(folder() / "agent.db");
  start();
  expect_locked("damaged");
  EXPECT_EQ(check("store")["level"], "fail");
  const auto anew = latchkey({"store", "start-anew", "--yes", "--json"});
  ASSERT_EQ(anew.exit, 0) << anew.out << anew.err;
  EXPECT_EQ(contents(anew.json()["old"].get<std::string>()), damaged);
  EXPECT_NE(root(), before);
  // There is nothing wrong any more.
  EXPECT_EQ(latchkey({"store", "start-anew", "--yes"}).exit, 1);
}

// In a row that nothing needs at the start: the agent is open already, and closes.
TEST_F(KeysTest, Row38DamageThatIsFoundLaterClosesTheStoreToo) {
  start();
  change("/a-mark-that-nobody-reads");
  agent_.reset();
  {
    const auto at = contents(folder() / "agent.db").find("a-mark-that-nobody-reads");
    ASSERT_NE(at, std::string::npos);
    std::fstream file(folder() / "agent.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.put('A');
  }
  start();
  std::string found;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (found != "damaged" && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    try {
      Conversation talk(home_.socket());
      json hello = talk.hello();
      found = hello.is_object() && hello["result"].contains("locked")
                  ? hello["result"]["locked"].value("state", "?")
                  : "open";
    } catch (const std::runtime_error&) {
      found = "between two agents";
    }
  }
  expect_locked("damaged");
  // And every time again.
  start({"--check-first"});
  expect_locked("damaged");
  EXPECT_EQ(latchkey({"store", "start-anew", "--yes"}).exit, 0);
}

TEST_F(KeysTest, AnOtherServerTakesOverWithoutAGap) {
  start({"--keys", "passphrase"});
  Conversation waiting(home_.socket());
  ASSERT_TRUE(waiting.hello()["result"].contains("locked"));
  ASSERT_EQ(latchkey({"keys", "unlock", "--passphrase-fd", "0"}, "correct horse\n").exit, 0);
  EXPECT_FALSE(waiting.receive()) << "it hears that it should come again";
  Conversation again(home_.socket());
  EXPECT_FALSE(again.hello()["result"].contains("locked"));
  EXPECT_EQ(agent_->stop(), 0);
}

TEST_F(KeysTest, ALockedAgentEndsInOrder) {
  start({"--keys", "passphrase"});
  Conversation waiting(home_.socket());
  waiting.hello();
  EXPECT_EQ(agent_->stop(), 0);
  EXPECT_FALSE(fs::exists(home_.socket()));
}

}  // namespace
}  // namespace latchkey::programs
