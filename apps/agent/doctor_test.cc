// What `latchkey doctor` finds, with the programs as they are and troubles as they come.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "programs.h"

namespace latchkey::programs {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() { std::filesystem::create_directory(home_.path() / "www"); }

  void start_device(const std::string& state, const std::string& port) {
    device_.reset();
    device_.emplace(
        Arguments{program("latchkey-device"), "run", "--state", (home_.path() / state).string(),
                  "--name", "Kitchen", "--type", "media-cache", "--listen", "127.0.0.1", "--port",
                  port, "--serve", (home_.path() / "www").string(), "--mdns", "off"},
        home_.environment(), "listening on ");
    port_ = device_->line().substr(device_->line().rfind(':') + 1);
    while (!port_.empty() && port_.back() == '\n') {
      port_.pop_back();
    }
  }
  void start_agent(Arguments more = {}) {
    Arguments arguments{program("latchkey-agent"), "run", "--mdns", "off", "--allow-loopback"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    agent_.emplace(arguments, home_.environment(), "listening on ");
  }
  Output latchkey(Arguments arguments) {
    arguments.insert(arguments.begin(), program("latchkey"));
    return run(arguments, home_.environment());
  }
  json check(const std::string& id) {
    const Output output = latchkey({"doctor", "--json"});
    const json document = output.json();
    EXPECT_TRUE(document.is_object()) << output.out << output.err;
    bool failed = false;
    json found;
    for (const json& one : document.value("checks", json::array())) {
      failed = failed || one["level"] == "fail";
      // Whatever is wrong: what to do stands beside it.
      EXPECT_TRUE(one["level"] == "ok" || !one["fix"].get<std::string>().empty()) << one.dump();
      if (one["id"] == id) {
        found = one;
      }
    }
    EXPECT_EQ(output.exit, failed ? 1 : 0);
    EXPECT_FALSE(found.is_null()) << id;
    return found;
  }

  Home home_;
  std::string port_;
  std::optional<Background> device_;
  std::optional<Background> agent_;
};

// A process that looks like a browser's, until it goes out of scope.
class Browser {
 public:
  Browser() {
    std::array<int, 2> pipe{};
    EXPECT_EQ(::pipe(pipe.data()), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_NAME, "chromium");
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      static_cast<void>(::write(pipe[1], "x", 1) == 1);
      ::pause();
      ::_exit(0);
    }
    char byte = 0;
    EXPECT_EQ(::read(pipe[0], &byte, 1), 1);
    ::close(pipe[0]);
    ::close(pipe[1]);
  }
  ~Browser() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;
  [[nodiscard]] std::string named() const { return "(process " + std::to_string(pid_) + ")"; }
  [[nodiscard]] std::string pid() const { return std::to_string(pid_); }

 private:
  pid_t pid_ = -1;
};

TEST_F(DoctorTest, ADeviceThatIsSeenButCannotBeReached) {
  start_device("device", "0");
  const std::string port = port_;
  start_agent({"--static-device", "media-cache,Kitchen,127.0.0.1," + port});
  const auto code = run({program("latchkey-device"), "open-window", "--state",
                         (home_.path() / "device").string(), "--json"},
                        home_.environment());
  ASSERT_EQ(latchkey({"add", "Kitchen", "--code", code.json().value("code", ""), "--json"}).exit,
            0);
  EXPECT_EQ(check("devices_reached")["level"], "ok");

  // The computer is there, the program is not.
  device_.reset();
  json found = check("devices_reached");
  EXPECT_EQ(found["level"], "fail") << found.dump();
  EXPECT_THAT(found["title"], HasSubstr("\"Kitchen\" is there, but nothing on it answers"));
  EXPECT_THAT(found["fix"], HasSubstr("sudo systemctl restart latchkey-device"));

  // Another device in its place: said, and given nothing.
  start_device("another", port);
  found = check("devices_reached");
  EXPECT_EQ(found["level"], "fail") << found.dump();
  EXPECT_THAT(found["title"], HasSubstr("Something else answers in the place of \"Kitchen\""));
  // What it says to type does what it says, and the name's own characters are not in it.
  const std::string fix = found["fix"];
  const std::string id = fix.substr(fix.rfind(' ') + 1);
  EXPECT_EQ(fix.find("Kitchen"), std::string::npos) << fix;
  device_.reset();

  // A firewall that swallows what comes: connections are taken, and nothing is ever said.
  const int silent = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(silent, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(silent, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(silent, 8), 0);
  found = check("devices_reached");
  ::close(silent);
  EXPECT_EQ(found["level"], "fail") << found.dump();
  EXPECT_THAT(found["title"], HasSubstr("is seen, but cannot be reached"));
  EXPECT_THAT(found["fix"], HasSubstr("sudo ufw allow " + port + "/tcp"));
  EXPECT_EQ(latchkey({"forget", id, "--json"}).exit, 0);
  EXPECT_NE(check("devices_reached")["level"], "fail");
}

TEST_F(DoctorTest, AnAgentThatCannotBeReached) {
  auto environment = home_.environment();
  environment["LATCHKEY_AGENT"] = "/bin/false";
  const Output output = run({program("latchkey"), "doctor", "--json"}, environment);
  EXPECT_EQ(output.exit, 1);
  bool said = false;
  const json document = output.json();
  for (const json& one : document.at("checks")) {
    said = said || (one["id"] == "agent" && one["level"] == "fail" &&
                    one["fix"].get<std::string>().find("latchkey-agent run") != std::string::npos);
  }
  EXPECT_TRUE(said) << output.out;
}

TEST_F(DoctorTest, ABrowserThatWasOpenDuringSetUpAndTrustThatIsGone) {
  start_agent();
  std::filesystem::create_directories(home_.path() / ".config/chromium");
  EXPECT_EQ(check("trust")["level"], "fail");
  const Browser before;
  ASSERT_EQ(latchkey({"setup", "--json"}).exit, 0);
  EXPECT_EQ(check("trust")["level"], "ok");
  const Browser after;
  const json found = check("browser_restart");
  EXPECT_EQ(found["level"], "warn") << found.dump();
  EXPECT_THAT(found["detail"], HasSubstr(before.named()));
  EXPECT_THAT(found["fix"], HasSubstr(before.pid()));
  EXPECT_THAT(found["detail"], Not(HasSubstr(after.named()))) << "opened within the same second";

  std::filesystem::remove_all(home_.path() / ".pki/nssdb");
  EXPECT_EQ(check("trust")["level"], "fail");
  EXPECT_THAT(check("trust")["fix"], HasSubstr("latchkey setup"));
}

TEST_F(DoctorTest, ABrowserFromASnap) {
  start_agent();
  EXPECT_EQ(check("confined_browsers")["level"], "ok");
  std::filesystem::create_directories(home_.path() / "snap/chromium");
  const json found = check("confined_browsers");
  EXPECT_EQ(found["level"], "warn");
  EXPECT_THAT(found["detail"], HasSubstr("Chromium (snap)"));
}

}  // namespace
}  // namespace latchkey::programs
