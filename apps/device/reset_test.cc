// A factory reset: what goes, what must not, and what is left in the files.
#include "device/reset.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "crypto/x509.h"
#include "device/erase.h"
#include "device/file_backend.h"
#include "device/test_house.h"

namespace latchkey::device::testing {
namespace {

namespace fs = std::filesystem;

class EraseTest : public ::testing::Test {
 protected:
  EraseTest() {
    std::string name = (fs::temp_directory_path() / "latchkey-erase-XXXXXX").string();
    LATCHKEY_CHECK(::mkdtemp(name.data()) != nullptr);
    root_ = name;
    fs::create_directories(root_ / "content/deep/er");
    fs::create_directories(root_ / "outside/folder");
    write("outside/kept.txt");
    write("outside/folder/kept.txt");
  }
  ~EraseTest() override { fs::remove_all(root_); }
  void write(const std::string& name) const { std::ofstream(root_ / name) << "text"; }
  fs::path root_;
};

TEST_F(EraseTest, EverythingInsideGoesAndNothingOutside) {
  for (int i = 0; i < 2500; ++i) {
    write("content/film-" + std::to_string(i));
  }
  write("content/deep/er/.hidden");
  fs::create_symlink(root_ / "outside", root_ / "content/deep/link");
  fs::create_symlink(root_ / "outside/kept.txt", root_ / "content/file-link");
  fs::create_symlink("..", root_ / "content/up");
  fs::create_hard_link(root_ / "outside/kept.txt", root_ / "content/second-name");
  ASSERT_EQ(::mkfifo((root_ / "content/pipe").c_str(), 0600), 0);
  ASSERT_EQ(::chmod((root_ / "content/deep").c_str(), 0700), 0);
  const auto done = erase_inside(root_ / "content");
  ASSERT_TRUE(done) << done.error();
  EXPECT_TRUE(fs::is_empty(root_ / "content"));
  EXPECT_TRUE(fs::exists(root_ / "outside/kept.txt"));
  EXPECT_TRUE(fs::exists(root_ / "outside/folder/kept.txt"));
  EXPECT_TRUE(erase_inside(root_ / "nowhere")) << "not there is empty";
}

TEST_F(EraseTest, ALinkInTheFoldersPlaceIsNotFollowed) {
  fs::create_directory_symlink(root_ / "outside", root_ / "link");
  EXPECT_FALSE(erase_inside(root_ / "link"));
  EXPECT_TRUE(fs::exists(root_ / "outside/kept.txt"));
}

TEST_F(EraseTest, WhatIsMountedInsideIsNotEntered) {
  const fs::path point = root_ / "content/deep/er";
  if (::mount((root_ / "outside").c_str(), point.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "may not mount";
  }
  const auto done = erase_inside(root_ / "content");
  (void)::umount2(point.c_str(), MNT_DETACH);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().find("mounted"), std::string::npos) << done.error();
  EXPECT_TRUE(fs::exists(root_ / "outside/kept.txt"));
}

TEST_F(EraseTest, OnlyAFolderOfTheServicesMayBeNamed) {
  fs::create_directories(root_ / "state/inner");
  fs::create_directory_symlink(root_ / "content", root_ / "link");
  const fs::path state = root_ / "state";
  EXPECT_FALSE(refuse_to_erase(root_ / "content", state));
  EXPECT_FALSE(refuse_to_erase((root_ / "content").string() + "/", state));
  EXPECT_FALSE(refuse_to_erase(root_ / "outside", root_ / "outside-of-it/state"));
  for (const fs::path& bad :
       {fs::path("/"), root_, state, state / "inner", root_ / "link", root_ / "outside/kept.txt",
        root_ / "nowhere", fs::path("content"), root_ / "content/../state", fs::path("")}) {
    EXPECT_TRUE(refuse_to_erase(bad, state)) << bad;
  }
}

TEST_F(EraseTest, ThePlanIsKeptAndADamagedOneIsNoEmptyOne) {
  const ErasePlan plan{{root_ / "content", root_ / "a \"b\""}, "/var/log/x"};
  EXPECT_EQ(read_plan(root_).value(), ErasePlan());
  ASSERT_TRUE(write_plan(root_, plan));
  EXPECT_EQ(read_plan(root_).value(), plan);
  for (const char* text : {"", "{", "[]", "{}", R"({"folders":[1],"access_log":""})",
                           R"({"folders":"x","access_log":""})", R"({"folders":[]})"}) {
    std::ofstream(root_ / "reset-erases.json") << text;
    EXPECT_FALSE(read_plan(root_)) << text;
  }
}

class ResetTest : public House {
 public:
  // Of every file in the state's folder.
  bool state_holds(ByteSpan bytes) const {
    const std::string wanted(as_text(bytes));
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "state")) {
      std::ifstream file(entry.path(), std::ios::binary);
      std::stringstream text;
      text << file.rdbuf();
      if (text.str().find(wanted) != std::string::npos) {
        return true;
      }
    }
    return false;
  }
};

