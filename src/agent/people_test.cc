// What a device says about its people: what is shown of it to whom, and that nothing odd gets
// through.
#include "agent/people.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/fake_random.h"
#include "wire/cbor.h"

namespace latchkey::agent {
namespace {

using nlohmann::json;

class PeopleTest : public ::testing::Test {
 protected:
  static json person(std::uint64_t number, bool own) {
    return {{"agent", number}, {"own", own}, {"since", 100U}, {"seen", 200U}, {"services", 3U}};
  }
  static json binary(const GrantId& id) {
    return json::binary(std::vector<std::uint8_t>(id.span().begin(), id.span().end()));
  }
  static json own(const GrantId& id) {
    return {{"time", 150U},
            {"kind", "granted"},
            {"own", true},
            {"grant", binary(id)},
            {"detail", "https://video.example"}};
  }
  static wire::Result<json> read(const json& people, const json& events,
                                 const PeopleSight& sight = {true, {}}) {
    return people_json(wire::encode_cbor({{"people", people}, {"events", events}}), sight);
  }
  static wire::Result<json> of_event(const json& event) {
    return read(json::array(), json::array({event}));
  }

  testing::FakeRandom random_;
  GrantId seen_ = GrantId::make(random_);
  GrantId hidden_ = GrantId::make(random_);
};

TEST_F(PeopleTest, ShowsWhatTheDeviceSays) {
  const auto shown =
      read(json::array({person(1, false), person(2, true)}),
           json::array({own(seen_),
                        {{"time", 140U}, {"kind", "paired"}, {"own", false}, {"agent", 1U}},
                        {{"time", 130U}, {"kind", "window_opened"}, {"own", false}}}));
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->at("people"),
            json::parse(R"([{"person":1,"you":false,"since":100,"last_seen":200,"services":3},
                            {"person":2,"you":true,"since":100,"last_seen":200,"services":3}])"));
  EXPECT_EQ(shown->at("events"), json::parse(R"([
      {"time":150,"kind":"granted","person":null,"you":true,"detail":"https://video.example"},
      {"time":140,"kind":"paired","person":1,"you":false,"detail":null},
      {"time":130,"kind":"window_opened","person":null,"you":false,"detail":null}])"));
}

// Row 16: what goes with another profile's grants is not there, and how many there are is not said.
TEST_F(PeopleTest, ABrowserSeesWhatGoesWithItsOwnGrants) {
  const PeopleSight browser{false, [this](const GrantId& id) { return id == seen_; }};
  const auto shown = read(json::array({person(1, false), person(2, true)}),
                          json::array({own(hidden_), own(seen_)}), browser);
  ASSERT_TRUE(shown);
  ASSERT_EQ(shown->at("events").size(), 1U);
  EXPECT_EQ(shown->at("people")[0]["services"], 3);
  EXPECT_TRUE(shown->at("people")[1]["services"].is_null());
}

TEST_F(PeopleTest, OfOthersNoDetailGetsThroughEvenIfTheDeviceTellsIt) {
  json event = own(hidden_);
  event["own"] = false;
  event["agent"] = 1U;
  const auto shown = of_event(event);
  ASSERT_TRUE(shown);
  EXPECT_TRUE(shown->at("events")[0]["detail"].is_null());
}

TEST_F(PeopleTest, TextOfTheDeviceIsMadeSafeToShow) {
  json event = own(seen_);
  event["detail"] =
      "a\x1b[31mb\xe2\x80\xae"
      "c" +
      std::string(1000, 'x');
  const auto shown = of_event(event);
  ASSERT_TRUE(shown);
  const std::string detail = shown->at("events")[0]["detail"];
  EXPECT_LE(detail.size(), 300U);
  EXPECT_EQ(detail.find('\x1b'), std::string::npos);
  EXPECT_EQ(detail.find("\xe2\x80\xae"), std::string::npos);
}

TEST_F(PeopleTest, RefusesAnythingElse) {
  const json event = own(seen_);
  const auto with = [](json base, const char* name, json value) {
    base[name] = std::move(value);
    return base;
  };
  EXPECT_TRUE(of_event(event));
  for (const json& bad :
       {json(7U), with(event, "kind", "Robert'; DROP"), with(event, "kind", ""),
        with(event, "kind", std::string(33, 'a')), with(event, "kind", 1U), with(event, "time", -1),
        with(event, "time", 1ULL << 60), with(event, "own", 1U), with(event, "agent", "x"),
        with(event, "detail", 5U), with(event, "grant", "x"),
        with(event, "grant", json::binary({1, 2, 3}))}) {
    EXPECT_FALSE(of_event(bad)) << bad;
  }
  for (const json& bad :
       {json("x"), with(person(1, true), "agent", -1), with(person(1, true), "own", "yes"),
        with(person(1, true), "since", 1ULL << 60),
        with(person(1, true), "services", json::array())}) {
    EXPECT_FALSE(read(json::array({bad}), json::array())) << bad;
  }
  EXPECT_FALSE(read(json::object(), json::array()));
  EXPECT_FALSE(read(json::array(), 5U));
  json many = json::array();
  for (int i = 0; i < 201; ++i) {
    many.push_back(person(1, false));
  }
  EXPECT_FALSE(read(many, json::array()));
  EXPECT_FALSE(people_json(wire::encode_cbor(json::object()), {true, {}}));
  EXPECT_FALSE(people_json(Bytes{0xff, 0x00}, {true, {}}));
}

}  // namespace
}  // namespace latchkey::agent
