// Publisher against Browser over a real link, with both responders.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>

#include "base/encoding.h"
#include "discovery/browser.h"
#include "discovery/link_lab.h"
#include "discovery/publisher.h"

namespace latchkey::discovery {
namespace {

using std::chrono::milliseconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

House* house() {
  static std::string why;
  static const std::unique_ptr<House> built = House::build(why);
  static const bool told = [] {
    if (!built) {
      std::fprintf(stderr, "NOT TESTED on a link: this system allows no namespaces (%s)\n",
                   why.c_str());
    }
    return true;
  }();
  static_cast<void>(told);
  return built.get();
}

HostName host(std::string_view name) {
  const auto parsed = HostName::parse(name);
  LATCHKEY_CHECK(parsed.has_value());
  return *parsed;
}

Announcement announcement(std::string name = "Den cache", bool open = false) {
  return {std::move(name), 8443, {"media-cache", open, *Rid::parse("000102030405060708090a0b")}};
}

// The device's half: lives and is called on the device's thread, or on the computer's.
class Device {
 public:
  Device(boost::asio::io_context& io, NetworkOptions options) {
    options.publishes = true;
    network_.emplace(io, std::move(options));
    publisher_.emplace(*network_, [this](const PublisherEvent& event) { note(event); });
  }
  Publisher& publisher() { return *publisher_; }
  Network& network() { return *network_; }
  std::vector<std::string> events() {
    const std::scoped_lock lock(mutex_);
    return events_;
  }
  bool heard(const std::string& event) {
    const auto all = events();
    return std::find(all.begin(), all.end(), event) != all.end();
  }

 private:
  void note(const PublisherEvent& event) {
    std::string text;
    if (const auto* service = std::get_if<ServicePublished>(&event)) {
      text = "service " + service->name;
    } else if (const auto* published = std::get_if<HostPublished>(&event)) {
      text = "host " + published->host.text();
    } else if (const auto* conflict = std::get_if<HostConflict>(&event)) {
      text = "conflict " + conflict->host.text();
    } else if (const auto* failed = std::get_if<PublishFailed>(&event)) {
      text = "failed " + failed->error.message;
    }
    const std::scoped_lock lock(mutex_);
    events_.push_back(text);
  }

  std::optional<Network> network_;
  std::optional<Publisher> publisher_;
  std::mutex mutex_;
  std::vector<std::string> events_;
};

class LinkTest : public testing::Test {
 protected:
  void SetUp() override {
    if (house() == nullptr) {
      GTEST_SKIP() << "this system allows no namespaces: nothing was tested on a link";
    }
  }
  void TearDown() override {
    browser_.reset();
    if (device_) {
      house()->on_device([this] { device_.reset(); });
    }
  }

  void start_device(NetworkOptions options = {Mode::kBuiltin, {}, Loopback::kRefused, true}) {
    house()->on_device([&] { device_.emplace(house()->device_io(), std::move(options)); });
  }
  void device(const std::function<void(Publisher&)>& work) {
    house()->on_device([&] { work(device_->publisher()); });
  }
  bool device_says(const std::string& event) {
    return run_until(io_, [&] { return device_->heard(event); });
  }

  void start_browser(Mode mode, std::string_view type = "media-cache") {
    network_.emplace(io_, NetworkOptions{mode, {}, Loopback::kRefused, false});
    browser_.emplace(*network_);
    ASSERT_TRUE(browser_->start(type, [this](const SourceEvent& event) { note(event); }));
  }
  void note(const SourceEvent& event) {
    if (const auto* found = std::get_if<Found>(&event)) {
      services_[found->service.key] = found->service;
    } else if (const auto* changed = std::get_if<Changed>(&event)) {
      ASSERT_TRUE(services_.contains(changed->service.key));
      services_[changed->service.key] = changed->service;
    } else if (const auto* lost = std::get_if<Lost>(&event)) {
      ASSERT_EQ(services_.erase(lost->key), 1U);
    } else if (const auto* looking = std::get_if<Looking>(&event)) {
      available_ = looking->available;
    }
  }
  bool sees(const std::string& name) {
    return run_until(io_, [&] { return services_.contains(name); });
  }
  std::vector<std::string> look_up(std::string_view name,
                                   milliseconds timeout = milliseconds(3000)) {
    std::optional<std::vector<std::string>> result;
    HostLookup lookup(*network_, host(name), timeout, [&](const std::vector<Endpoint>& found) {
      result.emplace();
      for (const Endpoint& endpoint : found) {
        result->push_back(endpoint.address.text());
      }
    });
    EXPECT_TRUE(run_until(io_, [&] { return result.has_value(); }));
    return *result;
  }

