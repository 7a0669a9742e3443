// What we export and answer on a real bus, a private one. The other end here is a stand-in with
// BlueZ's name that calls what BlueZ calls; BlueZ itself is in tests/bluetooth.
#include "bluez/peripheral.h"

#include <gtest/gtest.h>
#include <sdbus-c++/sdbus-c++.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bluez/bus.h"
#include "bluez/private_bus.h"

namespace latchkey::bluez {
namespace {

using Kind = Condition::Kind;

// Has BlueZ's name and one adapter, and notes down what it is asked. On a thread of its own.
class StandIn {
 public:
  explicit StandIn(bool adapter) : connection_(sdbus::createSystemBusConnection()) {
    connection_->addObjectManager("/", sdbus::floating_slot);
    if (adapter) {
      object_ = sdbus::createObject(*connection_, "/org/bluez/hci0");
      object_->registerProperty("Powered").onInterface(kAdapter).withGetter([] { return true; });
      const auto note = [this](const char* what) {
        return [this, what](const sdbus::ObjectPath& path, const Properties&) {
          add(std::string(what) + path);
        };
      };
      object_->registerMethod("RegisterApplication")
          .onInterface(kGattManager)
          .implementedAs(note("+"));
      object_->registerMethod("RegisterAdvertisement")
          .onInterface(kAdvertisingManager)
          .implementedAs(note("+"));
      const auto drop = [this](const sdbus::ObjectPath& path) { add("-" + path); };
      object_->registerMethod("UnregisterApplication")
          .onInterface(kGattManager)
          .implementedAs(drop);
      object_->registerMethod("UnregisterAdvertisement")
          .onInterface(kAdvertisingManager)
          .implementedAs(drop);
      object_->finishRegistration();
    }
    connection_->requestName("org.bluez");
    connection_->enterEventLoopAsync();
  }
  ~StandIn() { connection_->leaveEventLoop(); }
  std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  // Who asked: our name on the bus.
  std::string caller() {
    const std::lock_guard lock(mutex_);
    return caller_;
  }

