// Leaving: after `latchkey setup --undo` no browser trusts anything of ours, whatever was set up,
// where, and when. Looked at with certutil and in every file of the home folder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "programs.h"

namespace latchkey::programs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class LeavingTest : public ::testing::Test {
 protected:
  LeavingTest() {
    device_.emplace(
        Arguments{program("latchkey-device"), "run", "--state", (other_.path() / "device").string(),
                  "--name", "Kitchen", "--type", "media-cache", "--listen", "127.0.0.1", "--port",
                  "0", "--serve", other_.path().string(), "--mdns", "off"},
        other_.environment(), "listening on ");
    port_ = device_->line().substr(device_->line().rfind(':') + 1);
    start_agent();
    fs::create_directories(path(".config/chromium"));
    make_profile("one");
    make_profile("two");
    make_database(path("elsewhere/firefox"));
    // What is not ours, in the same places.
    const auto file = (other_.path() / "ca.pem").string();
    std::ofstream(other_.path() / "noise") << std::string(64, 'x');
    certutil(path(".mozilla/firefox/one"),
             {"-S", "-x", "-n", "A school's authority", "-s", "CN=School", "-t", "C,,", "-z",
              (other_.path() / "noise").string(), "-k", "ec", "-q", "secp256r1", "-Z", "SHA256"});
    std::ofstream(file) << certutil(path(".mozilla/firefox/one"),
                                    {"-L", "-n", "A school's authority", "-a"});
    make_database(path(".pki/nssdb"));
    certutil(path(".pki/nssdb"), {"-A", "-n", "A school's authority", "-t", "C,,", "-i", file});
    write(".mozilla/native-messaging-hosts/org.passwords.json", "{}");
    write(".config/chromium/NativeMessagingHosts/org.passwords.json", "{}");
  }
  void start_agent() {
    agent_.reset();
    agent_.emplace(Arguments{program("latchkey-agent"), "run", "--mdns", "off", "--allow-loopback",
                             "--static-device", "media-cache,Kitchen,127.0.0.1," + port_},
                   home_.environment(), "listening on ");
  }
  fs::path path(const std::string& name) const { return home_.path() / name; }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories(path(name).parent_path());
    std::ofstream(path(name)) << text;
  }
  void make_database(const fs::path& folder) {
    fs::create_directories(folder);
    certutil(folder, {"-N", "--empty-password"});
  }
  void make_profile(const std::string& name) {
    make_database(path(".mozilla/firefox/" + name));
    std::ofstream(path(".mozilla/firefox/profiles.ini"), std::ios::app)
        << "[Profile" << name << "]\nName=" << name << "\nIsRelative=1\nPath=" << name << "\n\n";
  }
  std::string certutil(const fs::path& folder, Arguments arguments) {
    arguments.insert(arguments.begin(), {"/usr/bin/certutil", "-d", "sql:" + folder.string()});
    const auto output = run(arguments, home_.environment());
    EXPECT_EQ(output.exit, 0) << output.err;
    return output.out;
  }
  // Nickname and trust of each certificate that a browser finds there.
  std::vector<std::string> trusted(const std::string& folder) {
    std::istringstream list(certutil(path(folder), {"-L"}));
    std::vector<std::string> found;
    for (std::string line; std::getline(list, line);) {
      const auto end = line.find_last_not_of(' ');
      if (end != std::string::npos && std::count(line.begin(), line.end(), ',') == 2 &&
          !line.starts_with("Certificate") && line.find("S/MIME") == std::string::npos) {
        found.push_back(line.substr(0, end + 1));
      }
    }
    std::ranges::sort(found);
    return found;
  }
  bool is_ours_trusted(const std::string& folder) {
    return std::ranges::any_of(trusted(folder),
                               [](const auto& one) { return one.starts_with("Latchkey"); });
  }
  // Files that speak of us, outside of the agent's own folders: what it stores and the witness of
  // it stay, and no browser reads them. In a trust database what was deleted
  // may leave traces that no browser sees: those are looked at with certutil.
  std::vector<std::string> files_that_name_us() {
    std::vector<std::string> found;
    for (auto at = fs::recursive_directory_iterator(home_.path());
         at != fs::recursive_directory_iterator(); ++at) {
      if (at->path() == path(".local/state/latchkey") ||
          at->path() == path(".config/latchkey/witness") || at->path() == path("run")) {
        at.disable_recursion_pending();
        continue;
      }
      if (!at->is_regular_file() || at->path().extension() == ".db") {
        continue;
      }
      std::ifstream file(at->path(), std::ios::binary);
      std::string text{std::istreambuf_iterator<char>(file), {}};
      // Tests live in a folder that has our name.
      const std::string here = home_.path().string();
      for (auto found_at = text.find(here); found_at != std::string::npos;
           found_at = text.find(here)) {
        text.erase(found_at, here.size());
      }
      if (at->path().filename().string().find("latchkey") != std::string::npos ||
          text.find("latchkey") != std::string::npos ||
          text.find("Latchkey") != std::string::npos) {
        found.push_back(at->path().lexically_relative(home_.path()).string());
      }
    }
    std::ranges::sort(found);
    return found;
  }
  Output latchkey(Arguments arguments, const std::string& input = {}) {
    arguments.insert(arguments.begin(), program("latchkey"));
    return run(arguments, home_.environment(), input);
  }
  void set_up_and_grant() {
    const auto done = latchkey({"setup", "--nssdb", path(".pki/nssdb").string(), "--nssdb",
                                path("elsewhere/chromium").string(), "--browser-dir",
                                path("elsewhere/browser").string(), "--firefox-profile",
                                path("elsewhere/firefox").string(), "--json"});
    ASSERT_EQ(done.exit, 0) << done.out << done.err;
    const auto code = run({program("latchkey-device"), "open-window", "--state",
                           (other_.path() / "device").string(), "--json"},
                          other_.environment())
                          .json()
                          .value("code", "");
    const auto granted = latchkey({"grant", "--origin", "https://video.example", "--device",
                                   "Kitchen", "--json", "--code", code});
    ASSERT_EQ(granted.exit, 0) << granted.out << granted.err;
    // Asks Firefox's profiles too, and waits for them.
    ASSERT_TRUE(latchkey({"doctor", "--json"}).json().is_object());
    for (const std::string& folder : kDatabases) {
      ASSERT_TRUE(is_ours_trusted(folder)) << folder;
    }
    ASSERT_THAT(files_that_name_us(),
                ElementsAre(".config/chromium/NativeMessagingHosts/org.latchkey.agent.json",
                            ".mozilla/native-messaging-hosts/org.latchkey.agent.json",
                            "elsewhere/browser/NativeMessagingHosts/org.latchkey.agent.json"));
  }
  void expect_nothing_left() {
    for (const std::string& folder : kDatabases) {
      EXPECT_FALSE(is_ours_trusted(folder)) << folder;
    }
    EXPECT_THAT(files_that_name_us(), IsEmpty());
    // What is not ours is as it was.
    for (const char* folder : {".mozilla/firefox/one", ".pki/nssdb"}) {
      EXPECT_THAT(trusted(folder), ElementsAre(HasSubstr("A school's authority")));
    }
    EXPECT_TRUE(fs::exists(path(".mozilla/native-messaging-hosts/org.passwords.json")));
    EXPECT_TRUE(fs::exists(path(".config/chromium/NativeMessagingHosts/org.passwords.json")));
  }

  const std::vector<std::string> kDatabases{".pki/nssdb", "elsewhere/chromium",
                                            ".mozilla/firefox/one", ".mozilla/firefox/two",
                                            "elsewhere/firefox"};
  Home other_;  // the device's, and what must not be seen in the person's
  Home home_;
  std::string port_;
  std::optional<Background> device_;
  std::optional<Background> agent_;
};