  boost::asio::io_context io_;
  std::optional<Device> device_;
  std::optional<Network> network_;
  std::optional<Browser> browser_;
  std::map<std::string, FoundService> services_;
  bool available_ = false;
};

TEST_F(LinkTest, FoundChangedAndLost) {
  start_device();
  device([](Publisher& p) { ASSERT_TRUE(p.announce(announcement())); });
  start_browser(Mode::kBuiltin);
  ASSERT_TRUE(sees("Den cache"));
  EXPECT_TRUE(available_);
  const FoundService& service = services_["Den cache"];
  EXPECT_EQ(service.type, "media-cache");
  EXPECT_FALSE(service.window_open);
  EXPECT_EQ(service.rid->hex(), "000102030405060708090a0b");
  ASSERT_FALSE(service.endpoints.empty());
  EXPECT_EQ(service.endpoints[0].address.text(), "192.168.77.2");
  EXPECT_EQ(service.endpoints[0].port, 8443);

  device([](Publisher& p) { ASSERT_TRUE(p.announce(announcement("Den cache", true))); });
  EXPECT_TRUE(run_until(io_, [&] { return services_["Den cache"].window_open; }));
  device([](Publisher& p) { p.withdraw(); });
  EXPECT_TRUE(run_until(io_, [&] { return services_.empty(); }));
  device([](Publisher& p) { ASSERT_TRUE(p.announce(announcement("Attic", true))); });
  EXPECT_TRUE(sees("Attic"));
}

TEST_F(LinkTest, OnlyTheWantedTypeIsFound) {
  start_device();
  device([](Publisher& p) { ASSERT_TRUE(p.announce(announcement())); });
  start_browser(Mode::kBuiltin, "nas");
  ASSERT_TRUE(device_says("service Den cache"));
  EXPECT_TRUE(run_until(io_, [&] { return available_; }));
  Browser all(*network_);
  bool found = false;
  ASSERT_TRUE(all.start("", [&](const SourceEvent& event) {
    found = found || std::holds_alternative<Found>(event);
  }));
  EXPECT_TRUE(run_until(io_, [&] { return found; }));
  EXPECT_TRUE(services_.empty());
}

TEST_F(LinkTest, HostNamesComeGoAndFollowTheAddresses) {
  start_device();
  device([](Publisher& p) {
    p.add_host(host("media-cache-k3f7x2m7q4ab.local"), HostKind::kQuiet);
    p.add_host(host("nas-aaaaaaaaaaaa.local"), HostKind::kQuiet);
    p.add_host(host("den.local"), HostKind::kProbed);
  });
  network_.emplace(io_, NetworkOptions{Mode::kBuiltin, {}, Loopback::kRefused, false});
  ASSERT_TRUE(device_says("host media-cache-k3f7x2m7q4ab.local"));
  ASSERT_TRUE(device_says("host den.local"));
  EXPECT_THAT(look_up("media-cache-k3f7x2m7q4ab.local"), Contains("192.168.77.2"));
  EXPECT_THAT(look_up("nas-aaaaaaaaaaaa.local"), Contains("192.168.77.2"));
  EXPECT_THAT(look_up("den.local"), Contains("192.168.77.2"));
  EXPECT_THAT(look_up("nas-bbbbbbbbbbbb.local", milliseconds(1000)), ElementsAre());

  house()->on_device([] {
    ASSERT_EQ(std::system("ip addr add 192.168.77.22/24 dev dev0"), 0);
    ASSERT_EQ(std::system("ip addr del 192.168.77.2/24 dev dev0"), 0);
    ASSERT_EQ(std::system("ip addr replace 192.168.77.22/24 dev dev0"), 0);
    ASSERT_EQ(std::system("ip route replace 224.0.0.0/4 dev dev0"), 0);
  });
  device([](Publisher& p) { p.remove_host(host("nas-aaaaaaaaaaaa.local")); });
  EXPECT_TRUE(run_until(io_, [&] {
    // A fresh listener each time: this one has the old answer in its cache.
    network_.emplace(io_, NetworkOptions{Mode::kBuiltin, {}, Loopback::kRefused, false});
    const auto found = look_up("media-cache-k3f7x2m7q4ab.local", milliseconds(1000));
    return found == std::vector<std::string>{"192.168.77.22"};
  }));
  EXPECT_THAT(look_up("nas-aaaaaaaaaaaa.local", milliseconds(1000)), ElementsAre());
  house()->on_device([] {
    ASSERT_EQ(std::system("ip addr add 192.168.77.2/24 dev dev0"), 0);
    ASSERT_EQ(std::system("ip addr del 192.168.77.22/24 dev dev0"), 0);
    ASSERT_EQ(std::system("ip addr replace 192.168.77.2/24 dev dev0"), 0);
    ASSERT_EQ(std::system("ip route replace 224.0.0.0/4 dev dev0"), 0);
  });
}

TEST_F(LinkTest, ATakenNameGetsANumberAndATakenHostIsToldNotRenamed) {
  start_device();
  device([](Publisher& p) {
    ASSERT_TRUE(p.announce(announcement()));
    p.add_host(host("den.local"), HostKind::kProbed);
  });
  ASSERT_TRUE(device_says("service Den cache"));
  ASSERT_TRUE(device_says("host den.local"));
  Device other(io_, {Mode::kBuiltin, {}, Loopback::kRefused, true});
  ASSERT_TRUE(other.publisher().announce(announcement()));
  other.publisher().add_host(host("den.local"), HostKind::kProbed);
  EXPECT_TRUE(run_until(io_, [&] { return other.heard("service Den cache #2"); }));
  EXPECT_TRUE(run_until(io_, [&] { return other.heard("conflict den.local"); }));
}

// Hears everything that is sent to the multicast group on pc0.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    const int on = 1;
    ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(socket_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(5353);
    ::inet_pton(AF_INET, "224.0.0.251", &address.sin_addr);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ip_mreqn group{};
    group.imr_multiaddr = address.sin_addr;
    group.imr_ifindex = static_cast<int>(::if_nametoindex("pc0"));
    EXPECT_EQ(::setsockopt(socket_, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group), 0);
  }
  ~Listener() { ::close(socket_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  Listener(Listener&&) = delete;
  Listener& operator=(Listener&&) = delete;
  const std::string& heard() {
    std::array<char, 9000> buffer{};
    ssize_t size = 0;
    while ((size = ::recv(socket_, buffer.data(), buffer.size(), 0)) > 0) {
      heard_.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return heard_;
  }

 private:
  int socket_;
  std::string heard_;
};

TEST_F(LinkTest, Threat48QuietNamesAreNotAnnouncedOnlyAnswered) {
  Listener listener;
  start_device();
  device([](Publisher& p) {
    p.add_host(host("nas-cccccccccccc.local"), HostKind::kQuiet);
    p.add_host(host("loud.local"), HostKind::kProbed);
    ASSERT_TRUE(p.announce(announcement()));
  });
  ASSERT_TRUE(device_says("host nas-cccccccccccc.local"));
  ASSERT_TRUE(device_says("service Den cache"));
  // The second announcement of the rest is out: whatever would be announced has been.
  EXPECT_TRUE(run_until(io_, [&] {
    const std::string& heard = listener.heard();
    const auto first = heard.find("Den cache");
    return heard.find("loud") != std::string::npos && first != std::string::npos &&
           heard.find("Den cache", first + 1) != std::string::npos;
  }));
  EXPECT_THAT(listener.heard(), Not(HasSubstr("nas-cccccccccccc")));
  device([](Publisher& p) { p.remove_host(host("nas-cccccccccccc.local")); });
  device([](Publisher& p) { p.withdraw(); });
  EXPECT_THAT(listener.heard(), Not(HasSubstr("nas-cccccccccccc")));
}

// Announces services that are not there (RFC 6762, 6.4: unsolicited responses), 20 in a packet.
void send_flood(int first, int count) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(5353);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::inet_pton(AF_INET, "224.0.0.251", &address.sin_addr);
  for (int i = first; i < first + count; i += 20) {
    Bytes packet{0, 0, 0x84, 0, 0, 0, 0, 20, 0, 0, 0, 0};
    for (int j = i; j < i + 20; ++j) {
      const std::string label = "Box " + std::to_string(j);
      if (j == i) {
        append(packet, "\x09_latchkey\x04_tcp\x05local");
        packet.push_back(0);
      } else {
        append(packet, Bytes{0xC0, 12});
      }
      // PTR, IN, 4500 s; the name's label and a pointer to the type
      append(packet,
             Bytes{0, 12, 0, 1, 0, 0, 0x11, 0x94, 0, static_cast<std::uint8_t>(label.size() + 3),
                   static_cast<std::uint8_t>(label.size())});
      append(packet, label);
      append(packet, Bytes{0xC0, 12});
    }
    EXPECT_GT(::sendto(fd, packet.data(), packet.size(), 0,
                       reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
  }
  ::close(fd);
}

std::size_t resident_kib() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  statm >> pages >> pages;
  return pages * 4;
}

TEST_F(LinkTest, Threat2AFloodOfServicesHidesNoDeviceAndCostsLittle) {
  start_browser(Mode::kBuiltin, "");
  ASSERT_TRUE(run_until(io_, [&] { return available_; }));
  const std::size_t before = resident_kib();
  house()->on_device([] { send_flood(0, 1500); });
  start_device();
  device([](Publisher& p) { ASSERT_TRUE(p.announce(announcement())); });
  EXPECT_TRUE(sees("Den cache"));
  for (int i = 0; i < 20; ++i) {
    house()->on_device([&] { send_flood(i * 1000, 1000); });
    io_.restart();
    io_.run_for(milliseconds(20));
  }
  EXPECT_TRUE(services_.contains("Den cache"));
  EXPECT_EQ(services_.size(), 1U);
  EXPECT_LT(resident_kib() - before, 16U * 1024U);
}

TEST_F(LinkTest, TheSystemsDaemonPublishesAndFinds) {
  SystemAvahi avahi;
  if (!avahi.running()) {
    GTEST_SKIP() << "NOT TESTED: avahi-daemon does not run here (it wants the real root)";
  }
  start_device();
  device([](Publisher& p) {
    ASSERT_TRUE(p.announce(announcement()));
    p.add_host(host("media-cache-k3f7x2m7q4ab.local"), HostKind::kQuiet);
  });
  start_browser(Mode::kSystem);
  EXPECT_TRUE(sees("Den cache"));
  EXPECT_EQ(network_->kind(), Network::Kind::kSystem);
  EXPECT_THAT(look_up("media-cache-k3f7x2m7q4ab.local"), ElementsAre("192.168.77.2"));
  // What a browser on this computer gets.
  EXPECT_THAT(Program::output("getent ahostsv4 media-cache-k3f7x2m7q4ab.local"),
              HasSubstr("192.168.77.2"));

  Device here(io_, {Mode::kSystem, {}, Loopback::kRefused, true});
  ASSERT_TRUE(here.publisher().announce(announcement("Study")));
  here.publisher().add_host(host("study.local"), HostKind::kProbed);
  here.publisher().add_host(host("nas-dddddddddddd.local"), HostKind::kQuiet);
  EXPECT_TRUE(run_until(io_, [&] { return here.heard("service Study"); }));
  EXPECT_TRUE(run_until(io_, [&] { return here.heard("host study.local"); }));
  EXPECT_TRUE(run_until(io_, [&] { return here.heard("host nas-dddddddddddd.local"); }));
  EXPECT_TRUE(sees("Study"));
  EXPECT_FALSE(here.heard("failed"));

  // The daemon goes away and comes back: so does everything else.
  avahi.stop_daemon();
  EXPECT_TRUE(run_until(io_, [&] { return !available_ && services_.empty(); }));
  avahi.start_daemon();
  EXPECT_TRUE(sees("Den cache"));
  EXPECT_TRUE(sees("Study"));
  ASSERT_TRUE(here.publisher().announce(announcement("Study", true)));
  EXPECT_TRUE(run_until(io_, [&] { return services_["Study"].window_open; }));
}

TEST_F(LinkTest, AutoTakesTheDaemonOnlyWhereItRuns) {
  // Where SystemAvahi's bus will be, and is not yet: libdbus reads the address once per process.
  ::setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/lab/bus", 1);
  start_browser(Mode::kAuto);
  EXPECT_TRUE(run_until(io_, [&] { return available_; }));
  EXPECT_EQ(network_->kind(), Network::Kind::kBuiltin);
  browser_.reset();
  network_.reset();
  const SystemAvahi avahi;
  if (!avahi.running()) {
    GTEST_SKIP() << "NOT TESTED: avahi-daemon does not run here (it wants the real root)";
  }
  Network automatic(io_, {Mode::kSystem, {}, Loopback::kRefused, false});
  EXPECT_TRUE(run_until(io_, [&] { return automatic.running(); }));
  start_browser(Mode::kAuto);
  EXPECT_TRUE(run_until(io_, [&] { return available_; }));
  EXPECT_EQ(network_->kind(), Network::Kind::kSystem);
}

TEST_F(LinkTest, OffIsOff) {
  start_browser(Mode::kOff);
  EXPECT_TRUE(run_until(io_, [&] { return !network_->reason().empty(); }));
  EXPECT_FALSE(available_);
  EXPECT_FALSE(network_->running());
  EXPECT_THAT(look_up("den.local", milliseconds(10)), ElementsAre());
}

TEST_F(LinkTest, ABrowserMayBeDestroyedByItsSink) {
  start_device();
  device([](Publisher& p) { ASSERT_TRUE(p.announce(announcement())); });
  network_.emplace(io_, NetworkOptions{Mode::kBuiltin, {}, Loopback::kRefused, false});
  browser_.emplace(*network_);
  ASSERT_TRUE(browser_->start("", [&](const SourceEvent& event) {
    if (std::holds_alternative<Found>(event)) {
      browser_.reset();
    }
  }));
  EXPECT_TRUE(run_until(io_, [&] { return !browser_.has_value(); }));
}

}  // namespace
}  // namespace latchkey::discovery
