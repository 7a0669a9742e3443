// A store that is taken away for good.
#include "store/discard.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "store/device_store.h"
#include "store/files.h"
#include "store/test_support.h"

namespace latchkey::store {
namespace {

namespace fs = std::filesystem;

TEST(DiscardTest, TheFilesAreOverwrittenAndGoAndAnotherStoreCanBeMade) {
  const testing::TempFolder folder;
  testing::CountingRandom random;
  FileModeSealer sealer;
  ASSERT_TRUE(DeviceStore::open(folder.path(), sealer, random));
  std::ofstream(folder.file("device.db-journal")) << "old pages";
  std::ofstream(folder.file("other.txt")) << "not the store's";
  // A second name of the same file shows what became of its bytes.
  fs::create_hard_link(folder.file("device.db"), folder.file("second-name"));
  const auto size = fs::file_size(folder.file("device.db"));
  ASSERT_GT(size, 0U);
  ASSERT_TRUE(discard(folder.path(), "device.db"));
  EXPECT_FALSE(fs::exists(folder.file("device.db")));
  EXPECT_FALSE(fs::exists(folder.file("device.db-journal")));
  EXPECT_TRUE(fs::exists(folder.file("other.txt")));
  EXPECT_EQ(testing::read_file(folder.file("second-name")), Bytes(size, 0));
  EXPECT_TRUE(discard(folder.path(), "device.db")) << "again is fine";
  const auto fresh = DeviceStore::open(folder.path(), sealer, random);
  ASSERT_TRUE(fresh);
  EXPECT_FALSE((*fresh)->profile().value());
}

TEST(DiscardTest, NotWhileSomebodyHasItOpenAndNeverThroughALink) {
  const testing::TempFolder folder;
  testing::CountingRandom random;
  FileModeSealer sealer;
  {
    const auto open = DeviceStore::open(folder.path(), sealer, random);
    ASSERT_TRUE(open);
    EXPECT_EQ(discard(folder.path(), "device.db").error().code, ErrorCode::kBusy);
  }
  std::ofstream(folder.file("other.txt")) << "not the store's";
  fs::remove(folder.file("device.db"));
  fs::create_symlink(folder.file("other.txt"), folder.file("device.db"));
  ASSERT_TRUE(discard(folder.path(), "device.db"));
  EXPECT_FALSE(fs::is_symlink(fs::symlink_status(folder.file("device.db"))));
  EXPECT_EQ(as_text(testing::read_file(folder.file("other.txt"))), "not the store's");
}

}  // namespace
}  // namespace latchkey::store
