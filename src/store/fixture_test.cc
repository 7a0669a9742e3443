// Stores that older versions wrote still open, and say the same. testdata/*-vN.sql were written by
// version N of the schema with testdata/make_fixtures.sh; a new version adds a file and keeps the
// old ones.
#include <gtest/gtest.h>

#include <cstdlib>

#include "store/test_support.h"

namespace latchkey::store {
namespace {

using testing::activated;
using testing::describe;
using testing::id_of;
using testing::issued;
using testing::key_of;
using testing::make_agent;
using testing::make_binding;
using testing::make_device_grant;
using testing::make_grant;
using testing::make_profile;

constexpr WallTime kNow{4000};
constexpr Ending kEnding{{6000}, {96400}};

// What version 2 added.
grant::Binding proven_binding() {
  grant::Binding binding = make_binding(9);
  binding.evidence = {1, 2, 3, 4};
  return binding;
}

void fill(AgentStore& store) {
  ASSERT_TRUE(store.create_user({SecretBytes::copy_of(Bytes(32, 9)), key_of(5), {1, 2}, {77}}));
  ASSERT_TRUE(store.set_root_installed_at(WallTime{123}));
  for (const std::uint8_t n : {std::uint8_t{1}, std::uint8_t{2}}) {
    const grant::AgentGrant grant = make_grant(n, 7);
    ASSERT_TRUE(store.save_pending(make_binding(7), grant, kNow));
    ASSERT_TRUE(store.save_issued(make_binding(7), issued(grant), kNow));
    ASSERT_TRUE(store.activate(grant.id, 8443));
  }
  ASSERT_TRUE(store.save_pending(make_binding(8), make_grant(3, 8), kNow));
  store.touch(id_of<GrantId>(1), {4444});
  ASSERT_TRUE(store.revoke(id_of<GrantId>(2), kEnding));
  const grant::AgentGrant held = make_grant(4, 9);
  ASSERT_TRUE(store.save_pending(proven_binding(), held, kNow));
  ASSERT_TRUE(store.save_issued(proven_binding(), issued(held), kNow));
  ASSERT_TRUE(store.activate(held.id, 8443));
  ASSERT_TRUE(store.suspend(held.id, grant::Hold::kOriginRevoked));
  ASSERT_TRUE(store.set_told_held(held.id, true));
}

void check(AgentStore& store) {
  const User user = store.user().value().value();
  EXPECT_EQ(to_bytes(user.secret.span()), Bytes(32, 9));
  EXPECT_EQ(user.root_key.public_key(), key_of(5).public_key());
  EXPECT_EQ(store.root_installed_at().value(), WallTime{123});
  EXPECT_EQ(describe(store.binding(id_of<DeviceId>(7)).value().value()), describe(make_binding(7)));
  grant::AgentGrant active = issued(make_grant(1, 7));
  active.state = grant::State::kActive;
  active.port = 8443;
  active.offer.clear();
  active.last_used = {4444};
  const auto grants = store.grants(Scope::everything()).value();
  ASSERT_GE(grants.size(), 3U);
  EXPECT_EQ(describe(grants[0]), describe(active));
  EXPECT_EQ(grants[1].state, grant::State::kRevoked);
  EXPECT_EQ(describe(grants[2]), describe(make_grant(3, 8)));
  ASSERT_EQ(store.deletions().value().size(), 1U);
}

void check_version2(AgentStore& store) {
  check(store);
  EXPECT_EQ(describe(store.binding(id_of<DeviceId>(9)).value().value()),
            describe(proven_binding()));
  grant::AgentGrant held = issued(make_grant(4, 9));
  held.state = grant::State::kSuspended;
  held.hold = grant::Hold::kOriginRevoked;
  held.told_held = true;
  held.port = 8443;
  held.offer.clear();
  EXPECT_EQ(describe(store.grant(Scope::everything(), held.id).value().value()), describe(held));
}

void fill(DeviceStore& store) {
  ASSERT_TRUE(store.create_profile(make_profile(1)));
  ASSERT_TRUE(store.set_label_key(SecretBytes(26)));
  ASSERT_TRUE(store.save({.generation = 7, .open = false, .attempts_left = 0, .exhausted = 3}));
  ASSERT_TRUE(store.add_pending(make_agent(5), make_device_grant(1, 5)));
  ASSERT_TRUE(store.update(activated(make_device_grant(1, 5))));
  ASSERT_TRUE(store.add_pending(make_agent(6), make_device_grant(2, 6)));
  ASSERT_TRUE(store.add_pending(make_agent(5), make_device_grant(3, 5)));
  ASSERT_TRUE(store.update(activated(make_device_grant(3, 5))));
  ASSERT_TRUE(store.set_suspended({make_agent(5).key_hash, id_of<GrantId>(3)}, true));
  ASSERT_TRUE(store.record({0, {1}, make_agent(5).key_hash, "paired", id_of<GrantId>(1), "x"}));
}

// What version 3 added.
void fill_version3(DeviceStore& store) {
  grant::DeviceGrant signs_in = make_device_grant(5, 6);
  signs_in.sso = SignInOffer::make("https://accounts.example", "video");
  ASSERT_TRUE(store.add_pending(make_agent(6), signs_in));
  ASSERT_TRUE(store.save_sso_client({"https://accounts.example", "https://video.example/cb",
                                     "device", "basic", SecretBytes::take("s")}));
}

void check_version3(DeviceStore& store) {
  const auto signs_in = store.find(make_agent(6).key_hash, id_of<GrantId>(5));
  ASSERT_TRUE(signs_in);
  EXPECT_EQ(signs_in->sso, SignInOffer::make("https://accounts.example", "video"));
  const auto clients = store.sso_clients().value();
  ASSERT_EQ(clients.size(), 1U);
  EXPECT_EQ(clients[0].id, "device");
}

void check(DeviceStore& store) {
  EXPECT_EQ(store.profile().value()->boot_key.public_key(), key_of(1).public_key());
  EXPECT_EQ(store.label_key().value()->size(), 26U);
  EXPECT_EQ(store.load().exhausted, 3U);
  EXPECT_EQ(describe(store.find(make_agent(5).key_hash, id_of<GrantId>(1)).value()),
            describe(activated(make_device_grant(1, 5))));
  EXPECT_EQ(describe(store.find(make_agent(6).key_hash, id_of<GrantId>(2)).value()),
            describe(make_device_grant(2, 6)));
  EXPECT_EQ(store.audit(9).value().size(), 1U);
}

class FixtureTest : public ::testing::Test {
 protected:
  // Makes the store that a fixture describes.
  void load(const std::string& fixture, const std::string& file) {
    std::filesystem::create_directories(folder_.path());
    testing::write_file(folder_.file(file), {});
    const Bytes sql = testing::read_file(std::filesystem::path(LATCHKEY_SOURCE_DIR) / "src" /
                                         "store" / "testdata" / fixture);
    ASSERT_FALSE(sql.empty()) << fixture;
    testing::tamper(folder_.file(file), std::string(as_text(sql)));
  }
  testing::TempFolder folder_;
  FileModeSealer sealer_;
  testing::CountingRandom random_;
};

TEST_F(FixtureTest, AgentVersion1) {
  load("agent-v1.sql", "agent.db");
  auto store = AgentStore::open(folder_.path(), sealer_, random_);
  ASSERT_TRUE(store) << store.error().detail;
  check(*store);
  // And goes on as a store of today: the rows of then take the new columns.
  ASSERT_TRUE(store->suspend(id_of<GrantId>(1), grant::Hold::kDeviceRevoked));
  ASSERT_TRUE(store->set_told_held(id_of<GrantId>(1), true));
}

TEST_F(FixtureTest, AgentVersion2) {
  load("agent-v2.sql", "agent.db");
  auto store = AgentStore::open(folder_.path(), sealer_, random_);
  ASSERT_TRUE(store) << store.error().detail;
  check_version2(*store);
  ASSERT_TRUE(store->resume(id_of<GrantId>(4)));
}

TEST_F(FixtureTest, AgentVersion3) {
  load("agent-v3.sql", "agent.db");
  auto store = AgentStore::open(folder_.path(), sealer_, random_);
  ASSERT_TRUE(store) << store.error().detail;
  check_version2(*store);
  EXPECT_GT(store->generation(), 10U);
}

// What version 3 added: an id, a generation and a head, from the first opening on.
TEST_F(FixtureTest, AnOldStoreGetsItsHead) {
  load("agent-v2.sql", "agent.db");
  ByteArray<16> id{};
  {
    auto store = AgentStore::open(folder_.path(), sealer_, random_);
    ASSERT_TRUE(store) << store.error().detail;
    id = store->id();
    EXPECT_NE(id, ByteArray<16>{});
    EXPECT_EQ(store->generation(), 1U);
  }
  {
    auto store = AgentStore::open(folder_.path(), sealer_, random_);
    ASSERT_TRUE(store);
    EXPECT_EQ(store->id(), id);
    ASSERT_TRUE(store->resume(id_of<GrantId>(4)));
    EXPECT_EQ(store->generation(), 2U);
  }
  // And can be sealed.
  testing::BoundSealer next;
  auto store = AgentStore::open(folder_.path(), sealer_, random_);
  ASSERT_TRUE(store->reseal(next));
  check(*store);
}

TEST_F(FixtureTest, DeviceVersion3) {
  load("device-v3.sql", "device.db");
  auto store = DeviceStore::open(folder_.path(), sealer_, random_);
  ASSERT_TRUE(store) << store.error().detail;
  check(**store);
  check_version3(**store);
}

TEST_F(FixtureTest, DeviceVersion1) {
  load("device-v1.sql", "device.db");
  auto store = DeviceStore::open(folder_.path(), sealer_, random_);
  ASSERT_TRUE(store) << store.error().detail;
  check(**store);
  // And goes on as a store of today: the rows of then take the new column.
  ASSERT_TRUE((*store)->set_suspended({make_agent(5).key_hash, id_of<GrantId>(1)}, true));
  const SignInOffer named = *SignInOffer::make("https://accounts.example", "");
  ASSERT_TRUE((*store)->set_sign_in({make_agent(5).key_hash, id_of<GrantId>(1)}, named));
}

TEST_F(FixtureTest, DeviceVersion2) {
  load("device-v2.sql", "device.db");
  auto store = DeviceStore::open(folder_.path(), sealer_, random_);
  ASSERT_TRUE(store) << store.error().detail;
  check(**store);
  EXPECT_TRUE((*store)->find(make_agent(5).key_hash, id_of<GrantId>(3))->suspended);
}

// Run by make_fixtures.sh only.
TEST_F(FixtureTest, DISABLED_Write) {
  const char* folder = std::getenv("LATCHKEY_FIXTURE_DIR");
  ASSERT_NE(folder, nullptr);
  auto agent = AgentStore::open(folder, sealer_, random_);
  ASSERT_TRUE(agent) << agent.error().detail;
  fill(*agent);
  check_version2(*agent);
  auto device = DeviceStore::open(folder, sealer_, random_);
  ASSERT_TRUE(device) << device.error().detail;
  fill(**device);
  fill_version3(**device);
  check(**device);
  check_version3(**device);
}

}  // namespace
}  // namespace latchkey::store