 private:
  void add(std::string what) {
    const std::lock_guard lock(mutex_);
    asked_.push_back(std::move(what));
    caller_ = object_->getCurrentlyProcessedMessage()->getSender();
  }
  std::unique_ptr<sdbus::IConnection> connection_;
  std::unique_ptr<sdbus::IObject> object_;
  std::mutex mutex_;
  std::vector<std::string> asked_;
  std::string caller_;
};

class Ear final : public Peripheral::Listener {
 public:
  void on_connected(std::size_t mtu) override {
    heard.push_back("connected " + std::to_string(mtu));
  }
  void on_disconnected() override { heard.emplace_back("disconnected"); }
  void on_value(Bytes value) override { heard.push_back("value " + std::string(as_text(value))); }
  void on_sent() override { heard.emplace_back("sent"); }
  void on_condition(const Condition& condition) override { kinds.push_back(condition.kind); }
  std::vector<std::string> heard;
  std::vector<Kind> kinds;
};

const ServiceNames kNames{
    "33d73d63-0000-49a9-a686-039471b586ae", "33d73d64-0000-49a9-a686-039471b586ae",
    "33d73d65-0000-49a9-a686-039471b586ae", "33d73d66-0000-49a9-a686-039471b586ae"};
const Rid kRid{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

class PeripheralTest : public testing::Test {
 protected:
  // Runs the loop until it is so.
  bool until(const std::function<bool()>& so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!so() && std::chrono::steady_clock::now() < end) {
      io.restart();
      io.run_for(std::chrono::milliseconds(10));
    }
    return so();
  }
  // Calls one of our methods from another connection, as BlueZ would.
  struct Reply {
    bool done = false;
    std::string error;
    int fd = -1;
    std::uint16_t mtu = 0;
    std::vector<std::uint8_t> bytes;
  };
  void begin(Reply& reply, const std::string& to, const std::string& name, const char* method,
             const std::function<void(sdbus::MethodCall&)>& write,
             const std::function<void(sdbus::MethodReply&)>& read = {}) {
    if (!client) {
      client = sdbus::createSystemBusConnection();
    }
    auto& proxy = proxies.emplace_back(
        sdbus::createProxy(*client, to, "/org/latchkey/bluetooth/service/" + name));
    auto call = proxy->createMethodCall(kCharacteristic, method);
    write(call);
    proxy->callMethod(
        call,
        [&reply, read](sdbus::MethodReply& answer, const sdbus::Error* error) {
          reply.error = error != nullptr ? error->getName() : "";
          if (error == nullptr && read) {
            read(answer);
          }
          reply.done = true;
        },
        0);
  }
  bool finished(const Reply& reply) {
    return until([&] {
      while (client->processPendingRequest()) {
      }
      return reply.done;
    });
  }
  std::string write(const std::string& to, const std::string& device, const std::string& value,
                    std::uint16_t offset = 0) {
    Reply reply;
    begin_write(reply, to, device, value, offset);
    EXPECT_TRUE(finished(reply));
    return reply.error;
  }
  void begin_write(Reply& reply, const std::string& to, const std::string& device,
                   const std::string& value, std::uint16_t offset = 0) {
    begin(reply, to, "to_device", "WriteValue", [&](sdbus::MethodCall& call) {
      call << std::vector<std::uint8_t>(value.begin(), value.end())
           << Properties{{"device", sdbus::Variant(sdbus::ObjectPath(device))},
                         {"mtu", sdbus::Variant(mtu)},
                         {"offset", sdbus::Variant(offset)}};
    });
  }
  int subscribe(const std::string& to) {
    Reply reply;
    begin(
        reply, to, "from_device", "AcquireNotify",
        [&](sdbus::MethodCall& call) { call << Properties{{"mtu", sdbus::Variant(mtu)}}; },
        [&](sdbus::MethodReply& answer) {
          sdbus::UnixFd fd;
          answer >> fd >> reply.mtu;
          reply.fd = fd.release();
        });
    EXPECT_TRUE(finished(reply));
    EXPECT_EQ(reply.mtu, mtu);
    return reply.fd;
  }
  // Of how many the stand-in was asked for so far.
  bool asked(StandIn& of, std::size_t count) {
    return until([&] { return of.asked().size() >= count; });
  }

  PrivateBus bus;
  boost::asio::io_context io{1};
  Ear ear;
  std::uint16_t mtu = 185;
  std::vector<std::unique_ptr<sdbus::IProxy>> proxies;
  std::unique_ptr<sdbus::IConnection> client;
  void TearDown() override {
    proxies.clear();
    client.reset();
    io.restart();
    io.poll();
  }
};

TEST_F(PeripheralTest, SaysWhatIsMissing) {
  ::setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
  {
    Peripheral none(io.get_executor(), {"", kNames}, ear);
    ASSERT_TRUE(until([&] { return none.condition().kind == Kind::kNoBus; }));
  }
  ::setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address().c_str(), 1);
  Peripheral peripheral(io.get_executor(), {"", kNames}, ear);
  ASSERT_TRUE(until([&] { return peripheral.condition().kind == Kind::kNoDaemon; }));
  EXPECT_NE(text_of(peripheral.condition()).find("bluetooth"), std::string::npos);
  {
    const StandIn empty(false);
    ASSERT_TRUE(until([&] { return peripheral.condition().kind == Kind::kNoAdapter; }));
  }
  ASSERT_TRUE(until([&] { return peripheral.condition().kind == Kind::kNoDaemon; }));
  const StandIn whole(true);
  ASSERT_TRUE(until([&] { return peripheral.condition().kind == Kind::kReady; }));
}

TEST_F(PeripheralTest, AnotherAdapterThanTheNamedOneIsNotTaken) {
  const StandIn bluez(true);
  Peripheral peripheral(io.get_executor(), {"hci7", kNames}, ear);
  ASSERT_TRUE(until([&] { return peripheral.condition().kind == Kind::kNoAdapter; }));
}

TEST_F(PeripheralTest, ExportsTheServiceAndTwoAdvertisementsWhileItIsToBeSeen) {
  StandIn bluez(true);
  Peripheral peripheral(io.get_executor(), {"hci0", kNames}, ear);
  ASSERT_TRUE(until([&] { return peripheral.condition().kind == Kind::kReady; }));
  EXPECT_TRUE(bluez.asked().empty()) << "nothing is there before it is wanted";
  peripheral.advertise(kRid);
  ASSERT_TRUE(asked(bluez, 3));
  EXPECT_EQ(bluez.asked(),
            (std::vector<std::string>{"+/org/latchkey/bluetooth", "+/org/latchkey/advert/service0",
                                      "+/org/latchkey/advert/rid0"}));
  // The tree, read as BlueZ reads it.
  client = sdbus::createSystemBusConnection();
  auto proxy = sdbus::createProxy(*client, bluez.caller(), "/org/latchkey/bluetooth");
  Objects objects;
  bool done = false;
  proxy->callMethodAsync("GetManagedObjects")
      .onInterface(kObjectManager)
      .uponReplyInvoke([&](const sdbus::Error* error, const Objects& got) {
        EXPECT_EQ(error, nullptr);
        objects = got;
        done = true;
      });
  ASSERT_TRUE(until([&] {
    while (client->processPendingRequest()) {
    }
    return done;
  }));
  const std::string service = "/org/latchkey/bluetooth/service";
  EXPECT_EQ(objects[service][kGattService].at("UUID").get<std::string>(), kNames.service);
  const auto flags = [&](const char* name) {
    return objects[service + "/" + name][kCharacteristic]
        .at("Flags")
        .get<std::vector<std::string>>();
  };
  // With "write-without-response" beside it BlueZ would answer before we do.
  EXPECT_EQ(flags("to_device"), std::vector<std::string>{"write"});
  EXPECT_EQ(flags("from_device"), std::vector<std::string>{"notify"});
  EXPECT_EQ(flags("rid"), std::vector<std::string>{"read"});
  proxy.reset();

  Rid other = kRid;
  other[0] = 99;
  peripheral.advertise(other);
  ASSERT_TRUE(asked(bluez, 7)) << "another rid: both are withdrawn, and both shown anew";
  EXPECT_EQ(bluez.asked().back(), "+/org/latchkey/advert/rid1");
  peripheral.advertise(std::nullopt);
  ASSERT_TRUE(asked(bluez, 10));
  EXPECT_EQ(bluez.asked().back(), "-/org/latchkey/bluetooth");
}

TEST_F(PeripheralTest, ServesOneCentralAndAnswersItWhenAValueIsTaken) {
  StandIn bluez(true);
  Peripheral peripheral(io.get_executor(), {"", kNames}, ear);
  peripheral.advertise(kRid);
  ASSERT_TRUE(asked(bluez, 3));
  const std::string us = bluez.caller();
  EXPECT_EQ(write(us, "/org/bluez/hci0/dev_A", "x"), "org.bluez.Error.NotPermitted")
      << "it has not subscribed";
  const int fd = subscribe(us);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(write(us, "/org/bluez/hci0/dev_A", ""), "org.bluez.Error.InvalidValueLength");
  EXPECT_EQ(write(us, "/org/bluez/hci0/dev_A", std::string(513, 'x')),
            "org.bluez.Error.InvalidValueLength");
  EXPECT_EQ(write(us, "/org/bluez/hci0/dev_A", "x", 1), "org.bluez.Error.InvalidOffset");
  EXPECT_TRUE(ear.heard.empty());

  Reply first;
  begin_write(first, us, "/org/bluez/hci0/dev_A", "hello");
  ASSERT_TRUE(until([&] { return ear.heard.size() == 2; }));
  EXPECT_EQ(ear.heard, (std::vector<std::string>{"connected 185", "value hello"}));
  EXPECT_EQ(write(us, "/org/bluez/hci0/dev_B", "me too"), "org.bluez.Error.NotPermitted");
  EXPECT_FALSE(first.done) << "it is answered before it was taken";
  peripheral.taken();
  EXPECT_TRUE(finished(first));
  EXPECT_EQ(first.error, "");

  peripheral.send(to_bytes(as_bytes("welcome")));
  ASSERT_TRUE(until([&] { return ear.heard.size() == 3; }));
  EXPECT_EQ(ear.heard.back(), "sent");
  char value[512];
  ASSERT_EQ(::recv(fd, value, sizeof value, 0), 7);
  EXPECT_EQ(std::string(value, 7), "welcome");

  // Not to be seen any more: who is there may go on, nobody else may begin.
  peripheral.advertise(std::nullopt);
  Reply second;
  begin_write(second, us, "/org/bluez/hci0/dev_A", "more");
  ASSERT_TRUE(until([&] { return ear.heard.back() == "value more"; }));
  peripheral.taken();
  EXPECT_TRUE(finished(second));
  ::close(fd);
  ASSERT_TRUE(until([&] { return ear.heard.back() == "disconnected"; }));
  ASSERT_GE(subscribe(us), 0);
  EXPECT_EQ(write(us, "/org/bluez/hci0/dev_A", "again"), "org.bluez.Error.NotPermitted");
}

// bluetoothd refuses what is longer than 510 bytes before we hear of it, whatever the MTU.
TEST_F(PeripheralTest, AsksForNoLongerValuesThanBluetoothdTakes) {
  StandIn bluez(true);
  Peripheral peripheral(io.get_executor(), {"", kNames}, ear);
  peripheral.advertise(kRid);
  ASSERT_TRUE(asked(bluez, 3));
  mtu = 517;
  const int fd = subscribe(bluez.caller());
  ASSERT_GE(fd, 0);
  Reply reply;
  begin_write(reply, bluez.caller(), "/org/bluez/hci0/dev_A", std::string(512, 'x'));
  ASSERT_TRUE(until([&] { return ear.heard.size() == 2; }));
  EXPECT_EQ(ear.heard.front(), "connected 513");
  peripheral.taken();
  EXPECT_TRUE(finished(reply));
  ::close(fd);
}

TEST_F(PeripheralTest, BeginsAnewWithABlueZThatCameBack) {
  Peripheral peripheral(io.get_executor(), {"", kNames}, ear);
  peripheral.advertise(kRid);
  {
    StandIn bluez(true);
    ASSERT_TRUE(asked(bluez, 3));
    const int fd = subscribe(bluez.caller());
    Reply reply;
    begin_write(reply, bluez.caller(), "/org/bluez/hci0/dev_A", "hello");
    ASSERT_TRUE(until([&] { return ear.heard.size() == 2; }));
    ::close(fd);
  }
  ASSERT_TRUE(until([&] { return ear.heard.back() == "disconnected"; }));
  StandIn again(true);
  ASSERT_TRUE(asked(again, 3)) << "what was wanted is asked of the new one";
  EXPECT_EQ(peripheral.condition().kind, Kind::kReady);
}

}  // namespace
}  // namespace latchkey::bluez
