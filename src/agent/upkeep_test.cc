#include "agent/upkeep.h"

#include <gtest/gtest.h>

#include "support/fake_random.h"
#include "support/memory_records.h"

namespace latchkey::agent {
namespace {

using namespace std::chrono_literals;

class UpkeepTest : public ::testing::Test {
 protected:
  UpkeepTest() {
    const auto key = crypto::PrivateKey::generate();
    binding_ = grant::Binding{.device = device_,
                              .boot_spki = {},
                              .management_key = key,
                              .discovery_key = {},
                              .name = "Cache",
                              .type = "media-cache",
                              .model = {},
                              .firmware = {},
                              .address = {},
                              .port = 0,
                              .bound_at = clock_.wall,
                              .reset = false};
    const grant::AgentGrant grant{.id = GrantId::make(random_),
                                  .profile = ProfileId::make(random_),
                                  .device = device_,
                                  .origin = Origin::parse("https://video.example"),
                                  .host = *HostName::parse("media-cache-k3f7x2m7q4ab.local"),
                                  .sub = {},
                                  .ca_key = key,
                                  .ca_certificate = {},
                                  .ticket_key = key,
                                  .offer = {},
                                  .leaf = {1},
                                  .not_after = clock_.wall + 7 * 86400s,
                                  .renew_at = clock_.wall,
                                  .port = 8443,
                                  .state = grant::State::kActive,
                                  .created = clock_.wall - 2 * 86400s,
                                  .last_used = {},
                                  .block_until = {}};
    EXPECT_TRUE(records_.save_issued(*binding_, grant));
  }
  std::size_t due() { return upkeep_.due(records_, clock_.wall, clock_.mono).size(); }

