// Moving to another computer: what goes into a backup, and that nobody can read or change it.
#include "store/backup.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "store/agent_store.h"
#include "store/test_support.h"
#include "store/witness.h"

namespace latchkey::store {
namespace {

using testing::describe;
using testing::id_of;
using testing::issued;
using testing::key_of;
using testing::make_binding;
using testing::make_grant;
using Code = BackupError::Code;

constexpr WallTime kNow{4000};
constexpr Ending kEnding{{6000}, {96400}};
constexpr crypto::ScryptCost kCheap{14, 8, 1};
const ByteSpan kPassphrase = as_bytes("correct horse battery");

struct Computer {
  // `luck`: another than other computers have.
  explicit Computer(Sealer& with, std::size_t luck = 0) : sealer(&with) {
    Bytes skipped(luck);
    random.fill(skipped);
    reopen();
  }
  void reopen() {
    store.reset();
    store.emplace(AgentStore::open(folder.path(), *sealer, random).value());
  }
  std::vector<std::string> all() {
    std::vector<std::string> texts;
    const auto bindings = store->bindings().value();
    for (const auto& binding : bindings) {
      texts.push_back(describe(binding));
    }
    const auto grants = store->grants(Scope::everything()).value();
    for (const auto& grant : grants) {
      texts.push_back(describe(grant));
    }
    const auto deletions = store->deletions().value();
    for (const auto& owed : deletions) {
      texts.push_back(std::to_string(owed.id) + describe(owed.binding));
    }
    return texts;
  }
  testing::TempFolder folder;
  testing::CountingRandom random;
  Sealer* sealer;
  std::optional<AgentStore> store;
};

class BackupTest : public ::testing::Test {
 protected:
  void make_active(AgentStore& store, std::uint8_t n, std::uint8_t device) {
    ASSERT_TRUE(store.save_pending(make_binding(device), make_grant(n, device), kNow));
    ASSERT_TRUE(store.save_issued(make_binding(device), issued(make_grant(n, device)), kNow));
    ASSERT_TRUE(store.activate(id_of<GrantId>(n), 8443));
  }
  void fill(AgentStore& store) {
    ASSERT_TRUE(
        store.create_user({SecretBytes::copy_of(Bytes(32, 9)), key_of(5), Bytes{1, 2, 3}, {77}}));
    make_active(store, 1, 7);
    store.touch(id_of<GrantId>(1), {4444});
    make_active(store, 2, 7);
    ASSERT_TRUE(store.revoke(id_of<GrantId>(2), kEnding));
    make_active(store, 3, 8);
    ASSERT_TRUE(store.suspend(id_of<GrantId>(3), grant::Hold::kOriginRevoked));
    ASSERT_TRUE(store.set_setting({"kept", "yes"}));
    ASSERT_TRUE(store.set_setting({"databases", "this computer's"}));
  }
  static Backup travel(AgentStore& from) {
    testing::CountingRandom random;
    const Backup backup = from.snapshot(kNow, {"databases"}).value();
    const Bytes file = seal_backup(backup, kPassphrase, random, kCheap).value();
    return open_backup(file, kPassphrase).value();
  }
  testing::BoundSealer bound_;
  FileModeSealer plain_;
};

TEST_F(BackupTest, EverythingArrivesAndIsSealedAnew) {
  Computer old(bound_);
  fill(*old.store);
  const auto before = old.all();
  ASSERT_EQ(before.size(), 6U);
  const Backup backup = travel(*old.store);
  EXPECT_EQ(backup.made, kNow);

  Computer next(plain_);
  ASSERT_TRUE(next.store->create_user({SecretBytes(32), key_of(6), Bytes{4}, {78}}));
  EXPECT_TRUE(next.store->is_unused().value());
  ASSERT_TRUE(next.store->restore(backup, {}));
  EXPECT_FALSE(next.store->is_unused().value());
  next.reopen();
  EXPECT_EQ(next.all(), before);
  const User user = next.store->user().value().value();
  EXPECT_EQ(to_bytes(user.secret.span()), Bytes(32, 9));
  EXPECT_EQ(user.root_key.public_key(), key_of(5).public_key());
  EXPECT_EQ(next.store->setting("kept").value(), "yes");
  EXPECT_EQ(next.store->setting("databases").value(), std::nullopt);
  // The host is still its owner's.
  EXPECT_EQ(next.store->save_pending(make_binding(9), make_grant(1, 9), kNow).error().code,
            ErrorCode::kConflict);
}

// They are settings that the store itself writes, beside those of the agent.
TEST_F(BackupTest, WhatAPersonPausedAndWhatADeviceMayStillShowArrive) {
  Computer old(bound_);
  fill(*old.store);
  make_active(*old.store, 4, 8);
  ASSERT_TRUE(old.store->set_paused(id_of<GrantId>(4), true));
  grant::AgentGrant renewed = *old.store->grant(Scope::everything(), id_of<GrantId>(1)).value();
  renewed.ca_certificate.push_back(1);
  ASSERT_TRUE(old.store->save_renewed(renewed));
  const grant::Unconfirmed shown = old.store->unconfirmed(id_of<GrantId>(1)).value();
  ASSERT_FALSE(shown.empty());
  const auto before = old.all();

  Computer next(plain_);
  ASSERT_TRUE(next.store->restore(travel(*old.store), {}));
  next.reopen();
  EXPECT_EQ(next.all(), before);
  const auto paused = next.store->grant(Scope::everything(), id_of<GrantId>(4)).value();
  ASSERT_TRUE(paused);
  EXPECT_TRUE(paused->paused);
  EXPECT_EQ(paused->hold, grant::Hold::kPaused);
  EXPECT_EQ(grant::encode(next.store->unconfirmed(id_of<GrantId>(1)).value()),
            grant::encode(shown));
  ASSERT_TRUE(next.store->set_paused(id_of<GrantId>(4), false));
  EXPECT_EQ(next.store->grant(Scope::everything(), id_of<GrantId>(4)).value()->state,
            grant::State::kActive);
}

TEST_F(BackupTest, WhatSpeaksOfTheNewComputerStaysAsItIsThere) {
  Computer old(bound_);
  fill(*old.store);
  const Backup backup = old.store->snapshot(kNow, {}).value();  // with a setting too many
  Computer next(plain_);
  ASSERT_TRUE(next.store->set_setting({"databases", "the new one's"}));
  ASSERT_TRUE(next.store->set_setting({"trust_seen", "another root"}));
  ASSERT_TRUE(next.store->restore(backup, {"databases", "firefox"}));
  next.reopen();
  EXPECT_EQ(next.store->setting("databases").value(), "the new one's");
  EXPECT_EQ(next.store->setting("trust_seen").value(), std::nullopt);
  EXPECT_EQ(next.store->setting("firefox").value(), std::nullopt);
  EXPECT_EQ(next.store->setting("kept").value(), "yes");
}

TEST_F(BackupTest, SettingsThatAreOnBothSidesAreMergedWhereSomebodyKnowsHow) {
  Computer old(bound_);
  fill(*old.store);
  ASSERT_TRUE(old.store->set_setting({"floor.a", "3"}));
  ASSERT_TRUE(old.store->set_setting({"floor.b", "9"}));
  const Backup backup = old.store->snapshot(kNow, {}).value();
  Computer next(plain_);
  ASSERT_TRUE(next.store->set_setting({"floor.a", "7"}));
  ASSERT_TRUE(next.store->set_setting({"floor.b", "7"}));
  ASSERT_TRUE(next.store->set_setting({"floor.c", "7"}));
  ASSERT_TRUE(next.store->set_setting({"databases", "the new one's"}));
  ASSERT_TRUE(next.store->set_setting({"gone", "the new one's"}));
  const auto higher = [](const std::string& name, const std::optional<std::string>& here,
                         const std::optional<std::string>& there) {
    EXPECT_NE(name, "databases") << "that stays, whatever anybody says";
    return name.starts_with("floor.") ? std::max(here, there) : there;
  };
  ASSERT_TRUE(next.store->restore(backup, {"databases", "firefox"}, higher));
  next.reopen();
  EXPECT_EQ(next.store->setting("floor.a").value(), "7");
  EXPECT_EQ(next.store->setting("floor.b").value(), "9");
  EXPECT_EQ(next.store->setting("floor.c").value(), "7");
  EXPECT_EQ(next.store->setting("databases").value(), "the new one's");
  EXPECT_EQ(next.store->setting("gone").value(), std::nullopt);
  EXPECT_EQ(next.store->setting("kept").value(), "yes");
}

// The new computer's store is still itself, one change further: neither can the copy from before
// the import be put back unnoticed, nor does the old computer's count mean anything here.
TEST_F(BackupTest, AnImportIsAChangeLikeAnyOtherToTheWitness) {
  Computer old(bound_);
  fill(*old.store);
  const Backup backup = travel(*old.store);
  testing::TempFolder elsewhere;
  FileWitness witness(elsewhere.path() / "witness");
  const std::filesystem::path copy = elsewhere.path().parent_path() / "copy.db";
  Computer next(plain_, 1);
  ASSERT_TRUE(next.store->create_user({SecretBytes(32), key_of(6), Bytes{4}, {78}}));
  ASSERT_EQ(next.store->watch(witness), Standing::kCurrent);
  const auto id = next.store->id();
  const std::uint64_t before = next.store->generation();
  ASSERT_GT(old.store->generation(), before);
  next.store.reset();
  std::filesystem::copy_file(next.folder.file("agent.db"), copy);
  next.reopen();
  ASSERT_EQ(next.store->watch(witness), Standing::kCurrent);

  ASSERT_TRUE(next.store->restore(backup, {}));
  EXPECT_EQ(next.store->id(), id);
  EXPECT_NE(next.store->id(), old.store->id());
  EXPECT_EQ(next.store->generation(), before + 1);
  EXPECT_EQ(witness.highest().value(), before + 1);
  next.reopen();
  EXPECT_EQ(next.store->watch(witness), Standing::kCurrent);
  next.store.reset();
  std::filesystem::copy_file(copy, next.folder.file("agent.db"),
                             std::filesystem::copy_options::overwrite_existing);
  next.reopen();
  EXPECT_EQ(next.store->watch(witness), Standing::kRolledBack);
}

TEST_F(BackupTest, WhatIsHalfDoneStaysBehind) {
  Computer old(bound_);
  fill(*old.store);
  const auto before = old.all();
  grant::Binding unbound = make_binding(9);
  unbound.bound_at = {};
  ASSERT_TRUE(old.store->save_pending(unbound, make_grant(4, 9), kNow));
  Computer next(plain_);
  ASSERT_TRUE(next.store->restore(travel(*old.store), {}));
  EXPECT_EQ(next.all(), before);
}

TEST_F(BackupTest, NothingCanBeReadOutOfTheFile) {
  Computer old(bound_);
  fill(*old.store);
  const Bytes file =
      seal_backup(old.store->snapshot(kNow, {}).value(), kPassphrase, old.random, kCheap).value();
  const auto contains = [&](ByteSpan secret) { return !std::ranges::search(file, secret).empty(); };
  EXPECT_FALSE(contains(Bytes(32, 9)));
  EXPECT_FALSE(contains(key_of(5).scalar().span()));
  EXPECT_FALSE(contains(as_bytes("video.example")));
  EXPECT_FALSE(contains(as_bytes("Living room")));
  EXPECT_EQ(open_backup(file, as_bytes("correct horse batterz")).error().code,
            Code::kWrongPassphrase);
  EXPECT_EQ(open_backup(file, {}).error().code, Code::kWrongPassphrase);
}

TEST_F(BackupTest, NothingCanBeChanged) {
  Computer old(bound_);
  fill(*old.store);
  const Bytes file =
      seal_backup(old.store->snapshot(kNow, {}).value(), kPassphrase, old.random, kCheap).value();
  // Where the chunks begin.
  std::vector<std::size_t> at;
  for (std::size_t i = 28; i < file.size();) {
    at.push_back(i);
    i += 4 + (std::size_t{file[i]} << 24U | std::size_t{file[i + 1]} << 16U |
              std::size_t{file[i + 2]} << 8U | file[i + 3]);
  }
  ASSERT_GT(at.size(), 6U);
  const auto code_of = [&](const Bytes& changed) {
    const auto opened = open_backup(changed, kPassphrase);
    return opened ? std::nullopt : std::optional(opened.error().code);
  };
  ASSERT_EQ(code_of(file), std::nullopt);
  const auto flipped = [&](std::size_t where) {
    Bytes changed = file;
    changed[where] ^= 1U;
    return code_of(changed);
  };
  EXPECT_EQ(flipped(0), Code::kForeign);
  EXPECT_EQ(flipped(8), Code::kTooNew);
  EXPECT_EQ(flipped(9), Code::kWrongPassphrase);  // another cost is another key
  EXPECT_EQ(flipped(20), Code::kWrongPassphrase);
  EXPECT_EQ(flipped(at[0] + 4), Code::kWrongPassphrase);
  for (std::size_t i = 1; i < at.size(); ++i) {
    EXPECT_EQ(flipped(at[i] + 3), Code::kDamaged);       // a length
    EXPECT_EQ(flipped(at[i] + 4 + 20), Code::kDamaged);  // what is sealed
  }
  EXPECT_EQ(flipped(file.size() - 1), Code::kDamaged);
  const auto cut = [&](std::size_t size) {
    return code_of(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)));
  };
  EXPECT_EQ(cut(27), Code::kForeign);
  EXPECT_EQ(cut(28), Code::kDamaged);
  EXPECT_EQ(cut(at[1]), Code::kDamaged);
  EXPECT_EQ(cut(at.back()), Code::kDamaged);
  EXPECT_EQ(cut(file.size() - 1), Code::kDamaged);
  Bytes longer = file;
  longer.push_back(0);
  EXPECT_EQ(code_of(longer), Code::kDamaged);
  // The second row in the place of the first.
  Bytes moved(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(at[1]));
  append(moved, ByteSpan(file).subspan(at[2], at[3] - at[2]));
  append(moved, ByteSpan(file).subspan(at[1], at[2] - at[1]));
  append(moved, ByteSpan(file).subspan(at[3]));
  EXPECT_EQ(code_of(moved), Code::kDamaged);
}

