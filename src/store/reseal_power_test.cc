// Power cuts at every change of the disk while a store is sealed anew, or brought to a new version:
// afterwards it is sealed in the old way or in the new one, whole, and opens with what belongs to
// that; and the witness never takes it for one that was rolled back.
#include <gtest/gtest.h>

#include <functional>

#include "store/keepers.h"
#include "store/power_vfs.h"
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
using testing::PowerCutDisk;
using Unsynced = PowerCutDisk::Unsynced;

constexpr WallTime kNow{4000};

const std::vector<std::pair<Unsynced, unsigned>> kEnds = {
    {Unsynced::kLost, 0},  {Unsynced::kKept, 0},   {Unsynced::kMixed, 1},
    {Unsynced::kMixed, 2}, {Unsynced::kPrefix, 3}, {Unsynced::kPrefix, 4}};

class Scene {
 public:
  explicit Scene(const std::function<void(Scene&)>& prepare) { prepare(*this); }
  testing::TempFolder folder;
  testing::CountingRandom random;
  KeyKeeper old_key{random, "old", SecretBytes::copy_of(Bytes(32, 1))};
  KeyKeeper new_key{random, "new", SecretBytes::copy_of(Bytes(32, 2))};
  std::vector<Keeper*> both{&old_key, &new_key};
  FileWitness witness{folder.path().parent_path() / "witness/w"};
};

// Cuts the power at every change that `work` makes to the disk, in each way that it may end, and
// looks. `work` gets the file layer to open with and says whether it was done.
void cut_everywhere(const std::function<void(Scene&)>& prepare,
                    const std::function<bool(Scene&, const char* vfs)>& work,
                    const std::function<void(Scene&, bool done)>& look, std::size_t at_least) {
  const Scene prepared(prepare);
  const auto lay_out = [&](Scene& scene) {
    std::filesystem::copy(prepared.folder.path().parent_path(), scene.folder.path().parent_path(),
                          std::filesystem::copy_options::recursive);
  };
  std::size_t point = 0;
  for (bool ended = true; ended; ++point) {
    for (const auto& [what, seed] : kEnds) {
      Scene scene(lay_out);
      bool done = false;
      {
        PowerCutDisk disk;
        disk.end_at(point, PowerCutDisk::AtTheEnd::kPowerFails);
        done = work(scene, PowerCutDisk::vfs());
        ended = disk.ended();
        disk.restore(what, seed + static_cast<unsigned>(point) * 7);
      }
      look(scene, done);
      if (::testing::Test::HasFailure()) {
        FAIL() << "power cut at change " << point << ", unsynced " << static_cast<int>(what);
      }
    }
  }
  EXPECT_GT(point, at_least) << "that cannot have been all";
}

void fill_agent(Scene& scene, bool sealed) {
  KeptSealer sealer(scene.random, scene.both, sealed ? &scene.old_key : nullptr);
  auto store = AgentStore::open(scene.folder.path(), sealer, scene.random);
  ASSERT_TRUE(store) << store.error().detail;
  ASSERT_EQ(store->watch(scene.witness), Standing::kCurrent);
  ASSERT_TRUE(store->create_user({SecretBytes(32), key_of(5), {1}, {7}}));
  for (const std::uint8_t n : {std::uint8_t{1}, std::uint8_t{2}}) {
    ASSERT_TRUE(store->save_pending(make_binding(7), make_grant(n, 7), kNow));
    ASSERT_TRUE(store->save_issued(make_binding(7), issued(make_grant(n, 7)), kNow));
  }
  store->touch(id_of<GrantId>(1), {5000});
  ASSERT_TRUE(store->revoke(id_of<GrantId>(2), {{6000}, {96400}}));
}

void look_at_agent(Scene& scene, const std::string& before, const std::string& after, bool done) {
  KeptSealer sealer(scene.random, scene.both, nullptr);
  auto store = AgentStore::open(scene.folder.path(), sealer, scene.random);
  ASSERT_TRUE(store) << store.error().detail;
  EXPECT_TRUE(store->sealed().kind == after || (!done && store->sealed().kind == before));
  EXPECT_EQ(store->watch(scene.witness), Standing::kCurrent);
  const auto user = store->user();
  ASSERT_TRUE(user) << user.error().detail;
  EXPECT_EQ((*user)->root_key.public_key(), key_of(5).public_key());
  const auto grants = store->grants(Scope::everything());
  ASSERT_TRUE(grants) << grants.error().detail;
  ASSERT_EQ(grants->size(), 2U);
  grant::AgentGrant first = issued(make_grant(1, 7));
  first.last_used = {5000};
  EXPECT_EQ(describe((*grants)[0]), describe(first));
  EXPECT_EQ((*grants)[1].state, grant::State::kRevoked);
  EXPECT_EQ(store->deletions().value().size(), 1U);
  // And no trace of file mode, once it says that it is sealed.
  if (store->sealed().kind != kFileMode) {
    const Bytes file = testing::read_file(scene.folder.file("agent.db"));
    for (const std::uint8_t scalar : {std::uint8_t{5}, std::uint8_t{8}, std::uint8_t{3}}) {
      EXPECT_EQ(as_text(file).find(as_text(Bytes(32, scalar))), std::string_view::npos);
    }
  }
}

