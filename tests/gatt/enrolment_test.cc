// Pairing and enrolment, unchanged, over a simulated GATT: every MTU, and every accident to every
// value. From the code to a certificate that would be served, or to an end that grants nothing.
#include <gtest/gtest.h>

#include "crypto/x509.h"
#include "support/gatt_enrolment.h"

namespace latchkey {
namespace {

using testing::GattHouse;
using testing::GattWire;
using Fate = GattWire::Fate;

class GattEnrolmentTest : public ::testing::Test {
 protected:
  void expect_served(const GattHouse::Outcome& outcome) {
    ASSERT_TRUE(outcome.enrolled) << (outcome.agent_error ? outcome.agent_error->detail : "");
    EXPECT_TRUE(outcome.installed);
    EXPECT_TRUE(outcome.stopped);
    ASSERT_EQ(house_.grants.grants.size(), 1U);
    const auto& grant = house_.grants.grants.begin()->second;
    EXPECT_EQ(grant.state, grant::State::kActive);
    EXPECT_TRUE(crypto::verify_server_chain(grant.leaf, grant.grant_ca,
                                            house_.desk->root().certificate,
                                            house_.desk->host.text(), testing::kWall));
  }
  // How many values it takes when nothing happens.
  int values(std::size_t mtu) {
    GattWire wire;
    expect_served(house_.run(wire, mtu, mtu));
    return wire.values;
  }
  GattHouse house_;
};

TEST_F(GattEnrolmentTest, AtEveryMtu) {
  for (std::size_t mtu = gatt::kMinMtu; mtu <= gatt::kMaxMtu; ++mtu) {
    SCOPED_TRACE(mtu);
    GattWire wire;
    const auto outcome = house_.run(wire, mtu, mtu);
    expect_served(outcome);
    EXPECT_EQ(outcome.messages, 9);
    EXPECT_LE(std::max(wire.longest[0], wire.longest[1]), gatt::value_size(mtu));
    EXPECT_LT(wire.bytes[0] + wire.bytes[1], 8000U);
  }
}

TEST_F(GattEnrolmentTest, ACentralThatDoesNotKnowTheMtu) {
  GattWire wire;
  expect_served(house_.run(wire, 0, 247));
  EXPECT_EQ(wire.longest[GattWire::kCentral], 244U);
}

TEST_F(GattEnrolmentTest, EachValueLostRepeatedOvertakenOrTheLastOfItsConnection) {
  for (const std::size_t mtu : {185U, 517U}) {
    const int count = values(mtu);
    for (const Fate fate : {Fate::kDrop, Fate::kRepeat, Fate::kOvertaken, Fate::kDisconnect}) {
      for (int n = 0; n < count - 1; ++n) {
        SCOPED_TRACE(::testing::Message() << mtu << " " << static_cast<int>(fate) << " " << n);
        GattWire wire;
        wire.fate = [&](int value) { return value == n ? fate : Fate::kDeliver; };
        expect_served(house_.run(wire, mtu, mtu));
      }
    }
  }
}

// At the smallest MTU it is hundreds of values: one in eleven, each time others.
TEST_F(GattEnrolmentTest, ManyAccidentsAtTheSmallestMtu) {
  for (const Fate fate : {Fate::kDrop, Fate::kRepeat, Fate::kOvertaken, Fate::kDisconnect}) {
    for (int first = 0; first < 11; ++first) {
      SCOPED_TRACE(::testing::Message() << static_cast<int>(fate) << " " << first);
      GattWire wire;
      wire.fate = [&](int value) { return value % 11 == first ? fate : Fate::kDeliver; };
      const auto outcome = house_.run(wire, 23, 23);
      // The farewell may be the one that is lost: what was agreed on holds all the same.
      expect_served(outcome);
    }
  }
}

// threats.md row 42: a peripheral that changes its mind. After a lost connection somebody else goes
// on with the session, who knows its id and its place in the stream but not the keys.
TEST_F(GattEnrolmentTest, Row42AnotherDeviceAfterALostConnection) {
  int last = 0;  // the last value with something of the device's stream
  {
    GattWire wire;
    wire.tamper = [&](GattWire::Side from, const Bytes& value) {
      last = from == GattWire::kPeripheral && value[0] < 0x80 ? wire.values : last;
    };
    expect_served(house_.run(wire, 185, 185));
  }
  for (int n = 2; n <= last; ++n) {
    SCOPED_TRACE(n);
    GattWire wire;
    bool taken_over = false;
    wire.fate = [&](int value) {
      taken_over = taken_over || value == n;
      return value == n ? Fate::kDisconnect : Fate::kDeliver;
    };
    wire.tamper = [&](GattWire::Side from, Bytes& value) {
      if (taken_over && from == GattWire::kPeripheral && value[0] < 0x80) {
        value.back() ^= 1U;
      }
    };
    const auto outcome = house_.run(wire, 185, 185);
    EXPECT_FALSE(outcome.enrolled);
    EXPECT_EQ(house_.desk->installs, 0);
    EXPECT_TRUE(outcome.stopped);
  }
}

TEST_F(GattEnrolmentTest, Row42ADeviceThatIsNotTheOneOfTheLink) {
  GattWire wire;
  GattHouse other;
  const auto outcome = house_.run(wire, 185, 185, other.id());
  ASSERT_TRUE(outcome.agent_error);
  EXPECT_FALSE(outcome.enrolled);
  EXPECT_TRUE(house_.grants.grants.empty());
}

}  // namespace
}  // namespace latchkey
