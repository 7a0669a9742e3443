#include "store/device_store.h"

#include <gtest/gtest.h>

#include "store/test_support.h"

namespace latchkey::store {
namespace {

using testing::activated;
using testing::describe;
using testing::host_of;
using testing::id_of;
using testing::key_of;
using testing::make_agent;
using testing::make_device_grant;
using testing::make_profile;

const ByteArray<32> kNewKey = id_of<DeviceId>(99).bytes();

class DeviceStoreTest : public ::testing::Test {
 protected:
  DeviceStoreTest() {
    reopen();
    EXPECT_TRUE(store().create_profile(make_profile(1)));
  }
  void reopen() {
    store_.reset();
    auto opened = DeviceStore::open(folder_.path(), sealer_, random_);
    if (!opened) {
      FAIL() << opened.error().detail;
    }
    store_ = *std::move(opened);
  }
  DeviceStore& store() { return *store_; }
  static GrantKey key(std::uint8_t n, std::uint8_t agent) {
    return {make_agent(agent).key_hash, id_of<GrantId>(n)};
  }
  void add(std::uint8_t n, std::uint8_t agent) {
    ASSERT_TRUE(store().add_pending(make_agent(agent), make_device_grant(n, agent)))
        << store().last_error()->detail;
  }
  std::string stored(std::uint8_t n, std::uint8_t agent) {
    const auto found = store().find(make_agent(agent).key_hash, id_of<GrantId>(n));
    return found ? describe(*found) : "none";
  }
  testing::TempFolder folder_;
  testing::BoundSealer sealer_;
  testing::CountingRandom random_;
  std::unique_ptr<DeviceStore> store_;
};

TEST_F(DeviceStoreTest, KeepsWhoItIs) {
  EXPECT_EQ(store().create_profile(make_profile(2)).error().code, ErrorCode::kConflict);
  ASSERT_TRUE(store().rename("Kitchen"));
  ASSERT_TRUE(store().set_label_key(SecretBytes::copy_of(as_bytes("ABCDEFGHJKMNPQRSTVWXYZ0123"))));
  reopen();
  const DeviceProfile profile = store().profile().value().value();
  EXPECT_EQ(profile.boot_key.public_key(), key_of(1).public_key());
  EXPECT_EQ(profile.discovery_key, make_profile(1).discovery_key);
  EXPECT_EQ(profile.name, "Kitchen");
  EXPECT_EQ(profile.type, "media-cache");
  EXPECT_EQ(as_text(store().label_key().value()->span()), "ABCDEFGHJKMNPQRSTVWXYZ0123");
}

TEST_F(DeviceStoreTest, KeepsAGrantThroughItsLife) {
  grant::DeviceGrant grant = make_device_grant(1, 5);
  add(1, 5);
  reopen();
  EXPECT_EQ(stored(1, 5), describe(grant));
  EXPECT_EQ(store().agent(make_agent(5).key_hash).value()->spki, make_agent(5).spki);
  EXPECT_EQ(store().find_host(host_of(1))->id, grant.id);
  EXPECT_EQ(store().count(make_agent(5).key_hash), 1U);
  EXPECT_TRUE(store().active_grants().value().empty());

  grant = activated(grant);
  ASSERT_TRUE(store().update(grant));
  ASSERT_TRUE(store().confirm(key(1, 5)));
  grant.confirmed = true;
  reopen();
  EXPECT_EQ(stored(1, 5), describe(grant));
  EXPECT_EQ(store().active_grants().value().size(), 1U);

  grant.next_key = key_of(42);
  grant.next_csr = {1, 2, 3};
  ASSERT_TRUE(store().update(grant));
  reopen();
  EXPECT_EQ(stored(1, 5), describe(grant));

  ASSERT_TRUE(store().delete_grant(key(1, 5)));
  reopen();
  EXPECT_EQ(stored(1, 5), "none");
  EXPECT_FALSE(store().last_error()) << "not there is not an error";
  EXPECT_TRUE(store().agent(make_agent(5).key_hash).value()) << "the binding stays";
  EXPECT_EQ(store().delete_grant(key(1, 5)).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(store().update(grant)) << "a deleted grant does not come back";
  EXPECT_EQ(store().last_error()->code, ErrorCode::kNotFound);
}

TEST_F(DeviceStoreTest, RefusesASecondGrantForAHost) {
  add(1, 5);
  grant::DeviceGrant thief = make_device_grant(2, 6);
  thief.host = host_of(1);
  EXPECT_FALSE(store().add_pending(make_agent(6), thief));
  EXPECT_EQ(store().last_error()->code, ErrorCode::kConflict);
  EXPECT_FALSE(store().agent(make_agent(6).key_hash).value()) << "its binding was not stored";
  EXPECT_FALSE(store().add_pending(make_agent(5), make_device_grant(1, 5))) << "nor twice";
}

TEST_F(DeviceStoreTest, TheSameIdOfTwoAgentsIsTwoGrants) {
  add(1, 5);
  grant::DeviceGrant other = make_device_grant(1, 6);
  other.host = host_of(2);
  ASSERT_TRUE(store().add_pending(make_agent(6), other));
  EXPECT_EQ(stored(1, 5), describe(make_device_grant(1, 5)));
  EXPECT_EQ(stored(1, 6), describe(other));
}

TEST_F(DeviceStoreTest, LockoutSurvivesARestart) {
  EXPECT_EQ(store().load(), pairing::WindowRecord{});
  const pairing::WindowRecord record{
      .generation = 7, .open = true, .attempts_left = 2, .exhausted = 3};
  ASSERT_TRUE(store().save(record));
  EXPECT_EQ(store().load(), record);
  reopen();
  EXPECT_EQ(store().load(), record);
}

TEST_F(DeviceStoreTest, AnEditedLockoutIsNoticed) {
  ASSERT_TRUE(store().save({.generation = 7, .open = false, .attempts_left = 0, .exhausted = 3}));
  store_.reset();
  testing::tamper(folder_.file("device.db"), "DELETE FROM pairing_window");
  EXPECT_EQ(DeviceStore::open(folder_.path(), sealer_, random_).error().code, ErrorCode::kCorrupt);
}

TEST_F(DeviceStoreTest, DeletingAnAgentTakesItsGrantsAndReplacesTheDiscoveryKey) {
  add(1, 5);
  add(2, 5);
  add(3, 6);
  ASSERT_TRUE(store().delete_agent(make_agent(5).key_hash, kNewKey));
  reopen();
  EXPECT_EQ(stored(1, 5), "none");
  EXPECT_EQ(stored(2, 5), "none");
  EXPECT_NE(stored(3, 6), "none");
  EXPECT_EQ(store().agents().value().size(), 1U);
  EXPECT_EQ(store().profile().value()->discovery_key, kNewKey);
  EXPECT_EQ(store().delete_agent(make_agent(5).key_hash, {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store().profile().value()->discovery_key, kNewKey);
}

TEST_F(DeviceStoreTest, ASuspensionSurvivesUntilItIsLifted) {
  add(1, 5);
  ASSERT_TRUE(store().update(activated(make_device_grant(1, 5))));
  const std::string before = stored(1, 5);
  ASSERT_TRUE(store().set_suspended(key(1, 5), true));
  ASSERT_TRUE(store().set_suspended(key(1, 5), true));
  reopen();
  EXPECT_EQ(stored(1, 5), before + "|suspended");
  EXPECT_TRUE(store().active_grants().value().front().suspended);
  ASSERT_TRUE(store().set_suspended(key(1, 5), false));
  reopen();
  EXPECT_EQ(stored(1, 5), before);
  EXPECT_EQ(store().set_suspended(key(2, 5), true).error().code, ErrorCode::kNotFound);
}

TEST_F(DeviceStoreTest, WithWhomPeopleSignInSurvives) {
  add(1, 5);
  auto grant = activated(make_device_grant(1, 5));
  ASSERT_TRUE(store().update(grant));
  const std::string before = stored(1, 5);
  ASSERT_TRUE(store().set_sign_in(key(1, 5), *SignInOffer::make("https://a.example/", "video")));
  reopen();
  EXPECT_EQ(stored(1, 5), before + "|https://a.example/ video");
  // A renewal keeps it, and so does another provider without a client.
  ASSERT_TRUE(store().set_sign_in(key(1, 5), *SignInOffer::make("https://b.example", "")));
  auto renewed = store().find(key(1, 5).agent, key(1, 5).grant).value();
  renewed.not_after = renewed.not_after + seconds(60);
  ASSERT_TRUE(store().update(renewed));
  reopen();
  EXPECT_TRUE(stored(1, 5).ends_with("|https://b.example "));
  EXPECT_EQ(
      store().set_sign_in(key(2, 5), *SignInOffer::make("https://b.example", "")).error().code,
      ErrorCode::kNotFound);
}

TEST_F(DeviceStoreTest, KeepsWhatItRegisteredItselfAs) {
  const std::string issuer = "https://a.example";
  ASSERT_TRUE(store().save_sso_client({issuer, "https://x.example/cb", "one", "none", {}}));
  ASSERT_TRUE(store().save_sso_client(
      {issuer, "https://y.example/cb", "two", "basic", SecretBytes::take("hush-hush")}));
  ASSERT_TRUE(store().save_sso_client({issuer, "https://x.example/cb", "three", "none", {}}));
  reopen();
  auto kept = store().sso_clients().value();
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept[0].id, "three");
  EXPECT_TRUE(kept[0].secret.empty());
  EXPECT_EQ(kept[1].auth, "basic");
  EXPECT_EQ(as_text(kept[1].secret.span()), "hush-hush");
  ASSERT_TRUE(store().forget_sso_client(issuer, "https://x.example/cb"));
  ASSERT_TRUE(store().forget_sso_client(issuer, "https://nobody.example/cb"));
  reopen();
  EXPECT_EQ(store().sso_clients().value().size(), 1U);
  ASSERT_TRUE(store().factory_reset(make_profile(2)));
  EXPECT_TRUE(store().sso_clients().value().empty());
}

TEST_F(DeviceStoreTest, DropsWhatNobodyConfirmed) {
  add(1, 5);  // created 3001
  add(2, 5);  // 3002
  add(3, 6);  // 3003
  add(4, 7);  // 3004
  ASSERT_TRUE(store().confirm(key(1, 5)));
  EXPECT_TRUE(store().drop_unconfirmed({3001}, kNewKey).value().empty());
  EXPECT_EQ(store().profile().value()->discovery_key, make_profile(1).discovery_key);
  EXPECT_EQ(store().drop_unconfirmed({3004}, kNewKey).value().size(), 2U);
  reopen();
  EXPECT_NE(stored(1, 5), "none");
  EXPECT_EQ(stored(2, 5), "none");
  EXPECT_EQ(stored(3, 6), "none");
  EXPECT_NE(stored(4, 7), "none") << "still has time";
  EXPECT_TRUE(store().agent(make_agent(5).key_hash).value());
  EXPECT_FALSE(store().agent(make_agent(6).key_hash).value()) << "never came to be";
  EXPECT_EQ(store().profile().value()->discovery_key, kNewKey);
}

TEST_F(DeviceStoreTest, AnAgentsClockNeverGoesBack) {
  add(1, 5);
  const SpkiHash agent = make_agent(5).key_hash;
  const auto floor = [&] { return store().agent(agent).value()->last_seen; };
  ASSERT_TRUE(store().seen(agent, {5000}));
  ASSERT_TRUE(store().seen(agent, {5030}));
  ASSERT_TRUE(store().seen(agent, {4000}));
  EXPECT_EQ(floor(), WallTime{5030});
  reopen();
  EXPECT_EQ(floor(), WallTime{5000}) << "small steps are not written";
  EXPECT_EQ(store().seen(make_agent(9).key_hash, {5000}).error().code, ErrorCode::kNotFound);
}

TEST_F(DeviceStoreTest, TheAuditTrailIsBounded) {
  ASSERT_TRUE(store().record({0, {1}, make_agent(5).key_hash, "paired", id_of<GrantId>(1), "hi"}));
  ASSERT_TRUE(store().record({0, {2}, std::nullopt, "reset", std::nullopt, ""}));
  reopen();
  ASSERT_TRUE(store().record({0, {3}, std::nullopt, "started", std::nullopt, ""}));
  auto events = store().audit(10).value();
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].kind, "started");
  EXPECT_EQ(events[0].number, 3U);
  EXPECT_EQ(events[2].agent, make_agent(5).key_hash);
  EXPECT_EQ(events[2].grant, id_of<GrantId>(1));
  EXPECT_EQ(events[2].detail, "hi");
  EXPECT_EQ(store().audit(1).value().size(), 1U);
  EXPECT_FALSE(store().record({0, {}, {}, "kind", {}, std::string(201, 'x')}));
}

TEST_F(DeviceStoreTest, FactoryResetLeavesNothing) {
  add(1, 5);
  ASSERT_TRUE(store().update(activated(make_device_grant(1, 5))));
  ASSERT_TRUE(store().save({.generation = 7, .open = false, .attempts_left = 0, .exhausted = 3}));
  ASSERT_TRUE(store().set_label_key(SecretBytes(26)));
  ASSERT_TRUE(store().record({0, {1}, make_agent(5).key_hash, "paired", std::nullopt, "trace"}));
  ASSERT_TRUE(store().factory_reset(make_profile(2)));
  const auto check = [&] {
    EXPECT_TRUE(store().agents().value().empty());
    EXPECT_TRUE(store().active_grants().value().empty());
    EXPECT_TRUE(store().audit(10).value().empty());
    EXPECT_FALSE(store().label_key().value());
    EXPECT_EQ(store().load(), pairing::WindowRecord{});
    EXPECT_EQ(store().profile().value()->boot_key.public_key(), key_of(2).public_key());
  };
  check();
  reopen();
  check();
  store_.reset();
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    const Bytes file = testing::read_file(entry.path());
    EXPECT_EQ(as_text(file).find(host_of(1).text()), std::string_view::npos) << entry.path();
    EXPECT_EQ(as_text(file).find("trace"), std::string_view::npos) << entry.path();
  }
}

}  // namespace
}  // namespace latchkey::store
