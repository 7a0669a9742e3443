// What the agent's end makes of what BlueZ says, on a private bus. The other end is a stand-in with
// BlueZ's name; BlueZ itself is in tests/bluetooth.
#include "bluez/central.h"

#include <gtest/gtest.h>
#include <sdbus-c++/sdbus-c++.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bluez/bus.h"
#include "bluez/private_bus.h"

namespace latchkey::bluez {
namespace {

const ServiceNames kNames{
    "33d73d63-0000-49a9-a686-039471b586ae", "33d73d64-0000-49a9-a686-039471b586ae",
    "33d73d65-0000-49a9-a686-039471b586ae", "33d73d66-0000-49a9-a686-039471b586ae"};
const std::vector<std::uint8_t> kRid{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

// Has BlueZ's name, adapters, and devices that their scans have heard. On a thread of its own.
class Air {
 public:
  Air() : connection_(sdbus::createSystemBusConnection()) {
    connection_->addObjectManager("/", sdbus::floating_slot);
    for (const char* path : {"/org/bluez/hci0", "/org/bluez/hci1"}) {
      auto adapter = sdbus::createObject(*connection_, path);
      adapter->registerProperty("Powered").onInterface(kAdapter).withGetter([] { return true; });
      adapter->registerMethod("SetDiscoveryFilter")
          .onInterface(kAdapter)
          .implementedAs([](const Properties&) {});
      adapter->registerMethod("StartDiscovery").onInterface(kAdapter).implementedAs([this] {
        if (busy.exchange(false)) {
          throw sdbus::Error("org.bluez.Error.InProgress", "Operation already in progress");
        }
        ++started;
      });
      adapter->registerMethod("StopDiscovery").onInterface(kAdapter).implementedAs([this] {
        ++stopped;
      });
      adapter->finishRegistration();
      objects_.push_back(std::move(adapter));
    }
    connection_->requestName("org.bluez");
    connection_->enterEventLoopAsync();
  }
  ~Air() { connection_->leaveEventLoop(); }
  // A device that is heard, with what it shows.
  sdbus::IObject& show(const std::string& path, const std::string& uuid,
                       const std::vector<std::uint8_t>& data, std::int16_t rssi, bool tell = true) {
    const auto strength = std::make_shared<std::atomic<std::int16_t>>(rssi);
    strengths_[path] = strength;
    auto device = sdbus::createObject(*connection_, path);
    device->registerProperty("RSSI").onInterface(kDevice).withGetter(
        [strength] { return strength->load(); });
    device->registerProperty("UUIDs").onInterface(kDevice).withGetter(
        [uuid] { return std::vector<std::string>{uuid}; });
    device->registerProperty("ServiceData").onInterface(kDevice).withGetter([uuid, data] {
      return std::map<std::string, sdbus::Variant>{{uuid, sdbus::Variant(data)}};
    });
    device->finishRegistration();
    if (tell) {
      device->emitInterfacesAddedSignal();
    }
    objects_.push_back(std::move(device));
    return *objects_.back();
  }
  void hear_again(sdbus::IObject& device, std::int16_t rssi) {
    *strengths_.at(device.getObjectPath()) = rssi;
    device.emitPropertiesChangedSignal(kDevice, {"RSSI"});
  }
  std::atomic<bool> busy = false;  // once, when a search is to begin
  std::atomic<int> started = 0;
  std::atomic<int> stopped = 0;

 private:
  std::unique_ptr<sdbus::IConnection> connection_;
  std::vector<std::unique_ptr<sdbus::IObject>> objects_;
  std::map<std::string, std::shared_ptr<std::atomic<std::int16_t>>> strengths_;
};

class CentralTest : public testing::Test {
 protected:
  bool until(const std::function<bool()>& so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!so() && std::chrono::steady_clock::now() < end) {
      io.restart();
      io.run_for(std::chrono::milliseconds(10));
    }
    return so();
  }
  Central::Events events() {
    return {.found = [this](const Nearby& nearby) { found[nearby.key] = nearby; },
            .lost = [this](const std::string& key) { found.erase(key); },
            .condition = [this](const Condition& condition) { kind = condition.kind; }};
  }
  void TearDown() override {
    io.restart();
    io.poll();
  }
  PrivateBus bus;
  boost::asio::io_context io{1};
  std::map<std::string, Nearby> found;
  Condition::Kind kind = Condition::Kind::kStarting;
};

TEST_F(CentralTest, FindsWhoShowsTheServiceAndHowStrongItIs) {
  Air air;
  const std::string here = "/org/bluez/hci0/dev_A";
  air.show("/org/bluez/hci0/dev_other", "0000180a-0000-1000-8000-00805f9b34fb", kRid, -40);
  air.show("/org/bluez/hci1/dev_A", kNames.service, kRid, -40);
  auto& device = air.show(here, kNames.service, kRid, -61);
  {
    Central central(io.get_executor(), {"hci0", kNames}, events());
    central.scan(true);
    ASSERT_TRUE(until([&] { return found.contains(here); }));
    EXPECT_EQ(found.size(), 1U) << "another service, and what another adapter hears, are not ours";
    EXPECT_EQ(found[here].rssi, -61);
    ASSERT_TRUE(found[here].rid);
    EXPECT_EQ(std::vector(found[here].rid->begin(), found[here].rid->end()), kRid);

    air.hear_again(device, -48);
    EXPECT_TRUE(until([&] { return found[here].rssi == -48; }));
    air.hear_again(device, 127);
    EXPECT_TRUE(until([&] { return !found[here].rssi; })) << "127: the controller cannot say";

    central.scan(false);
    EXPECT_TRUE(until([&] { return found.empty() && air.stopped == air.started; }));
  }
}

// Controllers report some things only when a search begins, and BlueZ joins searches and rests.
TEST_F(CentralTest, ASearchThatGoesOnIsBegunAnewAndLooksAtWhatBlueZHas) {
  Air air;
  Central central(io.get_executor(), {"", kNames, std::chrono::milliseconds(50)}, events());
  central.scan(true);
  ASSERT_TRUE(until([&] { return air.started >= 3; }));
  EXPECT_GE(air.stopped, 2);
  air.show("/org/bluez/hci0/dev_A", kNames.service, kRid, -61, false);
  EXPECT_TRUE(until([&] { return found.size() == 1; })) << "no signal said that it was heard";

  // In the middle of a round's end or of its beginning, or between: it ends, and stays ended.
  central.scan(false);
  ASSERT_TRUE(until([&] { return found.empty() && air.stopped == air.started; }));
  const int then = air.started;
  io.restart();
  io.run_for(std::chrono::milliseconds(300));
  EXPECT_EQ(air.started, then);
  EXPECT_EQ(air.stopped, then);
  central.scan(true);
  EXPECT_TRUE(until([&] { return air.started > then && found.size() == 1; }));
}

// A search that is refused in between goes on when it can, and forgets nobody meanwhile.
TEST_F(CentralTest, ARoundThatBlueZRefusesIsTriedAgain) {
  Air air;
  air.show("/org/bluez/hci0/dev_A", kNames.service, kRid, -61);
  Central central(io.get_executor(), {"", kNames, std::chrono::milliseconds(50)}, events());
  central.scan(true);
  ASSERT_TRUE(until([&] { return air.started >= 2 && found.size() == 1; }));
  const int then = air.started;
  air.busy = true;
  EXPECT_TRUE(until([&] { return !air.busy && air.started > then + 1; }));
  EXPECT_EQ(found.size(), 1U);
}

TEST_F(CentralTest, LooksAsSoonAsBlueZHasEndedAnotherSearch) {
  Air air;
  air.busy = true;
  Central central(io.get_executor(), {"", kNames}, events());
  central.scan(true);
  EXPECT_TRUE(until([&] { return air.started == 1; }));
}

// Of the wrong size it is no rid; the device is there all the same.
TEST_F(CentralTest, TakesNoRidOfAnotherSize) {
  Air air;
  auto longer = kRid;
  longer.push_back(13);
  air.show("/org/bluez/hci0/dev_A", kNames.service, longer, -61);
  Central central(io.get_executor(), {"", kNames}, events());
  central.scan(true);
  ASSERT_TRUE(until([&] { return found.size() == 1; }));
  EXPECT_FALSE(found.begin()->second.rid);
}

TEST_F(CentralTest, Row42WhoFloodsTheAirMakesNoMoreThan64Rows) {
  Air air;
  for (int i = 0; i < 80; ++i) {
    air.show("/org/bluez/hci0/dev_" + std::to_string(i), kNames.service, kRid, -61);
  }
  Central central(io.get_executor(), {"", kNames}, events());
  central.scan(true);
  ASSERT_TRUE(until([&] { return found.size() >= 64; }));
  air.show("/org/bluez/hci0/dev_weak", kNames.service, kRid, -70);
  // The one in front of the person is listed all the same, in the place of another.
  air.show("/org/bluez/hci0/dev_near", kNames.service, kRid, -30);
  const auto is_found = [&](const char* path) { return found.contains(path); };
  EXPECT_TRUE(until([&] { return is_found("/org/bluez/hci0/dev_near"); }));
  EXPECT_TRUE(until([&] { return air.started == 1; }));
  io.restart();
  io.run_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(is_found("/org/bluez/hci0/dev_weak"));
  EXPECT_EQ(found.size(), 64U);
}

}  // namespace
}  // namespace latchkey::bluez
