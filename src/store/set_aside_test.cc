#include "store/set_aside.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "store/files.h"
#include "store/test_support.h"

namespace latchkey::store {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;
constexpr WallTime kNow{1767225600};  // 2026-01-01

std::string contents(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(SetAside, KeepsEveryByteUnderAnotherName) {
  const TempFolder folder;
  fs::create_directories(folder.path());
  std::ofstream(folder.path() / "agent.db") << "old";
  std::ofstream(folder.path() / "agent.db-journal") << "undo";
  const auto first = set_aside(folder.path(), "agent.db", kNow);
  ASSERT_TRUE(first) << first.error().detail;
  EXPECT_EQ(first->filename(), "agent.db.old-20260101-000000");
  EXPECT_EQ(contents(*first), "old");
  EXPECT_EQ(contents(first->string() + "-journal"), "undo");
  EXPECT_FALSE(fs::exists(folder.path() / "agent.db"));
  EXPECT_FALSE(fs::exists(folder.path() / "agent.db-journal"));
}

TEST(SetAside, NeverOverwrites) {
  const TempFolder folder;
  fs::create_directories(folder.path());
  for (const std::string text : {"one", "two", "three"}) {
    std::ofstream(folder.path() / "agent.db") << text;
    const auto moved = set_aside(folder.path(), "agent.db", kNow);
    ASSERT_TRUE(moved) << moved.error().detail;
    EXPECT_EQ(contents(*moved), text);
  }
  EXPECT_EQ(contents(folder.path() / "agent.db.old-20260101-000000"), "one");
  // A journal without its file counts as taken, too.
  std::ofstream(folder.path() / "agent.db.old-20260101-000000-3-journal") << "other";
  std::ofstream(folder.path() / "agent.db") << "four";
  EXPECT_EQ(set_aside(folder.path(), "agent.db", kNow)->filename(),
            "agent.db.old-20260101-000000-4");
}

TEST(SetAside, NothingThereIsFineAndAnOpenStoreIsNot) {
  const TempFolder folder;
  fs::create_directories(folder.path());
  EXPECT_EQ(set_aside(folder.path(), "agent.db", kNow).value(), fs::path());
  std::ofstream(folder.path() / "agent.db") << "open";
  const auto lock = lock_file(folder.path() / "agent.db.lock");
  ASSERT_TRUE(lock);
  EXPECT_EQ(set_aside(folder.path(), "agent.db", kNow).error().code, ErrorCode::kBusy);
  EXPECT_EQ(contents(folder.path() / "agent.db"), "open");
}

}  // namespace
}  // namespace latchkey::store
