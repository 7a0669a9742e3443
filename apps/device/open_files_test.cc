// Files that are kept open: found again only as they were, and not for long.
#include "device/open_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

namespace latchkey::device {
namespace {

namespace fs = std::filesystem;

class OpenFilesTest : public ::testing::Test {
 protected:
  OpenFilesTest() {
    std::string name = (fs::temp_directory_path() / "latchkey-open-files-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    root_ = net::OwnedFd(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  ~OpenFilesTest() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }
  std::shared_ptr<OpenFile> open(const std::string& name) const {
    auto file = std::make_shared<OpenFile>();
    file->file = net::OwnedFd(::openat(root_.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(::fstat(file->file.get(), &file->seen), 0);
    file->facts.size = static_cast<std::uint64_t>(file->seen.st_size);
    return file;
  }
  void keep(const std::string& name) { files_.keep("/" + name, name, open(name)); }
  bool finds(const std::string& name) { return files_.find("/" + name, root_.get()) != nullptr; }

  fs::path folder_;
  net::OwnedFd root_;
  boost::asio::io_context io_;
  OpenFiles files_{io_.get_executor(), std::chrono::hours(1)};
};

TEST_F(OpenFilesTest, IsFoundWhileItIsTheSame) {
  write("a", "1234");
  EXPECT_FALSE(finds("a"));
  keep("a");
  EXPECT_TRUE(finds("a"));
  EXPECT_TRUE(finds("a"));
  EXPECT_FALSE(finds("b"));
}

TEST_F(OpenFilesTest, WhatWasReplacedRemovedOrShutIsNotFound) {
  write("replaced", "1234");
  write("removed", "1234");
  write("shut", "1234");
  keep("replaced");
  keep("removed");
  EXPECT_TRUE(finds("replaced"));
  EXPECT_TRUE(finds("removed"));
  const auto time = fs::last_write_time(folder_ / "replaced");
  write("new", "1234");
  fs::rename(folder_ / "new", folder_ / "replaced");
  fs::last_write_time(folder_ / "replaced", time);
  fs::remove(folder_ / "removed");
  EXPECT_FALSE(finds("replaced"));
  EXPECT_FALSE(finds("removed"));
  // Seen before somebody changed its permissions, as the time of change tells.
  auto before = open("shut");
  --before->seen.st_ctim.tv_sec;
  files_.keep("/shut", "shut", before);
  EXPECT_FALSE(finds("shut"));
  EXPECT_EQ(files_.size(), 0U);
}

TEST_F(OpenFilesTest, NobodyIsKeptForLongNorAreMany) {
  write("a", "1234");
  for (std::size_t i = 0; i < 5 * OpenFiles::kMost; ++i) {
    files_.keep(std::to_string(i), "a", open("a"));
    EXPECT_LE(files_.size(), OpenFiles::kMost);
  }
  auto large = open("a");
  large->facts.size = OpenFiles::kMostBytes + 1;
  files_.keep("/large", "a", large);
  EXPECT_EQ(files_.find("/large", root_.get()), nullptr);
  // Whose time is over is neither found nor held, whether anybody asks or not.
  boost::asio::io_context io;
  OpenFiles brief(io.get_executor(), std::chrono::milliseconds(0));
  brief.keep("/a", "a", open("a"));
  EXPECT_EQ(brief.size(), 1U);
  io.run();  // has nothing more to do once nothing is held
  EXPECT_EQ(brief.size(), 0U);
  brief.keep("/a", "a", open("a"));
  EXPECT_EQ(brief.find("/a", root_.get()), nullptr);
}

}  // namespace
}  // namespace latchkey::device
