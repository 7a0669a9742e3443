// What is said to be durable: the calls that make it so, as the kernel gets them.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "store/media_support.h"
#include "store/test_support.h"

namespace {

std::vector<std::string>& synced() {
  static std::vector<std::string> names;
  return names;
}

int note(int fd, long call) {
  std::error_code bad;
  const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), bad);
  synced().push_back(path.filename().string());
  return static_cast<int>(::syscall(call, fd));
}

}  // namespace

// In the place of the C library's, for everything that this program links.
extern "C" int fsync(int fd) {
  return note(fd, SYS_fsync);
}
extern "C" int fdatasync(int fd) {
  return note(fd, SYS_fdatasync);
}

namespace latchkey::store {
namespace {

// Of an upload the offset is acknowledged then, and a fetch is to go on there.
TEST(MediaSync, ADraftIsDurableByItsNameToo) {
  const testing::TempFolder folder;
  testing::MediaCache cache(folder.path());
  auto draft = cache.files.make_draft(7);
  ASSERT_TRUE(draft && draft->write(testing::content_of(1, 1000)));
  synced().clear();
  ASSERT_TRUE(draft->sync());
  ASSERT_EQ(synced().size(), 2U);
  EXPECT_EQ(synced()[1], "incoming");
  // Once is enough.
  synced().clear();
  ASSERT_TRUE(draft->write(testing::content_of(2, 1000)) && draft->sync());
  EXPECT_EQ(synced().size(), 1U);
}

}  // namespace
}  // namespace latchkey::store
