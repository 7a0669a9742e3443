#include "discovery/static_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace latchkey::discovery {
namespace {

FoundService parsed(std::string_view text) {
  auto device = parse_static_device(text);
  LATCHKEY_CHECK(device.has_value());
  return *device;
}

TEST(StaticDevice, ReadsFourParts) {
  const FoundService device = parsed("media-cache,Den cache,127.0.0.1,8443");
  EXPECT_EQ(device.type, "media-cache");
  EXPECT_EQ(device.name, "Den cache");
  EXPECT_EQ(device.endpoints.at(0).address.text(), "127.0.0.1");
  EXPECT_EQ(device.endpoints.at(0).port, 8443);
  EXPECT_TRUE(device.window_open);
  EXPECT_EQ(parsed("nas,Box,fd00::1,1").endpoints.at(0).address.text(), "fd00::1");
}

TEST(StaticDevice, RefusesAnythingElse) {
  for (const char* bad : {"", "nas", "nas,Box,127.0.0.1", "NAS,Box,127.0.0.1,1", "nas,,127.0.0.1,1",
                          "nas,Box,box.local,1", "nas,Box,127.0.0.1,0", "nas,Box,127.0.0.1,65536",
                          "nas,Box,127.0.0.1,1x", "nas,Box,127.0.0.1,", "nas,A,B,127.0.0.1,1"}) {
    EXPECT_FALSE(parse_static_device(bad)) << bad;
  }
}

TEST(StaticSource, FindsWhatIsWanted) {
  boost::asio::io_context io;
  StaticSource source(io, {parsed("nas,A,10.0.0.1,1"), parsed("camera,B,10.0.0.2,2")});
  std::vector<std::string> names;
  const SourceSink sink = [&](const SourceEvent& event) {
    if (const auto* found = std::get_if<Found>(&event)) {
      names.push_back(found->service.name);
    }
  };
  ASSERT_TRUE(source.start("camera", sink));
  EXPECT_TRUE(names.empty());
  io.run();
  EXPECT_THAT(names, testing::ElementsAre("B"));
  names.clear();
  ASSERT_TRUE(source.start("", sink));
  io.restart();
  io.run();
  EXPECT_THAT(names, testing::ElementsAre("A", "B"));
  EXPECT_FALSE(source.start("no such type", sink));
}

TEST(StaticSource, MayBeDestroyedByItsSink) {
  boost::asio::io_context io;
  auto source = std::make_unique<StaticSource>(
      io, std::vector<FoundService>{parsed("nas,A,10.0.0.1,1"), parsed("nas,B,10.0.0.2,2")});
  int events = 0;
  ASSERT_TRUE(source->start("", [&](const SourceEvent&) {
    ++events;
    source.reset();
  }));
  io.run();
  EXPECT_EQ(events, 1);
}

}  // namespace
}  // namespace latchkey::discovery
