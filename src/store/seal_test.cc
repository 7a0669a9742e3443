// Sealed stores: what a copy of the folder is worth, sealing anew, and keys that are gone.
#include <gtest/gtest.h>

#include <map>

#include "store/keepers.h"
#include "store/test_support.h"

namespace latchkey::store {
namespace {

using testing::id_of;
using testing::issued;
using testing::key_of;
using testing::make_binding;
using testing::make_device_grant;
using testing::make_grant;
using testing::make_profile;

constexpr WallTime kNow{4000};
constexpr crypto::ScryptCost kCheap{10, 8, 1};

class MemoryShelf final : public KeyShelf {
 public:
  Result<void> put(const Name& name, ByteSpan key) override {
    if (refuses_more) {
      return fail(Error{ErrorCode::kLocked, "locked"});
    }
    keys[name] = to_bytes(key);
    return {};
  }
  Result<SecretBytes> get(const Name& name) override {
    if (locked) {
      return fail(Error{ErrorCode::kLocked, "locked"});
    }
    const auto found = keys.find(name);
    if (found == keys.end()) {
      return fail(Error{ErrorCode::kKeyGone, "gone"});
    }
    return SecretBytes::copy_of(found->second);
  }
  Result<void> drop(const Name& name) override {
    keys.erase(name);
    return {};
  }
  std::map<Name, Bytes> keys;
  bool locked = false;
  bool refuses_more = false;
};

SecretBytes text(std::string_view words) {
  return SecretBytes::copy_of(as_bytes(words));
}

grant::Binding binding() {
  grant::Binding one = make_binding(30);
  one.discovery_key.fill(0x9b);
  return one;
}

class SealTest : public ::testing::Test {
 protected:
  // Secrets of every kind that an agent has.
  void fill(AgentStore& store) {
    ASSERT_TRUE(store.create_user({SecretBytes::copy_of(Bytes(32, 0x9a)), key_of(5), {1}, {7}}));
    for (const std::uint8_t n : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}}) {
      ASSERT_TRUE(store.save_pending(binding(), make_grant(n, 30), kNow));
      ASSERT_TRUE(store.save_issued(binding(), issued(make_grant(n, 30)), kNow));
      ASSERT_TRUE(store.activate(make_grant(n, 30).id, 8443));
    }
    ASSERT_TRUE(store.revoke(id_of<GrantId>(2), {{6000}, {96400}}));
  }
  static void check(AgentStore& store) {
    const auto user = store.user();
    ASSERT_TRUE(user) << user.error().detail;
    EXPECT_EQ((*user)->root_key.public_key(), key_of(5).public_key());
    EXPECT_EQ(testing::describe(store.binding(id_of<DeviceId>(30)).value().value()),
              testing::describe(binding()));
    ASSERT_EQ(store.grants(Scope::everything()).value().size(), 3U);
    EXPECT_EQ(store.grants(Scope::everything()).value()[0].ticket_key.public_key(),
              make_grant(1, 30).ticket_key.public_key());
    EXPECT_EQ(store.deletions().value().size(), 1U);
  }
  // Every secret that fill() stored, as it would look in a file.
  static std::vector<Bytes> secrets() {
    std::vector<Bytes> all = {Bytes(32, 0x9a), Bytes(32, 0x9b)};  // the user's, a discovery key
    for (const int scalar : {5, 31, 4, 6}) {
      all.emplace_back(32, static_cast<std::uint8_t>(scalar));
    }
    return all;
  }
  static std::size_t traces(const std::filesystem::path& folder) {
    std::size_t found = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const Bytes file = testing::read_file(entry.path());
      for (const Bytes& secret : secrets()) {
        found += as_text(file).find(as_text(secret)) != std::string_view::npos ? 1U : 0U;
      }
    }
    return found;
  }
  Result<AgentStore> open(Sealer& sealer) {
    return AgentStore::open(folder_.path(), sealer, random_);
  }

  testing::TempFolder folder_;
  testing::CountingRandom random_;
  MemoryShelf shelf_;
  ShelfKeeper keyring_{random_, "keyring", shelf_};
  PassphraseKeeper passphrase_{random_, kCheap};
  std::vector<Keeper*> keepers_{&keyring_, &passphrase_};
};