  testing::FakeRandom random_;
  testing::FixedClock clock_;
  testing::MemoryRecords records_{random_, clock_};
  DeviceId device_{ByteArray<32>{1}};
  std::optional<grant::Binding> binding_;
  Upkeep upkeep_;
};

TEST_F(UpkeepTest, ADeviceIsVisitedByOneAtATime) {
  EXPECT_EQ(due(), 1U);
  upkeep_.begin(device_);
  EXPECT_EQ(due(), 0U);
  upkeep_.end(device_, true, clock_.mono);
  EXPECT_EQ(due(), 1U);
}

TEST_F(UpkeepTest, WhatBecomesDueDuringAVisitIsLookedAtWhenItEnds) {
  upkeep_.begin(device_);
  EXPECT_EQ(due(), 0U);
  EXPECT_TRUE(upkeep_.end(device_, true, clock_.mono));
  upkeep_.begin(device_);
  EXPECT_FALSE(upkeep_.end(device_, true, clock_.mono)) << "nobody looked";
  upkeep_.begin(device_);
  EXPECT_EQ(due(), 0U);
  EXPECT_FALSE(upkeep_.end(device_, false, clock_.mono)) << "it is away";
}

TEST_F(UpkeepTest, ADeviceThatIsAwayIsAskedLessAndLess) {
  std::chrono::milliseconds wait = kFirstRetry;
  for (int i = 0; i < 12; ++i) {
    upkeep_.begin(device_);
    upkeep_.end(device_, false, clock_.mono);
    clock_.mono = clock_.mono + (wait - 1ms);
    EXPECT_EQ(due(), 0U) << i;
    clock_.mono = clock_.mono + 1ms;
    EXPECT_EQ(due(), 1U) << i;
    wait = std::min(wait * 2, kLastRetry);
  }
}

TEST_F(UpkeepTest, AfterSleepEverythingIsTriedAtOnce) {
  EXPECT_FALSE(upkeep_.on_time(clock_.wall, clock_.mono));
  upkeep_.begin(device_);
  upkeep_.end(device_, false, clock_.mono);
  clock_.pass(10s);
  EXPECT_FALSE(upkeep_.on_time(clock_.wall, clock_.mono));
  EXPECT_EQ(due(), 0U);
  clock_.wall = clock_.wall + 8h;
  EXPECT_TRUE(upkeep_.on_time(clock_.wall, clock_.mono));
  EXPECT_EQ(due(), 1U);
  // Turned back counts as well.
  clock_.wall = clock_.wall - 8h;
  EXPECT_TRUE(upkeep_.on_time(clock_.wall, clock_.mono));
}

TEST_F(UpkeepTest, ANewGrantIsNamedToItsDeviceOnce) {
  auto young = records_.grants().front();
  young.created = clock_.wall;
  young.renew_at = clock_.wall + 86400s;
  ASSERT_TRUE(records_.save_issued(*binding_, young));
  const auto visit = upkeep_.due_for(records_, device_, clock_.wall);
  ASSERT_TRUE(visit);
  EXPECT_TRUE(visit->check_in);
  upkeep_.checked_in(device_, clock_.wall + 1s);
  EXPECT_FALSE(upkeep_.due_for(records_, device_, clock_.wall + 1s));
}

TEST_F(UpkeepTest, AForgottenDeviceIsToldUntilItHeard) {
  ASSERT_TRUE(records_.forget_device(device_, clock_.wall));
  const auto visits = upkeep_.due(records_, clock_.wall, clock_.mono);
  ASSERT_EQ(visits.size(), 1U);
  ASSERT_TRUE(visits[0].forget);
  EXPECT_EQ(visits[0].binding.management_key.public_key(), binding_->management_key.public_key());
  upkeep_.begin(device_);
  EXPECT_EQ(due(), 0U);
  upkeep_.end(device_, false, clock_.mono);
  EXPECT_EQ(due(), 0U) << "it is away";
  clock_.mono = clock_.mono + kFirstRetry;
  EXPECT_EQ(due(), 1U);
  ASSERT_TRUE(records_.settle(*visits[0].forget));
  EXPECT_EQ(due(), 0U);
}

TEST_F(UpkeepTest, ADevicePairedAnewIsVisitedOnceAtATime) {
  const auto grant = records_.grants().front();
  ASSERT_TRUE(records_.forget_device(device_, clock_.wall));
  auto anew = grant;
  anew.id = GrantId::make(random_);
  ASSERT_TRUE(records_.save_issued(*binding_, anew));
  const auto visits = upkeep_.due(records_, clock_.wall, clock_.mono);
  ASSERT_EQ(visits.size(), 1U);
  EXPECT_FALSE(visits[0].forget) << "what is in use first";
  upkeep_.begin(device_);
  upkeep_.checked_in(device_, clock_.wall);
  auto done = anew;
  done.renew_at = clock_.wall + 86400s;
  ASSERT_TRUE(records_.save_renewed(done));
  EXPECT_TRUE(upkeep_.end(device_, true, clock_.mono)) << "and the rest at once afterwards";
  const auto after = upkeep_.due(records_, clock_.wall, clock_.mono);
  ASSERT_EQ(after.size(), 1U);
  EXPECT_TRUE(after[0].forget);
}

TEST_F(UpkeepTest, TenThousandGrantsThatAreNotDueAreNotRead) {
  auto quiet = records_.grants().front();
  quiet.created = clock_.wall - 2 * 86400s;
  for (int i = 0; i < 10'000; ++i) {
    quiet.id = GrantId::make(random_);
    quiet.host = *HostName::direct("device-" + std::to_string(i));
    quiet.renew_at = clock_.wall + seconds(1000 + i);
    records_.add(quiet);
  }
  auto due_one = records_.grants().front();
  due_one.renew_at = clock_.wall + 500s;
  ASSERT_TRUE(records_.save_renewed(due_one));
  records_.rows_read = 0;
  EXPECT_EQ(due(), 0U);
  EXPECT_EQ(upkeep_.idle(records_, clock_.wall, clock_.mono), 500s);
  EXPECT_EQ(records_.rows_read, 0U);
  clock_.pass(1002s);
  EXPECT_EQ(due(), 1U);
  EXPECT_EQ(records_.rows_read, 4U) << "the three that are due, and the one before them";
}

TEST_F(UpkeepTest, SleepsUntilTheNextThingThatIsDue) {
  upkeep_.begin(device_);
  upkeep_.end(device_, true, clock_.mono);
  auto grant = records_.grants().front();
  grant.renew_at = clock_.wall + 3 * 86400s;
  ASSERT_TRUE(records_.save_renewed(grant));
  EXPECT_EQ(upkeep_.idle(records_, clock_.wall, clock_.mono), kLongestSleep);
  grant.renew_at = clock_.wall + 3600s;
  ASSERT_TRUE(records_.save_renewed(grant));
  EXPECT_EQ(upkeep_.idle(records_, clock_.wall, clock_.mono), 3600s);
  // What is overdue waits for its device; what comes after it is not forgotten over it.
  clock_.pass(3600s);
  upkeep_.begin(device_);
  upkeep_.end(device_, false, clock_.mono);
  EXPECT_EQ(upkeep_.idle(records_, clock_.wall, clock_.mono), kFirstRetry);
  ASSERT_TRUE(records_.revoke(grant.id, clock_.wall + 10s));
  EXPECT_EQ(upkeep_.idle(records_, clock_.wall, clock_.mono), 10s);
}

TEST_F(UpkeepTest, ManyDevicesAreVisitedAFewAtATimeTheMostUrgentFirst) {
  auto grant = records_.grants().front();
  std::vector<DeviceId> devices;
  for (std::uint8_t i = 2; i < 40; ++i) {
    auto binding = *binding_;
    binding.device = grant.device = DeviceId(ByteArray<32>{i});
    grant.id = GrantId::make(random_);
    grant.host = *HostName::direct("device-" + std::to_string(i));
    grant.renew_at = clock_.wall - seconds(i);
    ASSERT_TRUE(records_.save_issued(binding, grant));
    devices.insert(devices.begin(), binding.device);
  }
  const auto visits = upkeep_.due(records_, clock_.wall, clock_.mono);
  ASSERT_EQ(visits.size(), kMaxVisits);
  for (std::size_t i = 0; i < visits.size(); ++i) {
    EXPECT_EQ(visits[i].binding.device, devices[i]) << i;
    upkeep_.begin(visits[i].binding.device);
  }
  EXPECT_EQ(due(), 0U);
  EXPECT_TRUE(upkeep_.end(devices[0], false, clock_.mono)) << "another has its turn";
  EXPECT_EQ(due(), 1U);
}

}  // namespace
}  // namespace latchkey::agent
