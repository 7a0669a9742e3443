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

// The store as it lies on the disk after opening and after each step, one folder each.
template <class Store>
class States {
 public:
  explicit States(const Script<Store>& script) {
    const testing::TempFolder folder;
    const auto keep = [&](std::size_t done) {
      // At rest the one file is all of it.
      std::filesystem::create_directories(kept_.file(std::to_string(done)));
      std::filesystem::copy_file(folder.file(script.file), file(script, done));
    };
    EXPECT_EQ(run(script, folder.path(), "", keep), script.steps.size());
    for (std::size_t done = 0; done <= script.steps.size(); ++done) {
      dumps.push_back(testing::dump(file(script, done)));
    }
  }
  void lay_out(const Script<Store>& script, std::size_t done,
               const testing::TempFolder& folder) const {
    std::filesystem::create_directories(folder.path());
    std::filesystem::copy_file(file(script, done), folder.file(script.file));
  }
  std::vector<std::string> dumps;

 private:
  [[nodiscard]] std::filesystem::path file(const Script<Store>& script, std::size_t done) const {
    return kept_.file(std::to_string(done)) / script.file;
  }
  testing::TempFolder kept_;
};

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

// Calls `cut` with every part of the script (nothing but making the store, or one step on the store
// that the steps before left) and every point in it, until it says that the end was not reached.
template <class Store>
void at_every_point(const Script<Store>& script, const States<Store>& states,
                    const std::function<bool(const Script<Store>& part, std::size_t first,
                                             std::size_t point)>& cut) {
  Script<Store> part = script;
  part.steps.clear();
  std::size_t points = 0;
  for (std::size_t first = 0; first <= script.steps.size(); ++first) {
    for (std::size_t point = 0; cut(part, first, point); ++point) {
      ++points;
      if (::testing::Test::HasFailure()) {
        FAIL() << "part " << first << ", change " << point << " of the disk";
      }
    }
    if (first < script.steps.size()) {
      part.steps = {script.steps[first]};
    }
  }
  EXPECT_EQ(states.dumps.size(), script.steps.size() + 1);
  EXPECT_GT(points, 8 * script.steps.size()) << "that cannot have been all";
}

// Part 0 makes the store; part n begins with what n - 1 steps left and does step n - 1.
template <class Store>
Progress begin(const Script<Store>& script, const States<Store>& states, std::size_t first,
               const testing::TempFolder& folder) {
  if (first == 0) {
    return std::nullopt;
  }
  states.lay_out(script, first - 1, folder);
  return first - 1;
}

// How far the whole got, from how far the part did.
inline Progress total(Progress before, Progress part) {
  return before ? Progress(*before + part.value_or(0)) : part;
}

template <class Store>
void cut_power_everywhere(const Script<Store>& script) {
  const States<Store> states(script);
  at_every_point<Store>(
      script, states, [&](const Script<Store>& part, std::size_t first, std::size_t point) {
        bool ended = false;
        for (const auto& [what, seed] :
             {std::pair{Unsynced::kLost, 0U}, std::pair{Unsynced::kKept, 0U},
              std::pair{Unsynced::kMixed, 1U}, std::pair{Unsynced::kMixed, 2U},
              std::pair{Unsynced::kPrefix, 3U}, std::pair{Unsynced::kPrefix, 4U}}) {
          const testing::TempFolder folder;
          const Progress before = begin(script, states, first, folder);
          PowerCutDisk disk;
          disk.end_at(point, PowerCutDisk::AtTheEnd::kPowerFails);
          const Progress done = run(part, folder.path(), PowerCutDisk::vfs(), [](std::size_t) {});
          ended = disk.ended();
          disk.restore(what, seed + static_cast<unsigned>(point) * 7);
          expect_recovered(script, folder, states.dumps, total(before, done));
        }
        return ended;
      });
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
  const States<Store> states(script);
  at_every_point<Store>(script, states,
                        [&](const Script<Store>& part, std::size_t first, std::size_t point) {
                          const testing::TempFolder folder;
                          const Progress before = begin(script, states, first, folder);
                          bool died = false;
                          const Progress done = run_and_die(part, folder.path(), point, died);
                          expect_recovered(script, folder, states.dumps, total(before, done));
                          return died;
                        });
}