TEST_F(SealTest, AFreshStoreIsSealedFromTheStart) {
  KeptSealer sealer(random_, keepers_, &keyring_);
  {
    auto store = open(sealer);
    ASSERT_TRUE(store) << store.error().detail;
    EXPECT_EQ(store->sealed().kind, "keyring");
    fill(*store);
  }
  EXPECT_EQ(traces(folder_.path()), 0U);
  KeptSealer again(random_, keepers_, nullptr);
  auto store = open(again);
  ASSERT_TRUE(store) << store.error().detail;
  check(*store);
}

// As if somebody had the key of the sums: a secret moved to another place, or one of their own put
// there in the clear, is not taken.
TEST_F(SealTest, ASecretOpensInItsPlaceAndSealedOnly) {
  KeptSealer sealer(random_, keepers_, &keyring_);
  ASSERT_TRUE(sealer.make());
  const Bytes secret(32, 0x9a);
  const Bytes sealed = sealer.seal("grant 1 ticket_key", secret).value();
  EXPECT_EQ(to_bytes(sealer.open("grant 1 ticket_key", sealed).value().span()), secret);
  const Bytes plain = FileModeSealer().seal("grant 1 ticket_key", secret).value();
  const auto expect_refused = [&](std::string_view purpose, ByteSpan value) {
    const auto opened = sealer.open(purpose, value);
    ASSERT_FALSE(opened) << purpose;
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  };
  expect_refused("grant 2 ticket_key", sealed);
  expect_refused("grant 1 ticket_key", plain);
  expect_refused("grant 1 ticket_key", ByteSpan(sealed).first(sealed.size() - 1));
  expect_refused("grant 1 ticket_key", {});
}

// Row 37: the folder of a stolen laptop, without what keeps the key.
TEST_F(SealTest, ACopiedFolderOpensNowhereElse) {
  {
    KeptSealer sealer(random_, keepers_, &keyring_);
    auto store = open(sealer);
    ASSERT_TRUE(store);
    fill(*store);
  }
  const testing::TempFolder elsewhere;
  std::filesystem::copy(folder_.path(), elsewhere.path());
  MemoryShelf other_shelf;
  other_shelf.keys[ByteArray<16>{}] = Bytes(32, 1);
  ShelfKeeper other(random_, "keyring", other_shelf);
  KeptSealer thief(random_, {&other, &passphrase_}, nullptr);
  EXPECT_EQ(AgentStore::open(elsewhere.path(), thief, random_).error().code, ErrorCode::kKeyGone);
  FileModeSealer plain;
  EXPECT_EQ(AgentStore::open(elsewhere.path(), plain, random_).error().code, ErrorCode::kConflict);
  // Claiming that nothing is sealed does not open it either.
  testing::tamper(elsewhere.file("agent.db"),
                  "UPDATE meta SET value = CAST('file-mode' AS BLOB) WHERE name = 'sealer'");
  EXPECT_EQ(AgentStore::open(elsewhere.path(), plain, random_).error().code, ErrorCode::kCorrupt);
}

TEST_F(SealTest, StatesOfAKeyringAreToldApart) {
  {
    KeptSealer sealer(random_, keepers_, &keyring_);
    ASSERT_TRUE(open(sealer));
  }
  KeptSealer sealer(random_, keepers_, nullptr);
  shelf_.locked = true;
  EXPECT_EQ(open(sealer).error().code, ErrorCode::kLocked);
  shelf_.locked = false;
  auto kept = std::exchange(shelf_.keys, {});
  EXPECT_EQ(open(sealer).error().code, ErrorCode::kKeyGone);
  kept.begin()->second[0] ^= 1;
  shelf_.keys = kept;
  EXPECT_EQ(open(sealer).error().code, ErrorCode::kKeyGone);
  kept.begin()->second[0] ^= 1;
  shelf_.keys = kept;
  EXPECT_TRUE(open(sealer));
}

