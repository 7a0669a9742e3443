#include "base/host_name.h"

#include <gtest/gtest.h>

namespace latchkey {
namespace {

TEST(HostName, AcceptsOneCanonicalLabel) {
  for (const char* text : {"media-cache-k3f7x2m7q4ab.local", "nas.local", "a.local", "7.local"}) {
    EXPECT_TRUE(HostName::parse(text)) << text;
  }
}

// threats.md row 12: names that try to leave the namespace.
TEST(HostName, RefusesWhatIsNotOneLabelUnderLocal) {
  for (const char* text : {"nas.local.",
                           "NAS.local",
                           "nas.LOCAL",
                           "*.local",
                           "a.nas.local",
                           ".local",
                           "local",
                           "-nas.local",
                           "nas-.local",
                           "xn--nas.local",
                           "ab--c.local",
                           "n\xC3\xA4s.local",
                           "192.168.1.1",
                           "192.168.1.local",
                           "[fe80::1]",
                           "https://nas.local",
                           "nas.local:8443",
                           "nas.local/",
                           "n as.local",
                           "nas.example",
                           "nas.local.example",
                           "",
                           "user@nas.local"}) {
    EXPECT_FALSE(HostName::parse(text)) << text;
  }
  EXPECT_FALSE(HostName::parse(std::string(64, 'a') + ".local"));
  EXPECT_FALSE(HostName::parse(std::string("nas\0.local", 10)));
}

TEST(HostName, PairwiseShape) {
  const auto host = HostName::pairwise("media-cache", "k3f7x2m7q4ab");
  ASSERT_TRUE(host);
  EXPECT_EQ(host->text(), "media-cache-k3f7x2m7q4ab.local");
  EXPECT_TRUE(host->has_pairwise_shape());
  EXPECT_FALSE(HostName::pairwise("media-cache", "short"));
  EXPECT_FALSE(HostName::pairwise("media-cache", "k3f7x2m7q4a1"));
  EXPECT_FALSE(HostName::pairwise("Media", "k3f7x2m7q4ab"));
}

// threats.md row 50: a direct name made to look like a pairwise one.
TEST(HostName, DirectRefusesPairwiseShapesAndLocalhost) {
  EXPECT_TRUE(HostName::direct("media-cache"));
  EXPECT_FALSE(HostName::direct("media-cache-k3f7x2m7q4ab"));
  EXPECT_FALSE(HostName::direct("localhost"));
  EXPECT_FALSE(HostName::direct(std::string(41, 'a')));
}

TEST(HostName, DeviceTypes) {
  EXPECT_TRUE(is_device_type("media-cache"));
  EXPECT_FALSE(is_device_type("media--cache"));
  EXPECT_FALSE(is_device_type("media_cache"));
  EXPECT_FALSE(is_device_type(""));
}

}  // namespace
}  // namespace latchkey
