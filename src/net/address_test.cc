// Every range that a name from outside must not lead to.
#include "net/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

namespace latchkey::net {
namespace {

sockaddr_storage address(const std::string& text) {
  sockaddr_storage storage{};
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    std::memcpy(&storage, &v4, sizeof v4);
  } else {
    EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr), 1) << text;
    v6.sin6_family = AF_INET6;
    std::memcpy(&storage, &v6, sizeof v6);
  }
  return storage;
}
bool is_public(const std::string& text) {
  const sockaddr_storage storage = address(text);
  return is_public_address(reinterpret_cast<const sockaddr*>(&storage));
}
bool holds(const char* network, const std::string& text) {
  const sockaddr_storage storage = address(text);
  return Network::parse(network).value().contains(reinterpret_cast<const sockaddr*>(&storage));
}

TEST(NetAddress, PublicOnes) {
  for (const char* text :
       {"1.1.1.1",         "93.184.216.34",   "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",  "100.128.0.1",     "126.255.255.255", "128.0.0.0",
        "169.253.255.255", "169.255.0.0",     "172.15.255.255",  "172.32.0.1",
        "191.255.255.255", "192.0.1.0",       "192.0.3.0",       "192.88.98.255",
        "192.88.100.0",    "192.167.255.255", "192.169.0.0",     "198.17.255.255",
        "198.20.0.1",      "198.51.99.255",   "198.51.101.0",    "203.0.112.255",
        "203.0.114.0",     "223.255.255.255", "2606:4700::1",    "2001:4860::8888",
        "2001:200::1",     "2a00::1",         "2001:db7::1",     "2001:db9::1",
        "2003::1",         "3ffe::1"}) {
    EXPECT_TRUE(is_public(text)) << text;
  }
}

TEST(NetAddress, Threat46FirstAndLastOfEveryRangeThatIsNot) {
  for (const char* text :
       {"0.0.0.0",         "0.255.255.255",   "10.0.0.0",      "10.255.255.255",  "100.64.0.0",
        "100.127.255.255", "127.0.0.0",       "127.0.0.1",     "127.255.255.255", "169.254.0.0",
        "169.254.169.254", "169.254.255.255", "172.16.0.0",    "172.31.255.255",  "192.0.0.0",
        "192.0.0.255",     "192.0.2.0",       "192.0.2.255",   "192.88.99.0",     "192.88.99.255",
        "192.168.0.0",     "192.168.255.255", "198.18.0.0",    "198.19.255.255",  "198.51.100.0",
        "198.51.100.255",  "203.0.113.0",     "203.0.113.255", "224.0.0.0",       "239.255.255.255",
        "240.0.0.0",       "255.255.255.255"}) {
    EXPECT_FALSE(is_public(text)) << text;
    EXPECT_FALSE(is_public(std::string("::ffff:") + text)) << text << ", mapped";
    EXPECT_FALSE(is_public(std::string("::") + text)) << text << ", compatible";
    EXPECT_FALSE(is_public(std::string("64:ff9b::") + text)) << text << ", translated";
    EXPECT_FALSE(is_public(std::string("64:ff9b:1::") + text)) << text << ", translated locally";
  }
  for (const char* text : {"::",
                           "::1",
                           "::ffff:1.1.1.1",
                           "64:ff9b::101:101",
                           "100::1",
                           "1fff:ffff::1",
                           "2001::1",
                           "2001:0:101:101::1",
                           "2001:1ff:ffff::1",
                           "2001:2::1",
                           "2001:10::1",
                           "2001:20::1",
                           "2001:db8::1",
                           "2001:db8:ffff::1",
                           "2002:a00:1::1",
                           "2002:c0a8:101::1",
                           "3fff::1",
                           "4000::1",
                           "5f00::1",
                           "fc00::1",
                           "fd12::1",
                           "fdff:ffff::1",
                           "fe80::1",
                           "febf::1",
                           "fec0::1",
                           "ff02::1",
                           "ff0e::1",
                           "ffff::1"}) {
    EXPECT_FALSE(is_public(text)) << text;
  }
  sockaddr unix_socket{};
  unix_socket.sa_family = AF_UNIX;
  EXPECT_FALSE(is_public_address(&unix_socket));
}

TEST(NetAddress, Networks) {
  EXPECT_TRUE(holds("203.0.113.0/24", "203.0.113.255"));
  EXPECT_FALSE(holds("203.0.113.0/24", "203.0.112.1"));
  EXPECT_TRUE(holds("203.0.113.64/27", "203.0.113.95"));
  EXPECT_FALSE(holds("203.0.113.64/27", "203.0.113.96"));
  EXPECT_TRUE(holds("127.0.0.1", "127.0.0.1"));
  EXPECT_FALSE(holds("127.0.0.1", "127.0.0.2"));
  EXPECT_FALSE(holds("127.0.0.1", "::ffff:127.0.0.1"));
  EXPECT_TRUE(holds("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(holds("0.0.0.0/0", "2a00::1"));
  EXPECT_TRUE(holds("2001:db8:0:ff00::/56", "2001:db8:0:ffff::1"));
  EXPECT_FALSE(holds("2001:db8:0:ff00::/56", "2001:db8:0:fe00::1"));
  for (const char* text : {"", "x", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/x", "1.2.3.4/8 ",
                           "::/129", "::1%lo", "/8"}) {
    EXPECT_FALSE(Network::parse(text)) << text;
  }
}

TEST(NetAddress, TheMachinesOwnNetworksHoldItsOwnAddresses) {
  const auto own = own_networks();
  ASSERT_TRUE(own);
  ifaddrs* list = nullptr;
  ASSERT_EQ(::getifaddrs(&list), 0);
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr != nullptr && (one->ifa_addr->sa_family == AF_INET)) {
      EXPECT_TRUE(std::any_of(own->begin(), own->end(), [&](const Network& network) {
        return network.contains(one->ifa_addr);
      })) << one->ifa_name;
    }
  }
  ::freeifaddrs(list);
}

}  // namespace
}  // namespace latchkey::net