void reseal_agent_everywhere(bool sealed, const std::string& before, bool to_new,
                             const std::string& after) {
  cut_everywhere([&](Scene& scene) { fill_agent(scene, sealed); },
                 [&](Scene& scene, const char* vfs) {
                   KeptSealer sealer(scene.random, scene.both, nullptr);
                   KeptSealer next(scene.random, scene.both, to_new ? &scene.new_key : nullptr);
                   auto store = AgentStore::open(scene.folder.path(), sealer, scene.random, vfs);
                   return store && store->watch(scene.witness) == Standing::kCurrent &&
                          store->reseal(next).has_value();
                 },
                 [&](Scene& scene, bool done) { look_at_agent(scene, before, after, done); }, 20);
}

TEST(ResealPowerTest, AnAgentIsSealedForTheFirstTime) {
  reseal_agent_everywhere(false, "file-mode", true, "new");
}
TEST(ResealPowerTest, AnAgentIsSealedInAnotherWay) {
  reseal_agent_everywhere(true, "old", true, "new");
}
TEST(ResealPowerTest, AnAgentIsUnsealed) {
  reseal_agent_everywhere(true, "old", false, "file-mode");
}

TEST(ResealPowerTest, ADeviceIsSealed) {
  const auto prepare = [](Scene& scene) {
    FileModeSealer plain;
    auto store = DeviceStore::open(scene.folder.path(), plain, scene.random);
    ASSERT_TRUE(store) << store.error().detail;
    ASSERT_TRUE((*store)->create_profile(make_profile(1)));
    ASSERT_TRUE((*store)->add_pending(make_agent(5), make_device_grant(1, 5)));
    ASSERT_TRUE((*store)->update(activated(make_device_grant(1, 5))));
    ASSERT_TRUE((*store)->record({0, {1}, {}, "paired", {}, "x"}));
  };
  const auto work = [](Scene& scene, const char* vfs) {
    KeptSealer sealer(scene.random, scene.both, nullptr);
    KeptSealer next(scene.random, scene.both, &scene.new_key);
    auto store = DeviceStore::open(scene.folder.path(), sealer, scene.random, vfs);
    return store && (*store)->reseal(next).has_value();
  };
  const auto look = [](Scene& scene, bool done) {
    KeptSealer sealer(scene.random, scene.both, nullptr);
    auto store = DeviceStore::open(scene.folder.path(), sealer, scene.random);
    ASSERT_TRUE(store) << store.error().detail;
    EXPECT_TRUE(!done || (*store)->sealed().kind == "new");
    EXPECT_EQ((*store)->profile().value()->boot_key.public_key(), key_of(1).public_key());
    EXPECT_EQ(describe((*store)->find(make_agent(5).key_hash, id_of<GrantId>(1)).value()),
              describe(activated(make_device_grant(1, 5))));
    EXPECT_EQ((*store)->audit(9).value().size(), 1U);
  };
  cut_everywhere(prepare, work, look, 20);
}

// The first opening of a store that version 2 wrote.
template <class Store>
void migrate_everywhere(const std::string& fixture, const std::string& file) {
  const auto prepare = [&](Scene& scene) {
    std::filesystem::create_directories(scene.folder.path());
    testing::write_file(scene.folder.file(file), {});
    testing::tamper(
        scene.folder.file(file),
        std::string(as_text(testing::read_file(std::filesystem::path(LATCHKEY_SOURCE_DIR) /
                                               "src/store/testdata" / fixture))));
  };
  const auto work = [](Scene& scene, const char* vfs) {
    FileModeSealer plain;
    return Store::open(scene.folder.path(), plain, scene.random, vfs).has_value();
  };
  std::string whole;
  {
    Scene scene(prepare);
    ASSERT_TRUE(work(scene, ""));
    whole = testing::dump(scene.folder.file(file));
  }
  const auto look = [&](Scene& scene, bool /*done*/) {
    scene.random = testing::CountingRandom();
    ASSERT_TRUE(work(scene, ""));
    EXPECT_EQ(testing::dump(scene.folder.file(file)), whole);
  };
  cut_everywhere(prepare, work, look, 10);
}

TEST(ResealPowerTest, AnAgentOfVersion2IsMigrated) {
  migrate_everywhere<AgentStore>("agent-v2.sql", "agent.db");
}
TEST(ResealPowerTest, ADeviceOfVersion2IsMigrated) {
  migrate_everywhere<DeviceStore>("device-v2.sql", "device.db");
}
TEST(ResealPowerTest, AnAgentOfVersion1IsMigrated) {
  migrate_everywhere<AgentStore>("agent-v1.sql", "agent.db");
}

}  // namespace
}  // namespace latchkey::store
