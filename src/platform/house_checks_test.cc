#include "platform/house_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "platform/paths.h"
#include "platform/temp_home.h"

namespace latchkey::platform {
namespace {

using testing::HasSubstr;
using testing::Not;

Check check(const House& house, const std::string& id, const std::vector<Firewall>& walls = {}) {
  for (const Check& one : judge_house(house, walls)) {
    if (one.id == id) {
      return one;
    }
  }
  ADD_FAILURE() << "no check " << id;
  return {};
}

House house(Reach reach, bool heard = true) {
  return {
      true,
      "",
      heard ? 1U : 0U,
      {{"Living room", true, heard, reach, 8443, "192.168.1.7 port 8443: something", "0123abcd"}}};
}

TEST(HouseChecks, AHouseInWhichAllIsWell) {
  for (const Check& one : judge_house(house(Reach::kReached), {{"ufw", true, "switched on"}})) {
    EXPECT_EQ(one.level, Level::kOk) << one.id;
    EXPECT_TRUE(one.fix.empty()) << one.id;
  }
  // Nor is a computer without devices told off.
  for (const Check& one : judge_house({true, "", 0, {}}, {{"ufw", std::nullopt, "switched on"}})) {
    EXPECT_EQ(one.level, Level::kOk) << one.id;
  }
}

TEST(HouseChecks, ADeviceThatIsSeenButCannotBeReached) {
  const Check silent = check(house(Reach::kSilent), "devices_reached");
  EXPECT_EQ(silent.level, Level::kFail);
  EXPECT_THAT(silent.title, HasSubstr("\"Living room\" is seen, but cannot be reached"));
  EXPECT_THAT(silent.fix, HasSubstr("sudo ufw allow 8443/tcp"));
  EXPECT_THAT(silent.detail, HasSubstr("192.168.1.7"));

  const Check refused = check(house(Reach::kRefused), "devices_reached");
  EXPECT_EQ(refused.level, Level::kFail);
  EXPECT_THAT(refused.fix, HasSubstr("sudo systemctl restart latchkey-device"));

  const Check other = check(house(Reach::kOtherKey), "devices_reached");
  EXPECT_EQ(other.level, Level::kFail);
  EXPECT_THAT(other.title, HasSubstr("Something else answers"));
  EXPECT_THAT(other.fix, HasSubstr("latchkey forget 0123abcd"));
  EXPECT_THAT(other.fix, Not(HasSubstr("Living room")));

  EXPECT_THAT(check(house(Reach::kBroken), "devices_reached").fix, HasSubstr("journalctl"));
  // One that is switched off is no fault.
  const Check away = check(house(Reach::kNotSeen, false), "devices_reached");
  EXPECT_EQ(away.level, Level::kWarn);
  EXPECT_THAT(away.title, HasSubstr("was not found"));
  EXPECT_THAT(away.fix, HasSubstr(": latchkey forget 0123abcd"));
}

TEST(HouseChecks, SomebodyElsesDeviceIsOnlyANote) {
  House one = house(Reach::kReached);
  one.devices.push_back({"", false, true, Reach::kSilent, 0, "no answer"});
  const Check note = check(one, "devices_reached");
  EXPECT_EQ(note.level, Level::kWarn);
  EXPECT_THAT(note.title, HasSubstr("a device without a name is seen"));
}

TEST(HouseChecks, TheWorstGivesTheTitleAndEveryOneItsFix) {
  House one = house(Reach::kNotSeen);
  one.devices.push_back({"Attic", true, true, Reach::kRefused, 1, "refused"});
  const Check both = check(one, "devices_reached");
  EXPECT_EQ(both.level, Level::kFail);
  EXPECT_THAT(both.title, HasSubstr("\"Attic\""));
  EXPECT_THAT(both.title, HasSubstr("1 more"));
  EXPECT_THAT(both.fix, HasSubstr("systemctl restart"));
  EXPECT_THAT(both.fix, HasSubstr("latchkey devices"));
}

TEST(HouseChecks, NothingIsHeardAlthoughDevicesWereAdded) {
  const Check quiet = check(house(Reach::kNotSeen, false), "devices_heard");
  EXPECT_EQ(quiet.level, Level::kWarn);
  EXPECT_THAT(quiet.title, HasSubstr("None of your devices was heard"));
  EXPECT_THAT(quiet.fix, HasSubstr("latchkey devices"));
  const Check off = check({false, "", 0, {}}, "devices_heard");
  EXPECT_EQ(off.level, Level::kOk);
  const Check broken = check({true, "no interface can multicast", 0, {}}, "devices_heard");
  EXPECT_EQ(broken.level, Level::kFail);
  EXPECT_THAT(broken.detail, HasSubstr("no interface"));
  EXPECT_THAT(broken.fix, HasSubstr("avahi-daemon"));
}

TEST(HouseChecks, AFirewallIsSuspectedOnlyWhereNothingIsHeard) {
  const House deaf = house(Reach::kNotSeen, false);
  const Check closed = check(deaf, "firewall", {{"ufw", false, "switched on"}});
  EXPECT_EQ(closed.level, Level::kWarn);
  EXPECT_THAT(closed.title, HasSubstr("may keep"));
  EXPECT_THAT(closed.fix, HasSubstr("sudo ufw allow 5353/udp"));
  const Check unknown = check(deaf, "firewall", {{"firewalld", std::nullopt, "running"}});
  EXPECT_EQ(unknown.level, Level::kWarn);
  EXPECT_THAT(unknown.title, HasSubstr("Perhaps"));
  EXPECT_THAT(unknown.fix, HasSubstr("firewall-cmd --permanent --add-service=mdns"));
  EXPECT_THAT(check(deaf, "firewall", {{"nftables", false, ""}}).fix,
              HasSubstr(": sudo nft insert rule inet filter input udp dport 5353 accept"));
  EXPECT_THAT(check(deaf, "firewall", {{"nftables", false, "", "ip mine in"}}).fix,
              HasSubstr(": sudo nft insert rule ip mine in udp dport 5353 accept"));
  EXPECT_EQ(check(deaf, "firewall", {{"ufw", true, ""}}).level, Level::kOk);
  EXPECT_EQ(check(deaf, "firewall").level, Level::kOk);
  EXPECT_THAT(check(deaf, "firewall").detail, HasSubstr("only root can see more"));
  // What is heard got through.
  EXPECT_EQ(check(house(Reach::kReached), "firewall", {{"ufw", false, ""}}).level, Level::kOk);
}

class FirewallFiles : public testing::Test {
 protected:
  void put(const std::string& file, const std::string& text) {
    const auto path = home_.path() / file;
    std::filesystem::create_directories(path.parent_path());
    ASSERT_TRUE(write_file(path, as_bytes(text)));
  }
  [[nodiscard]] std::vector<Firewall> read() const { return read_firewalls(home_.path()); }
  TempHome home_;
};

TEST_F(FirewallFiles, NoneIsThere) {
  EXPECT_TRUE(read().empty());
}

TEST_F(FirewallFiles, Ufw) {
  put("etc/ufw/ufw.conf", "# on or off\nENABLED=no\nLOGLEVEL=low\n");
  EXPECT_TRUE(read().empty());
  put("etc/ufw/ufw.conf", "#ENABLED=no\nENABLED=yes\n");
  // Rules nobody but root may read: unknown, and said so.
  ASSERT_EQ(read().size(), 1U);
  EXPECT_EQ(read()[0].opens, std::nullopt);
  EXPECT_THAT(read()[0].detail, HasSubstr("root only"));
  put("etc/ufw/user.rules", "*filter\n-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n");
  put("etc/ufw/before.rules",
      "# allow MULTICAST mDNS\n-A ufw-before-input -p udp -d 224.0.0.251 --dport 5353 -j ACCEPT\n");
  EXPECT_EQ(read()[0].opens, true);
  put("etc/ufw/before.rules", "# -A ufw-before-input -p udp --dport 5353 -j ACCEPT\n");
  EXPECT_EQ(read()[0].opens, false);
  put("etc/ufw/user.rules", "-A ufw-user-input -p udp --dport 5353 -j ACCEPT\n");
  EXPECT_EQ(read()[0].opens, true);
}

TEST_F(FirewallFiles, Firewalld) {
  put("etc/firewalld/firewalld.conf", "DefaultZone=public\n");
  EXPECT_TRUE(read().empty()) << "installed, but not running";
  put("run/firewalld.pid", "17");
  EXPECT_EQ(read()[0].opens, std::nullopt);
  put("usr/lib/firewalld/zones/public.xml", "<zone><service name=\"ssh\"/></zone>");
  EXPECT_EQ(read()[0].opens, false);
  put("etc/firewalld/zones/public.xml",
      "<zone><service name=\"ssh\"/><service name=\"mdns\"/></zone>");
  EXPECT_EQ(read()[0].opens, true);
  // A name is not a way to another file.
  put("etc/firewalld/firewalld.conf", "DefaultZone=../../../etc/passwd\n");
  EXPECT_EQ(read()[0].opens, std::nullopt);
}

TEST_F(FirewallFiles, Nftables) {
  put("etc/nftables.conf",
      "table inet filter {\n chain input {\n  type filter hook input priority 0; policy drop;\n"
      "  tcp dport 22 accept\n }\n}\n");
  EXPECT_TRUE(read().empty()) << "not loaded at start";
  const auto wants = home_.path() / "etc/systemd/system/sysinit.target.wants";
  std::filesystem::create_directories(wants);
  std::filesystem::create_symlink("/lib/systemd/system/nftables.service",
                                  wants / "nftables.service");
  EXPECT_EQ(read()[0].opens, false);
  EXPECT_EQ(read()[0].chain, "inet filter input");
  put("etc/nftables.conf",
      "table mine{chain out{type filter hook output priority 0;}\n"
      "chain from-outside { type filter hook input priority 0; policy drop; } }");
  EXPECT_EQ(read()[0].chain, "ip mine from-outside");
  // People type it into a shell.
  put("etc/nftables.conf", "table inet `reboot` { chain $(x) { type filter hook input");
  EXPECT_EQ(read()[0].chain, "");
  put("etc/nftables.conf",
      "type filter hook input priority 0; policy drop;\n  udp dport 5353 accept\n");
  EXPECT_EQ(read()[0].opens, true);
  put("etc/nftables.conf", "chain input {\n type filter hook input priority 0;\n}\n");
  EXPECT_EQ(read()[0].opens, true);
  put("etc/nftables.conf", "type filter hook input priority 0;\n  tcp dport 22 accept\n  drop\n");
  EXPECT_EQ(read()[0].opens, std::nullopt);
}

}  // namespace
}  // namespace latchkey::platform