TEST_F(BackupTest, AFileMayNotAskForMuch) {
  Bytes file = to_bytes(as_bytes("LKBACKUP"));
  file.insert(file.end(), {1, 20, 8, 1});  // 1 GiB
  file.resize(200);
  EXPECT_EQ(open_backup(file, kPassphrase).error().code, Code::kDamaged);
  file[9] = 14;
  std::fill_n(file.begin() + 28, 4, std::uint8_t{0xff});  // a chunk of 4 GiB
  EXPECT_EQ(open_backup(file, kPassphrase).error().code, Code::kDamaged);
}

TEST_F(BackupTest, WhatCannotBeOursChangesNothing) {
  Computer old(bound_);
  fill(*old.store);
  Computer next(plain_);
  ASSERT_TRUE(next.store->create_user({SecretBytes(32), key_of(6), Bytes{4}, {78}}));
  make_active(*next.store, 1, 3);
  const auto before = next.all();
  const auto refused = [&](auto change) {
    Backup backup = old.store->snapshot(kNow, {}).value();
    change(backup);
    const auto done = next.store->restore(backup, {});
    EXPECT_EQ(next.all(), before);
    EXPECT_EQ(next.store->user().value()->root_key.public_key(), key_of(6).public_key());
    return done ? std::nullopt : std::optional(done.error().code);
  };
  const auto row = [](Backup& backup, const std::string& table) -> BackupRow& {
    return *std::ranges::find(backup.rows, table, &BackupRow::table);
  };
  const auto column = [&](Backup& backup, const std::string& table,
                          const std::string& name) -> BackupValue& {
    auto& columns = row(backup, table).columns;
    return std::ranges::find(columns, name, &std::pair<std::string, BackupValue>::first)->second;
  };
  EXPECT_EQ(refused([](Backup& b) { b.schema = 9999; }), ErrorCode::kTooNew);
  EXPECT_EQ(refused([](Backup& b) { b.rows.clear(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(refused([&](Backup& b) { row(b, "user").table = "meta"; }), ErrorCode::kCorrupt);
  EXPECT_EQ(refused([&](Backup& b) { row(b, "user").columns.pop_back(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(refused([&](Backup& b) { row(b, "user").columns.emplace_back("x", 1); }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(refused([&](Backup& b) { column(b, "user", "secret") = std::int64_t{1}; }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(refused([&](Backup& b) { column(b, "user", "secret") = SecretBytes(31); }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(refused([&](Backup& b) { column(b, "user", "root_key") = SecretBytes(32); }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(refused([&](Backup& b) { column(b, "binding", "name") = std::string(300, 'x'); }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(refused([&](Backup& b) { column(b, "agent_grant", "host") = "www.example"; }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(refused([&](Backup& b) { column(b, "agent_grant", "port") = std::int64_t{70000}; }),
            ErrorCode::kCorrupt);
  EXPECT_EQ(refused([&](Backup& b) {
              std::erase_if(b.rows, [](const BackupRow& r) { return r.table == "binding"; });
            }),
            ErrorCode::kCorrupt);
  EXPECT_TRUE(next.store->restore(old.store->snapshot(kNow, {}).value(), {}));
}

TEST_F(BackupTest, AnotherProfileTakesGrantsOver) {
  Computer computer(plain_);
  fill(*computer.store);
  AgentStore& store = *computer.store;
  grant::AgentGrant other = make_grant(5, 8);
  other.profile = id_of<ProfileId>(2);
  ASSERT_TRUE(store.save_pending(make_binding(8), other, kNow));
  const auto done = store.adopt(id_of<ProfileId>(1), id_of<ProfileId>(2)).value();
  // The third stays: the other profile has one for the same device and web service.
  EXPECT_EQ(done.grants.size(), 2U);
  EXPECT_EQ(done.kept, 1U);
  const auto seen = store.grants(Scope::of(id_of<ProfileId>(2))).value();
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0].id, id_of<GrantId>(1));
  EXPECT_EQ(seen[0].host, make_grant(1, 7).host);
  EXPECT_EQ(seen[0].last_used, WallTime{4444});
  EXPECT_EQ(store.grants(Scope::of(id_of<ProfileId>(1))).value().size(), 1U);
}

}  // namespace
}  // namespace latchkey::store
