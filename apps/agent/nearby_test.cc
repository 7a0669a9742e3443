// The agent's end of a link that a browser's window carries, against windows and devices that keep
// to no rule (threats.md row 42).
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "nearby_host.h"
#include "support/fake_random.h"
#include "wire/names.h"

namespace latchkey::agentd {
namespace {

using nlohmann::json;

class NearbyTest : public ::testing::Test {
 protected:
  NearbyTest() : host_(io_.get_executor(), random_, client()) {}
  NearbyHost::Client client() {
    return {
        .event = [this](std::string_view name,
                        const json& params) { events_.emplace_back(std::string(name), params); },
        .seen = [](const agent::Announced&) {},
        .lost = [this](const std::string& service) { lost_.push_back(service); }};
  }
  std::string open(std::optional<std::string> link = std::nullopt) {
    const auto opened = host_.open({std::move(link), {}});
    if (!opened) {
      return "";
    }
    host_.go_on();
    return (*opened)["link"].get<std::string>();
  }
  // A session over the link, as a pairing begins one.
  std::shared_ptr<net::GattStream> session(const std::string& link) {
    const auto way = host_.find("b:" + link);
    std::shared_ptr<net::GattStream> stream;
    if (way) {
      boost::asio::co_spawn(io_, begin(way, stream), boost::asio::detached);
      settle();
    }
    return stream;
  }
  static net::Task<void> begin(std::shared_ptr<NearbyWay> way,
                               std::shared_ptr<net::GattStream>& into) {
    auto opened = co_await way->open();
    if (opened) {
      into = *std::move(opened);
    }
  }
  void settle() {
    io_.restart();
    io_.poll();
  }
  // What the window is told to write.
  std::vector<Bytes> written(const std::string& link) {
    std::vector<Bytes> values;
    for (const auto& [name, params] : events_) {
      if (name == wire::kNearbySend && params["link"] == link) {
        values.push_back(*base64_decode(params["value"].get<std::string>(), 512));
      }
    }
    return values;
  }
  bool told(std::string_view event, const std::string& link) {
    return std::ranges::any_of(
        events_, [&](const auto& one) { return one.first == event && one.second["link"] == link; });
  }
  // The device's greeting: values of up to 182 bytes, 32 pieces are taken.
  Bytes welcome(const std::string& link) {
    const Bytes hello = written(link).at(0);
    Bytes value{129, 1};
    append(value, ByteSpan(hello).subspan(2, 8));
    append(value, Bytes{0, 0, 0, 0, 0, 182, 32});
    return value;
  }

  boost::asio::io_context io_;
  testing::FakeRandom random_;
  std::vector<std::pair<std::string, json>> events_;
  std::vector<std::string> lost_;
  NearbyHost host_;
};

TEST_F(NearbyTest, Row42OneClientHasOneLink) {
  const std::string first = open();
  const auto stream = session(first);
  ASSERT_TRUE(stream && stream->is_open());
  const std::string second = open();
  settle();
  EXPECT_NE(first, second);
  EXPECT_FALSE(stream->is_open()) << "what went over the first went on over the second";
  EXPECT_TRUE(told(wire::kNearbyClosed, first));
  EXPECT_EQ(lost_, std::vector<std::string>{"b:" + first});
  EXPECT_FALSE(host_.find("b:" + first));
  EXPECT_TRUE(open(first).empty()) << "an ended link was connected again";
  EXPECT_TRUE(host_.find("b:" + second)) << "and took the new one with it";
}

TEST_F(NearbyTest, Row42ValuesOfAnotherLinkReachNobody) {
  const std::string first = open();
  const Bytes nonsense{200, 1, 2};
  const std::string second = open();
  const auto stream = session(second);
  ASSERT_TRUE(stream);
  const auto before = written(second).size();
  for (const std::string& other : {first, std::string("n9"), std::string()}) {
    host_.on_value({other, nonsense});
    host_.on_taken({other});
    host_.on_lost({other});
    host_.on_close({other});
  }
  settle();
  EXPECT_TRUE(stream->is_open());
  EXPECT_TRUE(stream->is_connected());
  EXPECT_EQ(written(second).size(), before);
  host_.on_value({second, nonsense});  // it does mean something where it belongs
  EXPECT_FALSE(stream->is_open());
}

TEST_F(NearbyTest, Row42ADeviceThatSendsWithoutEndIsLeft) {
  const std::string link = open();
  const auto stream = session(link);
  ASSERT_TRUE(stream);
  host_.on_value({link, welcome(link)});
  int sent = 0;
  for (; sent < 1000 && stream->is_open(); ++sent) {
    Bytes piece(182, 7);
    piece[0] = static_cast<std::uint8_t>(sent % 128);
    host_.on_value({link, piece});
    settle();
  }
  EXPECT_FALSE(stream->is_open());
  EXPECT_LE(sent * 181, 16384 + 181) << "more was kept than anybody reads";
}

TEST_F(NearbyTest, Row42ADeviceThatSaysTheSameForEverIsLeft) {
  const std::string link = open();
  const auto stream = session(link);
  ASSERT_TRUE(stream);
  host_.on_value({link, welcome(link)});
  const Bytes piece{0, 7};
  int sent = 0;
  for (; sent < 10000 && stream->is_open(); ++sent) {
    host_.on_value({link, piece});
  }
  EXPECT_FALSE(stream->is_open());
  EXPECT_LE(sent, 4098);
}

// A window that says "taken" more often than it was given values, or connects again and again.
TEST_F(NearbyTest, Row42AWindowThatCannotCountHasNoMoreThanItsLink) {
  const std::string link = open();
  const auto stream = session(link);
  ASSERT_TRUE(stream);
  for (int i = 0; i < 100; ++i) {
    host_.on_taken({link});
  }
  EXPECT_TRUE(stream->is_open());
  int connections = 1;
  while (connections < 1000 && stream->is_open()) {
    host_.on_lost({link});
    EXPECT_EQ(open(link), link);
    ++connections;
  }
  settle();
  EXPECT_FALSE(stream->is_open());
  EXPECT_LE(connections, 257);
}

}  // namespace
}  // namespace latchkey::agentd
