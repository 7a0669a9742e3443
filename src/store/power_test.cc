// Power cuts and killed processes at every change of the disk: whatever was answered "done" is
// there afterwards, what was under way is there whole or not at all.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "store/power_vfs.h"
#include "store/test_support.h"

namespace latchkey::store {
namespace {

using testing::activated;
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

const ByteArray<32> kNewKey = id_of<DeviceId>(99).bytes();

// A store of one kind and what is done to it, step by step. Each step answers whether it is done.
template <class Store>
struct Script {
  std::string file;
  std::function<std::unique_ptr<Store>(const std::filesystem::path&, const std::string& vfs)> open;
  std::vector<std::function<bool(Store&)>> steps;
};

// What a run got to: nothing when the store did not even open.
using Progress = std::optional<std::size_t>;

template <class Store>
Progress run(const Script<Store>& script, const std::filesystem::path& folder,
             const std::string& vfs, const std::function<void(std::size_t)>& on_done) {
  const auto store = script.open(folder, vfs);
  if (store == nullptr) {
    return std::nullopt;
  }
  on_done(0);
  std::size_t done = 0;
  for (const auto& step : script.steps) {
    if (!step(*store)) {
      return done;
    }
    on_done(++done);
  }
  return done;
}

// What the file holds after opening and after each step.
template <class Store>
std::vector<std::string> expected_dumps(const Script<Store>& script) {
  std::vector<std::string> dumps;
  for (std::size_t steps = 0; steps <= script.steps.size(); ++steps) {
    const testing::TempFolder folder;
    Script<Store> part = script;
    part.steps.resize(steps);
    EXPECT_EQ(run(part, folder.path(), "", [](std::size_t) {}), steps);
    dumps.push_back(testing::dump(folder.file(script.file)));
  }
  return dumps;
}

// Opens the store as the next start would.
template <class Store>
void expect_recovered(const Script<Store>& script, const testing::TempFolder& folder,
                      const std::vector<std::string>& dumps, Progress done) {
  ASSERT_NE(script.open(folder.path(), ""), nullptr) << "the store does not open any more";
  const std::string found = testing::dump(folder.file(script.file));
  const std::size_t index = done.value_or(0);
  const bool whole =
      found == dumps[index] || (done && index + 1 < dumps.size() && found == dumps[index + 1]);
  EXPECT_TRUE(whole) << "after " << index << " steps";
}

template <class Store>
void cut_power_everywhere(const Script<Store>& script) {
  const std::vector<std::string> dumps = expected_dumps(script);
  std::size_t point = 0;
  for (bool ended = true; ended; ++point) {
    for (const auto& [what, seed] :
         {std::pair{Unsynced::kLost, 0U}, std::pair{Unsynced::kKept, 0U},
          std::pair{Unsynced::kMixed, 1U}, std::pair{Unsynced::kMixed, 2U}}) {
      const testing::TempFolder folder;
      PowerCutDisk disk;
      disk.end_at(point, PowerCutDisk::AtTheEnd::kPowerFails);
      const Progress done = run(script, folder.path(), PowerCutDisk::vfs(), [](std::size_t) {});
      ended = disk.ended();
      disk.restore(what, seed + static_cast<unsigned>(point) * 7);
      expect_recovered(script, folder, dumps, done);
      if (::testing::Test::HasFailure()) {
        FAIL() << "power cut at change " << point << ", unsynced " << static_cast<int>(what);
      }
    }
  }
  EXPECT_GT(point, 8 * script.steps.size()) << "that cannot have been all";
}

// The process is killed; what it said to be done it said through a pipe.
template <class Store>
Progress run_and_die(const Script<Store>& script, const std::filesystem::path& folder,
                     std::size_t point, bool& died) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    PowerCutDisk disk;
    disk.end_at(point, PowerCutDisk::AtTheEnd::kProcessDies);
    run(script, folder, PowerCutDisk::vfs(), [&](std::size_t done) {
      const auto byte = static_cast<char>(done);
      if (::write(pipe[1], &byte, 1) != 1) {
        std::abort();
      }
    });
    ::_exit(0);
  }
  ::close(pipe[1]);
  Progress done;
  for (char byte = 0; ::read(pipe[0], &byte, 1) == 1;) {
    done = static_cast<std::size_t>(byte);
  }
  ::close(pipe[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  died = WIFSIGNALED(status);
  EXPECT_TRUE(!died || WTERMSIG(status) == SIGKILL);
  return done;
}

template <class Store>
void kill_everywhere(const Script<Store>& script) {
  const std::vector<std::string> dumps = expected_dumps(script);
  bool died = true;
  for (std::size_t point = 0; died; ++point) {
    const testing::TempFolder folder;
    const Progress done = run_and_die(script, folder.path(), point, died);
    expect_recovered(script, folder, dumps, done);
    if (::testing::Test::HasFailure()) {
      FAIL() << "killed at change " << point;
    }
  }
}

// The journal of a cut transaction is damaged too: the store is as before, or as after, or says
// that it is corrupt.
template <class Store>
void damage_journals(const Script<Store>& script) {
  const std::vector<std::string> dumps = expected_dumps(script);
  std::size_t refused = 0;
  bool ended = true;
  for (std::size_t point = 0; ended; ++point) {
    for (const std::size_t keep : {0U, 20U, 512U, 1000U, 5000U, 9000U}) {
      const testing::TempFolder folder;
      PowerCutDisk disk;
      disk.end_at(point, PowerCutDisk::AtTheEnd::kPowerFails);
      const Progress done = run(script, folder.path(), PowerCutDisk::vfs(), [](std::size_t) {});
      ended = disk.ended();
      disk.restore(Unsynced::kKept, 0);
      const auto journal = folder.file(script.file + "-journal");
      if (!done || !std::filesystem::exists(journal) ||
          std::filesystem::file_size(journal) <= keep) {
        continue;
      }
      std::filesystem::resize_file(journal, keep);
      if (script.open(folder.path(), "") == nullptr) {
        ++refused;
        continue;
      }
      expect_recovered(script, folder, dumps, done);
      if (::testing::Test::HasFailure()) {
        FAIL() << "power cut at change " << point << ", journal cut to " << keep;
      }
    }
  }
  EXPECT_GT(refused, 0U);
}

template <class T>
bool ok(const Result<T>& result) {
  return result.has_value();
}

Script<DeviceStore> device_script() {
  static FileModeSealer sealer;
  static testing::CountingRandom random;
  const SpkiHash agent = make_agent(5).key_hash;
  return {"device.db",
          [](const std::filesystem::path& folder, const std::string& vfs) {
            random = testing::CountingRandom();  // the same in every run
            auto store = DeviceStore::open(folder, sealer, random, vfs);
            return store ? *std::move(store) : nullptr;
          },
          {
              [](DeviceStore& s) { return ok(s.create_profile(make_profile(1))); },
              [](DeviceStore& s) {
                return s.save({.generation = 1, .open = true, .attempts_left = 5, .exhausted = 0});
              },
              [](DeviceStore& s) {
                return s.save({.generation = 1, .open = true, .attempts_left = 4, .exhausted = 0});
              },
              [](DeviceStore& s) { return s.add_pending(make_agent(5), make_device_grant(1, 5)); },
              [](DeviceStore& s) { return s.update(activated(make_device_grant(1, 5))); },
              [=](DeviceStore& s) { return ok(s.confirm({agent, id_of<GrantId>(1)})); },
              [](DeviceStore& s) { return s.add_pending(make_agent(6), make_device_grant(2, 6)); },
              [](DeviceStore& s) { return s.add_pending(make_agent(5), make_device_grant(3, 5)); },
              [=](DeviceStore& s) { return ok(s.seen(agent, {90000})); },
              [](DeviceStore& s) { return ok(s.record({0, {1}, {}, "paired", {}, "x"})); },
              [](DeviceStore& s) { return ok(s.drop_unconfirmed({3003}, kNewKey)); },
              [=](DeviceStore& s) { return ok(s.delete_grant({agent, id_of<GrantId>(3)})); },
              [=](DeviceStore& s) { return ok(s.delete_agent(agent, kNewKey)); },
          }};
}

Script<AgentStore> agent_script() {
  static FileModeSealer sealer;
  static testing::CountingRandom random;
  constexpr WallTime kNow{4000};
  constexpr Ending kEnding{{6000}, {96400}};
  return {
      "agent.db",
      [](const std::filesystem::path& folder,
         const std::string& vfs) -> std::unique_ptr<AgentStore> {
        random = testing::CountingRandom();  // the same in every run
        auto store = AgentStore::open(folder, sealer, random, vfs);
        return store ? std::make_unique<AgentStore>(*std::move(store)) : nullptr;
      },
      {
          [](AgentStore& s) { return ok(s.create_user({SecretBytes(32), key_of(5), {1}, {7}})); },
          [=](AgentStore& s) {
            return ok(s.save_pending(make_binding(7), make_grant(1, 7), kNow));
          },
          [=](AgentStore& s) {
            return ok(s.save_issued(make_binding(7), issued(make_grant(1, 7)), kNow));
          },
          [](AgentStore& s) { return ok(s.activate(id_of<GrantId>(1), 8443)); },
          [=](AgentStore& s) {
            return ok(s.save_pending(make_binding(7), make_grant(2, 7), kNow));
          },
          [](AgentStore& s) { return ok(s.save_renewed(issued(make_grant(1, 7)))); },
          [=](AgentStore& s) { return ok(s.revoke(id_of<GrantId>(1), kEnding)); },
          [](AgentStore& s) { return ok(s.deletion_tried(1, {6001})); },
          [=](AgentStore& s) { return ok(s.forget_device(id_of<DeviceId>(7), kEnding)); },
          [](AgentStore& s) { return ok(s.deletion_done(2)); },
          [](AgentStore& s) { return ok(s.purge({99999})); },
      }};
}

TEST(PowerTest, ADeviceSurvivesPowerCuts) {
  cut_power_everywhere(device_script());
}
TEST(PowerTest, AnAgentSurvivesPowerCuts) {
  cut_power_everywhere(agent_script());
}
TEST(PowerTest, ADeviceSurvivesBeingKilled) {
  kill_everywhere(device_script());
}
TEST(PowerTest, AnAgentSurvivesBeingKilled) {
  kill_everywhere(agent_script());
}
TEST(PowerTest, ADevicesDamagedJournalIsNoticed) {
  damage_journals(device_script());
}
TEST(PowerTest, AnAgentsDamagedJournalIsNoticed) {
  damage_journals(agent_script());
}

// The old owner's grants are never served under the new identity, nor the other way round.
TEST(PowerTest, AFactoryResetIsWholeOrDidNotHappen) {
  Script<DeviceStore> script = device_script();
  script.steps.resize(6);
  // Not compared by dump: the key of the sums is new. VACUUM runs after the reset is done.
  script.steps.emplace_back([](DeviceStore& s) { return ok(s.factory_reset(make_profile(2))); });
  bool ended = true;
  for (std::size_t point = 0; ended; ++point) {
    const testing::TempFolder folder;
    PowerCutDisk disk;
    disk.end_at(point, PowerCutDisk::AtTheEnd::kPowerFails);
    const Progress done = run(script, folder.path(), PowerCutDisk::vfs(), [](std::size_t) {});
    ended = disk.ended();
    disk.restore(Unsynced::kMixed, static_cast<unsigned>(point));
    const auto store = script.open(folder.path(), "");
    ASSERT_NE(store, nullptr) << point;
    if (done < Progress(6)) {
      continue;
    }
    const auto profile = store->profile().value().value();
    const bool fresh = profile.boot_key.public_key() == key_of(2).public_key();
    EXPECT_TRUE(fresh || done == Progress(6)) << point;
    EXPECT_EQ(store->active_grants().value().empty(), fresh) << point;
    EXPECT_EQ(store->agents().value().empty(), fresh) << point;
    EXPECT_EQ(store->load() == pairing::WindowRecord{}, fresh) << point;
  }
}

// A commit whose end nobody knows: the store stops answering rather than guessing.
TEST(PowerTest, AfterAFailedCommitTheStoreMustBeOpenedAnew) {
  const testing::TempFolder folder;
  PowerCutDisk disk;
  const Script<DeviceStore> script = device_script();
  const auto store = script.open(folder.path(), PowerCutDisk::vfs());
  ASSERT_NE(store, nullptr);
  ASSERT_TRUE(store->save({.generation = 1, .open = true, .attempts_left = 5, .exhausted = 0}));
  const std::size_t before = disk.points();
  const pairing::WindowRecord four{
      .generation = 1, .open = true, .attempts_left = 4, .exhausted = 0};
  ASSERT_TRUE(store->save(four));
  const std::size_t changes = disk.points() - before;
  // The last change of the disk is the sync after the journal was emptied.
  disk.end_at(disk.points() + changes - 1, PowerCutDisk::AtTheEnd::kPowerFails);
  EXPECT_FALSE(store->save({.generation = 1, .open = true, .attempts_left = 3, .exhausted = 0}));
  EXPECT_TRUE(disk.ended());
  ASSERT_TRUE(store->last_error());
  EXPECT_EQ(store->last_error()->code, ErrorCode::kIo);
  const auto profile = store->profile();
  ASSERT_FALSE(profile);
  EXPECT_EQ(profile.error().code, ErrorCode::kIo);
  EXPECT_EQ(store->load(), four);
}

}  // namespace
}  // namespace latchkey::store
