// What strangers on the link may make us believe and keep. Rows are those of the threat list.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/encoding.h"
#include "discovery/interfaces.h"
#include "discovery/service_table.h"
#include "discovery/txt.h"

namespace latchkey::discovery {
namespace {

using testing::ElementsAre;

constexpr const char* kRidText = "000102030405060708090a0b";
const Link kLink4{2, IpAddress::Family::kV4};
const Link kLink6{2, IpAddress::Family::kV6};

IpAddress address(std::string_view text) {
  const auto parsed = IpAddress::parse(text);
  LATCHKEY_CHECK(parsed.has_value());
  return *parsed;
}

Resolved resolved(std::string_view at = "192.168.77.2", std::string_view type = "media-cache") {
  return {"box.local",
          address(at),
          8443,
          {"v=1", "ty=" + std::string(type), "st=open", "rid=" + std::string(kRidText)}};
}

Resolved with_text(std::vector<std::string> text) {
  Resolved answer = resolved();
  answer.text = std::move(text);
  return answer;
}

bool accepted(const Resolved& answer) {
  return judge(answer, kLink4, "", Loopback::kRefused).has_value();
}

TEST(IpAddress, ReadsAndWritesBothFamilies) {
  EXPECT_EQ(address("192.168.0.1").text(), "192.168.0.1");
  EXPECT_EQ(address("FE80:0::1").text(), "fe80::1");
  for (const char* bad : {"", "192.168.0", "192.168.0.1.2", "fe80::1%eth0", "[fe80::1]",
                          "box.local", "0x7f.1", "192.168.0.1/24"}) {
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
  }
}

TEST(Threat4Candidates, OnlyHomeAddressesPass) {
  for (const char* good :
       {"10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.254", "192.168.0.1", "169.254.3.4",
        "fc00::1", "fdff::1", "fe80::1", "febf::1"}) {
    EXPECT_TRUE(accepted(resolved(good))) << good;
  }
  for (const char* bad : {"9.255.255.255",
                          "11.0.0.0",
                          "172.15.255.255",
                          "172.32.0.0",
                          "192.167.1.1",
                          "192.169.0.1",
                          "127.0.0.1",
                          "0.0.0.0",
                          "8.8.8.8",
                          "203.0.113.5",
                          "224.0.0.251",
                          "255.255.255.255",
                          "::",
                          "::1",
                          "2001:db8::1",
                          "fec0::1",
                          "fb00::1",
                          "ff02::fb",
                          "::ffff:192.168.0.1",
                          "::ffff:127.0.0.1",
                          "64:ff9b::192.168.0.1"}) {
    EXPECT_FALSE(accepted(resolved(bad))) << bad;
  }
}

TEST(Threat4Candidates, LoopbackOnlyWhereTheOperatorSaidSo) {
  EXPECT_TRUE(judge(resolved("127.0.0.1"), kLink4, "", Loopback::kAllowed));
  EXPECT_TRUE(judge(resolved("::1"), kLink4, "", Loopback::kAllowed));
  EXPECT_FALSE(judge(resolved("8.8.8.8"), kLink4, "", Loopback::kAllowed));
}

TEST(Threat4Candidates, HostsOutsideLocalAndPortZeroAreRefused) {
  Resolved answer = resolved();
  for (const char* bad : {"", ".local", "local", "box.example", "box.local.example"}) {
    answer.host = bad;
    EXPECT_FALSE(accepted(answer)) << bad;
  }
  answer.host = "box.local";
  EXPECT_TRUE(accepted(answer));
  answer.port = 0;
  EXPECT_FALSE(accepted(answer));
  answer = resolved();
  answer.address.reset();
  EXPECT_FALSE(accepted(answer));
}

TEST(Text, WritesWhatItReads) {
  const ServiceText text{"nas", true, *Rid::parse(kRidText)};
  const auto strings = write_text(text);
  EXPECT_THAT(strings, ElementsAre("v=1", "ty=nas", "st=open", "rid=000102030405060708090a0b"));
  EXPECT_EQ(read_text(strings), text);
}

TEST(Text, IgnoresUnknownKeysAndCaseOfKeys) {
  EXPECT_TRUE(accepted(with_text({"new", "", "=x", "V=1", "Ty=nas", "x=y", "x=y", "st=closed",
                                  "rid=" + std::string(kRidText)})));
}

TEST(Text, RefusesWhatIsNotOurs) {
  const std::string rid = "rid=" + std::string(kRidText);
  const std::vector<std::vector<std::string>> bad{
      {},
      {"ty=nas", "st=open", rid},
      {"v=2", "ty=nas", "st=open", rid},
      {"v=1", "st=open", rid},
      {"v=1", "ty=NAS", "st=open", rid},
      {"v=1", "ty=nas-", "st=open", rid},
      {"v=1", "ty=", "st=open", rid},
      {"v=1", "ty=nas", "st=ajar", rid},
      {"v=1", "ty=nas", "st=OPEN", rid},
      {"v=1", "ty=nas", rid},
      {"v=1", "ty=nas", "st=open"},
      {"v=1", "ty=nas", "st=open", "rid"},
      {"v=1", "ty=nas", "st=open", "rid=00010203"},
      {"v=1", "ty=nas", "st=open", "rid=000102030405060708090a0B"},
      {"v=1", "ty=nas", "st=open", rid + "00"},
      {"v=1", "ty=nas", "st=open", "st=closed", rid},
      {"v=1", "ty=nas", "st=open", rid, "RID=000102030405060708090a0c"},
  };
  for (const auto& text : bad) {
    EXPECT_FALSE(accepted(with_text(text))) << testing::PrintToString(text);
  }
}

TEST(Threat2Flood, TextIsBounded) {
  auto text = resolved().text;
  text.resize(kMaxTextStrings, "x=y");
  EXPECT_TRUE(accepted(with_text(text)));
  text.resize(kMaxTextStrings + 1, "x=y");
  EXPECT_FALSE(accepted(with_text(text)));
  text = resolved().text;
  text.resize(12, std::string(200, 'x'));
  EXPECT_FALSE(accepted(with_text(text)));
}

// The HMAC is the caller's; a stand-in shows what is hashed and what is compared.
Digest256 fake_hmac(ByteSpan key, ByteSpan data) {
  Digest256 digest{};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest.at(i) = static_cast<std::uint8_t>(key[i % key.size()] + data[i % data.size()]);
  }
  return digest;
}

TEST(Rid, IsTheNonceAndEightBytesOfTheHmac) {
  const Bytes key(32, 7);
  const Rid rid = make_rid(key, {1, 2, 3, 4}, fake_hmac);
  Bytes expected{1, 2, 3, 4};
  append(expected, ByteSpan(fake_hmac(key, Bytes{'r', 'i', 'd', 1, 2, 3, 4})).first(8));
  EXPECT_EQ(to_bytes(rid.span()), expected);
  EXPECT_TRUE(matches_rid(key, rid, fake_hmac));
  EXPECT_FALSE(matches_rid(Bytes(32, 8), rid, fake_hmac));
  for (std::size_t i = 0; i < Rid::kSize; ++i) {
    auto other = rid.bytes();
    other.at(i) ^= 1U;
    EXPECT_FALSE(matches_rid(key, Rid(other), fake_hmac)) << i;
  }
}

std::vector<std::string> summary(const std::vector<SourceEvent>& events) {
  std::vector<std::string> lines;
  for (const SourceEvent& event : events) {
    if (const auto* found = std::get_if<Found>(&event)) {
      lines.push_back("found " + found->service.name);
    } else if (const auto* changed = std::get_if<Changed>(&event)) {
      lines.push_back("changed " + changed->service.name);
    } else if (const auto* lost = std::get_if<Lost>(&event)) {
      lines.push_back("lost " + lost->key);
    }
  }
  return lines;
}

class Table : public testing::Test {
 protected:
  void add(const std::string& name, const Resolved& answer = resolved(), Link link = kLink4) {
    table_.announced(name, link.interface);
    table_.resolved(name, link, answer);
  }
  std::vector<std::string> events() { return summary(table_.take_events()); }
  ServiceTable table_{"", Loopback::kRefused};
};

TEST_F(Table, TellsFoundChangedLostOnce) {
  add("Box");
  EXPECT_THAT(events(), ElementsAre("found Box"));
  add("Box");
  EXPECT_THAT(events(), ElementsAre());
  Resolved closed = resolved();
  closed.text[2] = "st=closed";
  table_.resolved("Box", kLink4, closed);
  table_.resolved("Box", kLink4, resolved());
  table_.resolved("Box", kLink4, closed);
  EXPECT_THAT(events(), ElementsAre("changed Box"));
  table_.withdrawn("Box", kLink4.interface);
  EXPECT_THAT(events(), ElementsAre("lost Box"));
  EXPECT_EQ(table_.size(), 0U);
}

TEST_F(Table, AServiceThatStopsBeingAcceptableIsLost) {
  add("Box");
  events();
  table_.resolved("Box", kLink4, resolved("8.8.8.8"));
  EXPECT_THAT(events(), ElementsAre("lost Box"));
  table_.resolved("Box", kLink4, resolved());
  EXPECT_THAT(events(), ElementsAre("found Box"));
  table_.unresolved("Box", kLink4);
  EXPECT_THAT(events(), ElementsAre("lost Box"));
}

TEST_F(Table, AnswersForNamesNobodyAnnouncedAreIgnored) {
  table_.resolved("Box", kLink4, resolved());
  table_.announced("Box", 7);
  table_.resolved("Box", kLink4, resolved());
  EXPECT_THAT(events(), ElementsAre());
}

TEST_F(Table, JoinsTheAddressesOfOneServiceBestFirst) {
  add("Box", resolved("fe80::5"), kLink6);
  add("Box", resolved("192.168.77.2"), kLink4);
  const auto told = table_.take_events();
  ASSERT_EQ(told.size(), 1U);
  const auto& service = std::get<Found>(told[0]).service;
  EXPECT_THAT(service.endpoints, ElementsAre(Endpoint{address("192.168.77.2"), 0, 8443},
                                             Endpoint{address("fe80::5"), 2, 8443}));
}

TEST_F(Table, Threat3EvilTwinOnAnotherLinkCannotMixItsAddressIn) {
  add("Box");
  Resolved twin = resolved("192.168.99.9");
  twin.text[3] = "rid=ffffffffffffffffffffffff";
  add("Box", twin, {3, IpAddress::Family::kV4});
  const auto told = table_.take_events();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(std::get<Found>(told[0]).service.endpoints.size(), 1U);
}

TEST_F(Table, Threat3NamesAreCleaned) {
  add("Bo\u202Ex\u200B\n1");
  EXPECT_THAT(events(), ElementsAre("found Box 1"));
  table_.announced(std::string(64, 'x'), 2);
  table_.announced("", 2);
  EXPECT_EQ(table_.size(), 1U);
}

TEST_F(Table, OnlyTheWantedType) {
  ServiceTable nas("nas", Loopback::kRefused);
  nas.announced("Box", 2);
  nas.resolved("Box", kLink4, resolved());
  EXPECT_TRUE(nas.take_events().empty());
  nas.resolved("Box", kLink4, resolved("192.168.77.2", "nas"));
  EXPECT_EQ(nas.take_events().size(), 1U);
}

TEST_F(Table, Threat2FloodOfServicesIsBounded) {
  for (int i = 0; i < 5000; ++i) {
    add("Box " + std::to_string(i));
    ASSERT_LE(table_.size(), kMaxServices);
  }
  EXPECT_TRUE(table_.overflowed());
  EXPECT_EQ(table_.take_events().size(), kMaxServices);
  // Those that were there first stay.
  table_.withdrawn("Box 0", 2);
  EXPECT_THAT(events(), ElementsAre("lost Box 0"));
  EXPECT_TRUE(table_.has_room());
}

TEST_F(Table, Threat2FloodOfNamesThatNeverAnswerMakesRoomForThoseThatDo) {
  for (int i = 0; i < 5000; ++i) {
    table_.announced("Junk " + std::to_string(i), 2);
  }
  EXPECT_EQ(table_.size(), kMaxServices);
  const auto result = table_.announced("Box", 2);
  EXPECT_EQ(result.seen, ServiceTable::Seen::kNew);
  EXPECT_TRUE(result.evicted.has_value());
  table_.resolved("Box", kLink4, resolved());
  EXPECT_THAT(events(), ElementsAre("found Box"));
}

TEST_F(Table, Threat2RenameFloodCostsOneEventPerTick) {
  for (int i = 0; i < 5000; ++i) {
    add("Box");
    table_.withdrawn("Box", 2);
  }
  EXPECT_THAT(events(), ElementsAre());
  add("Box");
  events();
  for (int i = 0; i < 5000; ++i) {
    table_.withdrawn("Box", 2);
    add("Box");
  }
  EXPECT_THAT(events(), ElementsAre("lost Box", "found Box"));
}

TEST_F(Table, Threat2LinksAndEndpointsPerServiceAreBounded) {
  for (std::uint32_t i = 1; i <= 50; ++i) {
    const std::string last = std::to_string(i);
    add("Box", resolved("192.168.77." + last), {i, IpAddress::Family::kV4});
    add("Box", resolved("fd00::" + last), {i, IpAddress::Family::kV6});
  }
  const auto told = table_.take_events();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_LE(std::get<Found>(told[0]).service.endpoints.size(), kMaxEndpoints);
}

TEST(Publishable, LeavesOutWhatAnAgentWouldRefuse) {
  const std::vector<OwnAddress> all{
      {1, "lo", address("127.0.0.1"), false},  {2, "eth0", address("192.168.1.5"), false},
      {2, "eth0", address("fd00::5"), false},  {2, "eth0", address("fd00::77"), true},
      {2, "eth0", address("fe80::5"), false},  {2, "eth0", address("2001:db8::5"), false},
      {3, "wlan0", address("fe80::6"), false}, {4, "eth1", address("203.0.113.9"), false},
  };
  const auto texts = [&](std::span<const std::string> only, Loopback loopback) {
    std::vector<std::string> out;
    for (const auto& own : publishable(all, only, loopback)) {
      out.push_back(own.interface_name + " " + own.address.text());
    }
    return out;
  };
  EXPECT_THAT(texts({}, Loopback::kRefused),
              ElementsAre("eth0 192.168.1.5", "eth0 fd00::5", "wlan0 fe80::6"));
  EXPECT_THAT(texts({}, Loopback::kAllowed),
              ElementsAre("lo 127.0.0.1", "eth0 192.168.1.5", "eth0 fd00::5", "wlan0 fe80::6"));
  const std::array<std::string, 1> only{"wlan0"};
  EXPECT_THAT(texts(only, Loopback::kRefused), ElementsAre("wlan0 fe80::6"));
}

}  // namespace
}  // namespace latchkey::discovery