TEST_F(SealTest, APassphraseOpensAndAWrongOneDoesNot) {
  passphrase_.give(text("correct horse"));
  {
    KeptSealer sealer(random_, keepers_, &passphrase_);
    auto store = open(sealer);
    ASSERT_TRUE(store) << store.error().detail;
    fill(*store);
  }
  KeptSealer sealer(random_, keepers_, nullptr);
  EXPECT_EQ(open(sealer).error().code, ErrorCode::kLocked);
  for (const char* wrong : {"correct hors", "correct horsf", "correct horse ", "x"}) {
    passphrase_.give(text(wrong));
    EXPECT_EQ(open(sealer).error().code, ErrorCode::kLocked) << wrong;
    EXPECT_FALSE(passphrase_.has()) << "it is not kept";
  }
  passphrase_.give(text("correct horse"));
  auto store = open(sealer);
  ASSERT_TRUE(store) << store.error().detail;
  check(*store);
}

TEST_F(SealTest, ACostOutOfBoundsIsRefusedBeforeItIsPaid) {
  passphrase_.give(text("correct horse"));
  {
    KeptSealer sealer(random_, keepers_, &passphrase_);
    ASSERT_TRUE(open(sealer));
  }
  testing::tamper(
      folder_.file("agent.db"),
      "UPDATE meta SET value = CAST(x'01ff' || substr(value, 3) AS BLOB) WHERE name = 'data_key'");
  KeptSealer sealer(random_, keepers_, nullptr);
  passphrase_.give(text("correct horse"));
  const auto store = open(sealer);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::kCorrupt);
}

TEST_F(SealTest, ATooShortPassphraseSealsNothing) {
  FileModeSealer plain;
  auto store = open(plain);
  ASSERT_TRUE(store);
  passphrase_.give(text("short"));
  KeptSealer next(random_, keepers_, &passphrase_);
  EXPECT_FALSE(store->reseal(next));
  EXPECT_EQ(store->sealed().kind, kFileMode);
}

// From file mode to each kind and back: everything is there, and nothing of the old is left in the
// files.
TEST_F(SealTest, SealingAnewLeavesNoTraces) {
  FileModeSealer plain;
  auto store = open(plain);
  ASSERT_TRUE(store);
  fill(*store);
  ASSERT_EQ(traces(folder_.path()), secrets().size()) << "the test would not notice traces";
  KeptSealer first(random_, keepers_, &keyring_);
  ASSERT_TRUE(store->reseal(first));
  EXPECT_EQ(traces(folder_.path()), 0U);
  check(*store);
  passphrase_.give(text("correct horse"));
  KeptSealer second(random_, keepers_, &passphrase_);
  ASSERT_TRUE(second.prepare());
  const Bytes old_key = store->sealed().key;
  ASSERT_TRUE(store->reseal(second));
  ASSERT_TRUE(keyring_.forget(old_key));
  EXPECT_TRUE(shelf_.keys.empty());
  EXPECT_EQ(traces(folder_.path()), 0U);
  check(*store);
  store = fail(Error{});
  KeptSealer third(random_, keepers_, nullptr);
  EXPECT_EQ(open(third).error().code, ErrorCode::kLocked);
  passphrase_.give(text("correct horse"));
  store = open(third);
  ASSERT_TRUE(store) << store.error().detail;
  check(*store);
  KeptSealer fourth(random_, keepers_, nullptr);
  ASSERT_TRUE(store->reseal(fourth));
  EXPECT_EQ(store->sealed().kind, kFileMode);
  check(*store);
  // And the store goes on.
  ASSERT_TRUE(store->revoke(id_of<GrantId>(1), {{6000}, {96400}}));
}

TEST_F(SealTest, SealingAnewChangesTheDataKey) {
  KeptSealer first(random_, keepers_, &keyring_);
  auto store = open(first);
  ASSERT_TRUE(store);
  fill(*store);
  const Bytes before = store->sealed().key;
  KeptSealer second(random_, keepers_, &keyring_);
  ASSERT_TRUE(store->reseal(second));
  // Whoever had the old key has nothing of the new store: no sealed value opens with it.
  const auto user = store->user();
  ASSERT_TRUE(user);
  EXPECT_FALSE(first.open("agent.db/user/secret/6900", Bytes(61, 2)));
  EXPECT_NE(store->sealed().key, before);
  EXPECT_EQ(shelf_.keys.size(), 2U) << "the old key is dropped by whoever asked for it";
}