TEST_F(LeavingTest, NoBrowserTrustsAnythingAfterwards) {
  set_up_and_grant();
  // Nobody has to remember which places were named.
  const auto undone = latchkey({"setup", "--undo"});
  ASSERT_EQ(undone.exit, 0) << undone.out << undone.err;
  expect_nothing_left();
  // Neither does an agent that goes on, and starts anew, put anything back.
  ASSERT_EQ(latchkey({"revoke", "--all"}).exit, 0);
  start_agent();
  ASSERT_TRUE(latchkey({"doctor", "--json"}).json().is_object());
  expect_nothing_left();
  EXPECT_EQ(agent_->stop(), 0);
  EXPECT_FALSE(fs::exists(home_.socket()));
}

// Somebody deletes the folder first, and takes the set-up back afterwards: what the browsers have
// is known by its name alone.
TEST_F(LeavingTest, EvenWhenWhatIsRememberedWasDeletedFirst) {
  set_up_and_grant();
  ASSERT_EQ(agent_->stop(), 0);
  fs::remove_all(path(".local/state/latchkey"));
  start_agent();
  const auto undone = latchkey({"setup", "--undo", "--nssdb", path(".pki/nssdb").string(),
                                "--nssdb", path("elsewhere/chromium").string(), "--browser-dir",
                                path("elsewhere/browser").string(), "--firefox-profile",
                                path("elsewhere/firefox").string()});
  ASSERT_EQ(undone.exit, 0) << undone.out << undone.err;
  expect_nothing_left();
}

