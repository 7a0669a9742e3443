#include "store/database.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>

#include "store/statement.h"
#include "store/test_support.h"

namespace latchkey::store {
namespace {

using testing::TempFolder;

constexpr std::array kVersion1 = {
    "CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"};
constexpr std::array kVersion2 = {
    kVersion1[0],
    "ALTER TABLE thing ADD COLUMN size INTEGER; UPDATE thing SET size = length(name)"};
constexpr std::array kBroken2 = {kVersion1[0], "DELETE FROM thing; CREATE TABLE thing (id)"};

Result<Database> open(const TempFolder& folder, std::span<const char* const> migrations,
                      std::int32_t application = 7) {
  return Database::open({folder.path(), "x.db", ""}, {application, migrations}, nullptr);
}

std::int64_t number(Database& db, const std::string& sql) {
  Query query(db, sql, {});
  EXPECT_TRUE(query.step());
  return std::get<std::int64_t>(query.value(0, {"n", Kind::kInteger}));
}

TEST(DatabaseTest, IsPrivateAndDurable) {
  const TempFolder folder;
  auto db = open(folder, kVersion1);
  ASSERT_TRUE(db) << db.error().detail;
  struct stat info{};
  ASSERT_EQ(::stat(folder.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
  ASSERT_EQ(::stat(folder.file("x.db").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_EQ(number(*db, "PRAGMA synchronous"), 3);  // EXTRA
  EXPECT_EQ(number(*db, "PRAGMA secure_delete"), 1);
  EXPECT_EQ(number(*db, "PRAGMA foreign_keys"), 1);
  EXPECT_EQ(number(*db, "PRAGMA user_version"), 1);
  EXPECT_EQ(number(*db, "PRAGMA application_id"), 7);
  EXPECT_FALSE(std::filesystem::exists(folder.file("x.db.new")));
}

TEST(DatabaseTest, TakesRightsAwayFromOthers) {
  const TempFolder folder;
  ASSERT_TRUE(open(folder, kVersion1));
  ::chmod(folder.path().c_str(), 0755);
  ::chmod(folder.file("x.db").c_str(), 0644);
  ASSERT_TRUE(open(folder, kVersion1));
  struct stat info{};
  ASSERT_EQ(::stat(folder.file("x.db").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST(DatabaseTest, DoesNotFollowALink) {
  const TempFolder folder;
  const TempFolder elsewhere;
  ASSERT_TRUE(open(elsewhere, kVersion1));
  std::filesystem::create_directories(folder.path());
  std::filesystem::create_symlink(elsewhere.file("x.db"), folder.file("x.db"));
  EXPECT_EQ(open(folder, kVersion1).error().code, ErrorCode::kIo);
}

TEST(DatabaseTest, OpensOnceOnly) {
  const TempFolder folder;
  const auto first = open(folder, kVersion1);
  ASSERT_TRUE(first);
  EXPECT_EQ(open(folder, kVersion1).error().code, ErrorCode::kBusy);
}

TEST(DatabaseTest, MigratesOneVersionAtATime) {
  const TempFolder folder;
  {
    auto db = open(folder, kVersion1);
    ASSERT_TRUE(db);
    db->execute("INSERT INTO thing (name) VALUES ('four')");
  }
  {
    auto db = open(folder, kVersion2);
    ASSERT_TRUE(db) << db.error().detail;
    EXPECT_EQ(number(*db, "SELECT size FROM thing"), 4);
    EXPECT_EQ(number(*db, "PRAGMA user_version"), 2);
  }
  auto db = open(folder, kVersion2);
  ASSERT_TRUE(db) << "the second time there is nothing to do";
}

TEST(DatabaseTest, AFailedMigrationLeavesTheOldVersion) {
  const TempFolder folder;
  {
    auto db = open(folder, kVersion1);
    ASSERT_TRUE(db);
    db->execute("INSERT INTO thing (name) VALUES ('four')");
  }
  EXPECT_FALSE(open(folder, kBroken2));
  auto db = open(folder, kVersion1);
  ASSERT_TRUE(db) << db.error().detail;
  EXPECT_EQ(number(*db, "SELECT count(*) FROM thing"), 1);
}

TEST(DatabaseTest, RefusesANewerVersion) {
  const TempFolder folder;
  ASSERT_TRUE(open(folder, kVersion2));
  const auto db = open(folder, kVersion1);
  ASSERT_FALSE(db);
  EXPECT_EQ(db.error().code, ErrorCode::kTooNew);
  EXPECT_EQ(db.error().detail, "the store has version 2, this program knows 1");
}

TEST(DatabaseTest, RefusesAnotherApplicationsFile) {
  const TempFolder folder;
  ASSERT_TRUE(open(folder, kVersion1));
  EXPECT_EQ(open(folder, kVersion1, 8).error().code, ErrorCode::kCorrupt);
}

TEST(DatabaseTest, NoticesAFileThatWasCutShort) {
  const TempFolder folder;
  ASSERT_TRUE(open(folder, kVersion1));
  const Bytes whole = testing::read_file(folder.file("x.db"));
  for (const std::size_t size : {0U, 1U, 100U, 4095U, 4096U}) {
    testing::write_file(folder.file("x.db"), ByteSpan(whole).first(size));
    const auto db = open(folder, kVersion1);
    ASSERT_FALSE(db) << size;
    EXPECT_EQ(db.error().code, ErrorCode::kCorrupt) << size << " " << db.error().detail;
  }
}

TEST(DatabaseTest, StartsOverAfterACreationThatWasCutOff) {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path());
  testing::write_file(folder.file("x.db.new"), as_bytes("half a file"));
  testing::write_file(folder.file("x.db.new-journal"), as_bytes("half a journal"));
  EXPECT_TRUE(open(folder, kVersion1));
}

}  // namespace
}  // namespace latchkey::store