TEST_F(SealTest, ADeviceIsSealedWithAKey) {
  KeyKeeper file(random_, "key-file", SecretBytes(32));
  KeptSealer sealer(random_, {&file}, &file);
  FileModeSealer plain;
  auto store = DeviceStore::open(folder_.path(), plain, random_);
  ASSERT_TRUE(store);
  ASSERT_TRUE((*store)->create_profile(make_profile(7)));
  ASSERT_TRUE((*store)->add_pending(testing::make_agent(5), make_device_grant(2, 5)));
  ASSERT_TRUE((*store)->reseal(sealer));
  (*store).reset();
  const Bytes file_bytes = testing::read_file(folder_.file("device.db"));
  EXPECT_EQ(as_text(file_bytes).find(as_text(Bytes(32, 7))), std::string_view::npos);
  EXPECT_EQ(as_text(file_bytes).find(as_text(Bytes(32, 3))), std::string_view::npos);
  KeyKeeper other(random_, "key-file", SecretBytes::copy_of(Bytes(32, 1)));
  KeptSealer wrong(random_, {&other}, &other);
  EXPECT_EQ(DeviceStore::open(folder_.path(), wrong, random_).error().code, ErrorCode::kLocked);
  KeptSealer right(random_, {&file}, &file);
  auto again = DeviceStore::open(folder_.path(), right, random_);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ((*again)->profile().value()->boot_key.public_key(), key_of(7).public_key());
}

// A device that is reset: another data key, another id, and nobody can put the old file back.
TEST_F(SealTest, ABeginningAnewHasAnotherDataKeyAndId) {
  KeptSealer sealer(random_, keepers_, &keyring_);
  Seal before;
  ByteArray<16> id{};
  std::uint64_t generation = 0;
  {
    auto store = DeviceStore::open(folder_.path(), sealer, random_).value();
    ASSERT_TRUE(store->create_profile(make_profile(1)));
    before = store->sealed();
    id = store->id();
    generation = store->generation();
    ASSERT_TRUE(store->factory_reset(make_profile(2)));
    EXPECT_NE(store->sealed().key, before.key);
    EXPECT_EQ(store->sealed().kind, "keyring");
    EXPECT_NE(store->id(), id);
    EXPECT_GT(store->generation(), generation);
    EXPECT_EQ(store->profile().value()->boot_key.public_key(), key_of(2).public_key());
  }
  const Bytes file = testing::read_file(folder_.file("device.db"));
  EXPECT_EQ(as_text(file).find(as_text(before.key)), std::string_view::npos) << "the wrapped key";
  EXPECT_EQ(as_text(file).find(as_text(id)), std::string_view::npos) << "the id";
  KeptSealer again(random_, keepers_, &keyring_);
  auto store = DeviceStore::open(folder_.path(), again, random_).value();
  EXPECT_EQ(store->profile().value()->boot_key.public_key(), key_of(2).public_key());
}

// The keyring is locked just then: nothing changed, and what is there is still readable.
TEST_F(SealTest, ABeginningAnewThatFailsLeavesTheStoreAsItWas) {
  KeptSealer sealer(random_, keepers_, &keyring_);
  auto store = DeviceStore::open(folder_.path(), sealer, random_).value();
  ASSERT_TRUE(store->create_profile(make_profile(1)));
  const auto id = store->id();
  ASSERT_TRUE(store->rename(std::string(60, 'x')));
  shelf_.refuses_more = true;
  ASSERT_FALSE(store->factory_reset(make_profile(2)));
  EXPECT_EQ(store->id(), id);
  EXPECT_EQ(store->profile().value()->boot_key.public_key(), key_of(1).public_key());
  shelf_.refuses_more = false;
  EXPECT_TRUE(store->factory_reset(make_profile(2)));
}

}  // namespace
}  // namespace latchkey::store