// The journal of a cut transaction is damaged too: the store is as before, or as after, or says
// that it is corrupt.
template <class Store>
void damage_journals(const Script<Store>& script) {
  const States<Store> states(script);
  std::size_t refused = 0;
  at_every_point<Store>(
      script, states, [&](const Script<Store>& part, std::size_t first, std::size_t point) {
        bool ended = false;
        for (const std::size_t keep : {0U, 20U, 512U, 1000U, 5000U, 9000U}) {
          const testing::TempFolder folder;
          const Progress before = begin(script, states, first, folder);
          PowerCutDisk disk;
          disk.end_at(point, PowerCutDisk::AtTheEnd::kPowerFails);
          const Progress done = run(part, folder.path(), PowerCutDisk::vfs(), [](std::size_t) {});
          ended = disk.ended();
          disk.restore(Unsynced::kKept, 0);
          const auto journal = folder.file(script.file + "-journal");
          if (!std::filesystem::exists(journal) || std::filesystem::file_size(journal) <= keep) {
            continue;
          }
          std::filesystem::resize_file(journal, keep);
          if (script.open(folder.path(), "") == nullptr) {
            ++refused;
            continue;
          }
          expect_recovered(script, folder, states.dumps, total(before, done));
        }
        return ended;
      });
  EXPECT_GT(refused, 0U);
}

template <class T>
bool ok(const Result<T>& result) {
  return result.has_value();
}

// A new key was made, and its certificate is awaited; the old one goes on.
grant::DeviceGrant renewing(grant::DeviceGrant grant) {
  grant = activated(std::move(grant));
  grant.next_key = key_of(78);
  grant.next_csr = {8, 8, 8};
  return grant;
}

// The grant's authority was near its end: renewed with a new one.
grant::AgentGrant rolled_over(grant::AgentGrant grant) {
  grant = issued(std::move(grant));
  grant.ca_key = key_of(77);
  grant.ca_certificate = {7, 7, 7};
  return grant;
}

Script<DeviceStore> device_script() {
  static FileModeSealer sealer;
  static testing::CountingRandom random;
  const SpkiHash agent = make_agent(5).key_hash;
  return {
      "device.db",
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
          [](DeviceStore& s) { return s.update(renewing(make_device_grant(1, 5))); },
          [](DeviceStore& s) { return s.update(activated(make_device_grant(1, 5))); },
          [=](DeviceStore& s) { return ok(s.set_suspended({agent, id_of<GrantId>(1)}, true)); },
          [=](DeviceStore& s) { return ok(s.set_suspended({agent, id_of<GrantId>(1)}, false)); },
          [](DeviceStore& s) { return ok(s.rename("Kitchen")); },
          [](DeviceStore& s) { return ok(s.set_label_key(SecretBytes(26))); },
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
          [](AgentStore& s) { return ok(s.save_renewed(rolled_over(make_grant(1, 7)))); },
          [](AgentStore& s) {
            return ok(s.suspend(id_of<GrantId>(1), grant::Hold::kOriginRevoked));
          },
          [](AgentStore& s) { return ok(s.set_told_held(id_of<GrantId>(1), true)); },
          [](AgentStore& s) { return ok(s.resume(id_of<GrantId>(1))); },
          [](AgentStore& s) { return ok(s.update_binding(make_binding(7))); },
          [](AgentStore& s) { return ok(s.replace_root(key_of(6), Bytes{2})); },
          [](AgentStore& s) { return ok(s.set_root_installed_at(WallTime{77})); },
          [](AgentStore& s) { return ok(s.discard(id_of<GrantId>(2))); },
          [=](AgentStore& s) {
            return ok(s.save_pending(make_binding(8), make_grant(3, 8), kNow));
          },
          [=](AgentStore& s) {
            return ok(s.save_issued(make_binding(8), issued(make_grant(3, 8)), kNow));
          },
          [](AgentStore& s) { return ok(s.activate(id_of<GrantId>(3), 8443)); },
          [](AgentStore& s) { return ok(s.mark_reset(id_of<DeviceId>(8))); },
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
