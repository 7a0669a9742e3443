#include "platform/checks.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "platform/doctor_facts.h"
#include "platform/system_clock.h"
#include "platform/temp_home.h"

namespace latchkey::platform {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

FineTime at_ms(std::int64_t ms) {
  return FineTime(milliseconds(ms));
}

Facts healthy() {
  Facts facts;
  facts.nsswitch = "passwd: files\nhosts: files mdns4_minimal [NOTFOUND=return] dns\n";
  facts.local_dns = {LocalDns::kFree, milliseconds(3), milliseconds(10000)};
  facts.avahi_daemon_running = true;
  facts.root_installed = at_ms(1000'000);
  facts.browsers = {{77, "chromium", at_ms(1000'001)}};
  facts.trust = {{"/home/ada/.pki/nssdb", RootState::kTrusted, ""}};
  facts.manifests = {{"/home/ada/.config/chromium", ManifestState::kGood}};
  facts.agent_reachable = true;
  facts.agent_socket = "/run/user/1/latchkey/agent.sock";
  facts.built = {1000000};
  facts.now = {1000100};
  return facts;
}

Check check(const Facts& facts, const std::string& id) {
  for (const Check& one : judge(facts)) {
    if (one.id == id) {
      return one;
    }
  }
  ADD_FAILURE() << "no check " << id;
  return {};
}

TEST(Checks, AHealthyComputerHasOnlyTheHonestWarning) {
  for (const Check& one : judge(healthy())) {
    EXPECT_EQ(one.level, Level::kOk) << one.id;
    EXPECT_FALSE(one.title.empty()) << one.id;
  }
}

TEST(Checks, TitlesAndFixesAreForPeople) {
  Facts facts = healthy();
  facts.nsswitch.reset();
  facts.local_dns.verdict = LocalDns::kServed;
  facts.avahi_daemon_running = facts.agent_reachable = false;
  facts.browsers[0].started = at_ms(10);
  facts.trust[0].state = RootState::kAbsent;
  facts.manifests[0].state = ManifestState::kMissing;
  facts.confined_browsers = {"Chromium (snap)"};
  facts.now = {5};
  for (const Check& one : judge(facts)) {
    EXPECT_NE(one.level, Level::kOk) << one.id;
    EXPECT_FALSE(one.fix.empty()) << one.id;
    for (const char* word : {"certificate", "CA", "root", "origin", "grant", "!"}) {
      EXPECT_THAT(one.title, testing::Not(HasSubstr(word))) << one.id;
    }
  }
}

TEST(Checks, NameServiceSwitch) {
  const auto level = [](const char* hosts) {
    return judge_name_service(std::string("hosts: ") + hosts).level;
  };
  EXPECT_EQ(level("files mdns4_minimal [NOTFOUND=return] dns"), Level::kOk);
  EXPECT_EQ(level("files mdns_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] dns"),
            Level::kOk);
  EXPECT_EQ(level("files mdns4 # dns"), Level::kOk);
  EXPECT_EQ(level("files dns mdns4"), Level::kWarn);
  EXPECT_EQ(level("files resolve [!UNAVAIL=return] mdns4_minimal dns"), Level::kWarn);
  EXPECT_EQ(level("files dns"), Level::kFail);
  EXPECT_EQ(level("files dns # mdns4"), Level::kFail);
  EXPECT_EQ(judge_name_service("passwd: files mdns4\n").level, Level::kFail);
  EXPECT_EQ(judge_name_service(std::nullopt).level, Level::kFail);
  EXPECT_THAT(judge_name_service("hosts: files dns mdns4").detail, HasSubstr("files dns mdns4"));
}

TEST(Checks, ASilentNameServerIsSaidWithItsPrice) {
  Facts facts = healthy();
  facts.local_dns = {LocalDns::kSilent, milliseconds(1000), milliseconds(10000)};
  EXPECT_EQ(check(facts, "name_delay").level, Level::kWarn);
  EXPECT_THAT(check(facts, "name_delay").detail, HasSubstr("about 10 s"));
  EXPECT_THAT(check(facts, "name_delay").fix, HasSubstr(": echo options timeout:1 attempts:1 | "));
  // A line that is added to systemd-resolved's own file is lost.
  facts.resolved = true;
  EXPECT_THAT(check(facts, "name_delay").fix,
              HasSubstr(": sudo cp --remove-destination /run/systemd/resolve/stub-resolv.conf "
                        "/etc/resolv.conf && echo options"));
  facts.local_dns.verdict = LocalDns::kServed;
  EXPECT_EQ(check(facts, "name_delay").level, Level::kFail);
  EXPECT_THAT(check(facts, "name_delay").fix, HasSubstr("dig local SOA"));
}

TEST(Checks, ABrowserThatStartedBeforeTheRootMustBeRestarted) {
  Facts facts = healthy();
  // In the same second, a moment before.
  facts.browsers.push_back({78, "chrome", at_ms(999'999)});
  const Check one = check(facts, "browser_restart");
  EXPECT_EQ(one.level, Level::kWarn);
  EXPECT_THAT(one.detail, HasSubstr("chrome (process 78)"));
  EXPECT_THAT(one.detail, testing::Not(HasSubstr("77")));
  EXPECT_THAT(one.fix, HasSubstr("kill 78"));
  facts.root_installed.reset();
  EXPECT_EQ(check(facts, "browser_restart").level, Level::kOk);
}

TEST(Checks, MissingTrustNamesTheFolder) {
  Facts facts = healthy();
  facts.trust.push_back({"/b", RootState::kUntrusted, ""});
  facts.trust.push_back({"/c", std::nullopt, "locked"});
  const Check one = check(facts, "trust");
  EXPECT_EQ(one.level, Level::kFail);
  EXPECT_EQ(one.detail, "/b: root is there but not trusted; /c: locked");
  facts.trust.clear();
  facts.root_installed.reset();
  EXPECT_THAT(check(facts, "trust").title, HasSubstr("not been set up"));
}

TEST(Checks, ManifestsAndClocks) {
  Facts facts = healthy();
  facts.manifests.push_back({"/x", ManifestState::kProgramMissing});
  EXPECT_THAT(check(facts, "native_host").detail,
              HasSubstr("/x/NativeMessagingHosts/org.latchkey.agent.json"));
  facts.manifests.clear();
  EXPECT_EQ(check(facts, "native_host").level, Level::kWarn);
  facts.now = {999999};
  EXPECT_EQ(check(facts, "clock").level, Level::kFail);
  EXPECT_THAT(check(facts, "clock").fix, HasSubstr("sudo timedatectl set-ntp true"));
  facts.now = facts.built + seconds(6LL * 365 * 86400);
  EXPECT_EQ(check(facts, "clock").level, Level::kWarn);
  // Set back behind what has happened here; a little is no news.
  facts.now = facts.built + seconds(86400);
  facts.known_past = facts.now + seconds(1800);
  EXPECT_EQ(check(facts, "clock").level, Level::kOk);
  facts.known_past = facts.now + seconds(86400);
  EXPECT_EQ(check(facts, "clock").level, Level::kFail);
}

// A name server on the loop-back address that answers one question in its own way.
class FakeServer {
 public:
  // answers < 0: stays silent.
  FakeServer(int answers, unsigned char code)
      : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    if (answers >= 0) {
      thread_ = std::jthread([this, answers, code] { serve(answers, code); });
    }
  }
  ~FakeServer() {
    ::shutdown(socket_, SHUT_RDWR);
    if (thread_.joinable()) {
      thread_.join();
    }
    ::close(socket_);
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;
  FakeServer(FakeServer&&) = delete;
  FakeServer& operator=(FakeServer&&) = delete;
  [[nodiscard]] NameServer name_server() const { return {"127.0.0.1", port_}; }

 private:
  void serve(int answers, unsigned char code) const {
    Bytes message(512);
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t got = ::recvfrom(socket_, message.data(), message.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &size);
    if (got <= 12) {
      return;
    }
    message.resize(static_cast<std::size_t>(got));
    message[2] = 0x81;  // an answer, recursion desired
    message[3] = code;
    message[7] = static_cast<unsigned char>(answers);
    message[8] = message[9] = message[10] = message[11] = 0;
    // The question has the header, "local" and type and class: 12 + 7 + 4 bytes.
    message.resize(23);
    if (answers > 0) {
      // name, SOA, IN, TTL 60, 22 bytes: two root names and five numbers
      append(message, Bytes{0xC0, 12, 0, 6, 0, 1, 0, 0, 0, 60, 0, 22});
      append(message, Bytes(22, 0));
    }
    ::sendto(socket_, message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&from),
             size);
  }

  int socket_;
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

TEST(LocalDnsProbe, AServerThatHasTheZone) {
  const FakeServer server(1, 0);
  EXPECT_EQ(probe_local_dns(server.name_server()).verdict, LocalDns::kServed);
}

TEST(LocalDnsProbe, AServerThatHasNoSuchZone) {
  const FakeServer missing(0, 3);
  EXPECT_EQ(probe_local_dns(missing.name_server()).verdict, LocalDns::kFree);
  const FakeServer empty(0, 0);
  EXPECT_EQ(probe_local_dns(empty.name_server()).verdict, LocalDns::kFree);
}

TEST(LocalDnsProbe, ASilentServerCostsOneSecondAndIsReported) {
  const FakeServer server(-1, 0);
  const auto answer = probe_local_dns(server.name_server());
  EXPECT_EQ(answer.verdict, LocalDns::kSilent);
  EXPECT_LT(answer.took, milliseconds(4000));
  EXPECT_GE(answer.lookup_delay, milliseconds(1000));
}

TEST(LocalDnsProbe, ARefusingServerIsFree) {
  std::optional<NameServer> closed;
  {
    const FakeServer gone(-1, 0);
    closed = gone.name_server();
  }
  const auto answer = probe_local_dns(closed);
  EXPECT_EQ(answer.verdict, LocalDns::kFree);
  EXPECT_LT(answer.took, milliseconds(500));
}

TEST(DoctorFacts, ReadsThisComputer) {
  const TempHome home;
  DoctorQuestion question;
  question.environment = home.environment();
  question.agent_socket = home.path() / "agent.sock";
  question.extension_id = std::string(32, 'a');
  const Facts facts = read_facts(question);
  EXPECT_FALSE(facts.agent_reachable);
  EXPECT_GT(facts.built.unix_seconds, 1700000000);
  EXPECT_GE(facts.now, facts.built);
  EXPECT_TRUE(facts.trust.empty());
  EXPECT_EQ(judge(facts).size(), 9U);
}

TEST(DoctorFacts, ReadsTheSystemsOwnFiles) {
  const TempHome home;
  std::filesystem::create_directories(home.path() / "etc/chromium/native-messaging-hosts");
  std::filesystem::create_directories(home.path() / ".config/chromium");
  const auto put = [&](const std::string& file, const std::string& text) {
    ASSERT_TRUE(write_file(home.path() / file, as_bytes(text)));
  };
  put("etc/nsswitch.conf", "hosts: files dns\n");
  const std::string id(32, 'a');
  const auto manifest = [&](const std::string& program, const std::string& extension) {
    put("etc/chromium/native-messaging-hosts/org.latchkey.agent.json",
        R"({"name":"org.latchkey.agent","type":"stdio","path":")" + program +
            R"(","allowed_origins":["chrome-extension://)" + extension + R"(/"]})");
  };
  DoctorQuestion question;
  question.environment = home.environment();
  question.extension_id = id;
  question.system = home.path();
  const auto state = [&] {
    for (const ManifestFact& fact : read_facts(question).manifests) {
      if (fact.user_data == home.path() / ".config/chromium") {
        return fact.state;
      }
    }
    return ManifestState::kForeign;
  };
  EXPECT_EQ(state(), ManifestState::kMissing);
  manifest("/bin/true", id);
  EXPECT_EQ(state(), ManifestState::kGood);
  EXPECT_EQ(judge_name_service(read_facts(question).nsswitch).level, Level::kFail);
  EXPECT_FALSE(read_facts(question).resolved);
  std::filesystem::create_symlink("../run/systemd/resolve/stub-resolv.conf",
                                  home.path() / "etc/resolv.conf");
  EXPECT_TRUE(read_facts(question).resolved);
  manifest("/no/such/program", id);
  EXPECT_EQ(state(), ManifestState::kProgramMissing);
  manifest("/bin/true", std::string(32, 'b'));
  EXPECT_EQ(state(), ManifestState::kOtherExtension);
  // The person's own comes first, as the browser does it.
  manifest("/bin/true", id);
  ASSERT_TRUE(
      write_manifest(home.path() / ".config/chromium", {"/bin/false", std::string(32, 'c')}));
  EXPECT_EQ(state(), ManifestState::kOtherExtension);
}

TEST(DoctorFacts, SeesABrowserOfThisUserAndWhenItStarted) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const auto before = std::chrono::system_clock::now();
  const pid_t child = ::fork();
  const auto after = std::chrono::system_clock::now();
  if (child == 0) {
    ::prctl(PR_SET_NAME, "chromium");
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    static_cast<void>(::write(pipe[1], "x", 1) == 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(pipe[0], &byte, 1), 1);
  const auto browsers = running_browsers();
  const auto found = std::find_if(browsers.begin(), browsers.end(),
                                  [&](const auto& browser) { return browser.pid == child; });
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
  ASSERT_NE(found, browsers.end());
  EXPECT_EQ(found->name, "chromium");
  // To the hundredth of a second, as the kernel counts.
  EXPECT_GE(found->started, before - milliseconds(20));
  EXPECT_LE(found->started, after + milliseconds(20));
}

TEST(DoctorFacts, TellsAListeningSocketFromALeftover) {
  const TempHome home;
  const std::string path = (home.path() / "s.sock").string();
  EXPECT_FALSE(socket_answers(path));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_FALSE(socket_answers(path));
  ASSERT_EQ(::listen(fd, 1), 0);
  EXPECT_TRUE(socket_answers(path));
  ::close(fd);
  EXPECT_FALSE(socket_answers(path));
  EXPECT_FALSE(socket_answers(std::string(200, 'x')));
}

}  // namespace
}  // namespace latchkey::platform