// Locked, and the passphrase is lost: the way out is said, and leads out.
TEST_F(LeavingTest, EvenWhenItCannotBeUnlocked) {
  set_up_and_grant();
  const auto sealed =
      latchkey({"keys", "seal", "--passphrase", "--passphrase-fd", "0"}, "correct horse\n");
  ASSERT_EQ(sealed.exit, 0) << sealed.out << sealed.err;
  start_agent();
  const auto refused = latchkey({"setup", "--undo"});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_THAT(refused.err, HasSubstr("latchkey store start-anew"));
  ASSERT_EQ(latchkey({"store", "start-anew", "--yes"}).exit, 0);
  const auto undone = latchkey({"setup", "--undo", "--nssdb", path(".pki/nssdb").string(),
                                "--nssdb", path("elsewhere/chromium").string(), "--browser-dir",
                                path("elsewhere/browser").string(), "--firefox-profile",
                                path("elsewhere/firefox").string()});
  ASSERT_EQ(undone.exit, 0) << undone.out << undone.err;
  expect_nothing_left();
}

TEST_F(LeavingTest, OneBrowserInTroubleDoesNotKeepTrustInTheOthers) {
  set_up_and_grant();
  std::ofstream(path(".mozilla/firefox/two/cert9.db")) << "this is no database, however long it is";
  const auto undone = latchkey({"setup", "--undo"});
  EXPECT_EQ(undone.exit, 1);
  EXPECT_THAT(undone.out + undone.err, HasSubstr(path(".mozilla/firefox/two").string()));
  fs::remove_all(path(".mozilla/firefox/two"));
  make_database(path(".mozilla/firefox/two"));
  expect_nothing_left();
}

TEST_F(LeavingTest, SaysThatTheAgentStillStartsWithTheSession) {
  EXPECT_THAT(latchkey({"setup", "--undo"}).out, Not(HasSubstr("systemctl")));
  fs::create_directories(path(".config/systemd/user/default.target.wants"));
  fs::create_symlink("/usr/lib/systemd/user/latchkey-agent.service",
                     path(".config/systemd/user/default.target.wants/latchkey-agent.service"));
  EXPECT_THAT(latchkey({"setup", "--undo"}).out,
              HasSubstr("systemctl --user disable --now latchkey-agent"));
}

}  // namespace
}  // namespace latchkey::programs