// threats.md row 35: not what the tables say, but what is on the disk.
TEST_F(ResetTest, Row35NothingOfBeforeIsInTheFiles) {
  fs::create_directories(folder_ / "www");
  start(FileBackend::open(path("www"), clock_, io_.get_executor()));
  const GrantId id = pair();
  ASSERT_TRUE(store_->set_label_key(SecretBytes::copy_of(as_bytes("ABCDEFGHJKMNPQRSTVWXYZ0123"))));
  ASSERT_EQ(run(sign_in(grant(id))), 204);
  ASSERT_EQ(run(manage("POST", "/renew", wire::encode(wire::RenewRequest{id}))).status, 200);
  const auto profile = store_->profile().value().value();
  const auto held = store_->find(agent_.management_key.public_key().spki_hash(), id).value();
  ASSERT_TRUE(held.next_key);
  std::vector<std::pair<std::string, Bytes>> plain = {
      {"the name", to_bytes(as_bytes("Hall cache"))},
      {"a host", to_bytes(as_bytes(held.host.text()))},
      {"a web service", to_bytes(as_bytes("https://video.example"))},
      {"a person's name towards it", to_bytes(as_bytes(held.sub))},
      {"an agent's key", to_bytes(agent_.management_key.public_key().spki())},
      {"a certificate", held.leaf},
      {"a key's request", held.csr},
      {"a grant's id", to_bytes(id.span())}};
  std::vector<std::pair<std::string, SecretBytes>> secret;
  secret.emplace_back("the bootstrap key", profile.boot_key.scalar());
  secret.emplace_back("a grant's key", held.key.scalar());
  secret.emplace_back("a renewal's key", held.next_key->scalar());
  secret.emplace_back("the discovery key", SecretBytes::copy_of(profile.discovery_key));
  secret.emplace_back("the label's key",
                      SecretBytes::copy_of(as_bytes("ABCDEFGHJKMNPQRSTVWXYZ0123")));
  for (const auto& [what, bytes] : plain) {
    EXPECT_TRUE(state_holds(bytes)) << what << " is not looked for in the right way";
  }
  ASSERT_TRUE(erase_store(*store_, random_));
  // While it is still open, with whatever journal there is; and once it is closed.
  for (const bool closed : {false, true}) {
    if (closed) {
      restart();
    }
    for (const auto& [what, bytes] : plain) {
      // The device is given its name again when it is started with it.
      EXPECT_FALSE(state_holds(bytes) && !(closed && what == "the name"))
          << what << ", closed: " << closed;
    }
    for (const auto& [what, bytes] : secret) {
      EXPECT_FALSE(state_holds(bytes.span())) << what << ", closed: " << closed;
    }
  }
  const auto fresh = store_->profile().value().value();
  EXPECT_NE(fresh.boot_key.public_key().spki(), profile.boot_key.public_key().spki());
  EXPECT_NE(fresh.discovery_key, profile.discovery_key);  // row 55
  EXPECT_TRUE(store_->agents()->empty());
  EXPECT_TRUE(store_->audit(10)->empty());
  EXPECT_FALSE(store_->label_key().value());
  EXPECT_EQ(store_->load(), pairing::WindowRecord());
}

}  // namespace
}  // namespace latchkey::device::testing
