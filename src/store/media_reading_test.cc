// An index on a disk that takes no writes.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "store/database.h"
#include "store/media_support.h"
#include "store/media_tables.h"
#include "store/test_support.h"

namespace latchkey::store {
namespace {

using testing::content_of;
using testing::MediaCache;
using testing::put;
using testing::TempFolder;

const cache::Partition kVideo = cache::Partition::of(Origin::parse("https://video.example"));

// What a mount looks like is this process's alone, so each runs in a child: 0 is good, 77 is that
// it cannot be tried here, anything else is the line of `work` that was wrong.
int in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      ::_exit(77);
    }
    ::_exit(work());
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
    return 99;
  }
  return WEXITSTATUS(status);
}

bool bind(const std::filesystem::path& folder) {
  return ::mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr) == 0;
}
bool remount(const std::filesystem::path& folder, bool writes) {
  unsigned long flags = MS_BIND | MS_REMOUNT;
  if (!writes) {
    flags |= MS_RDONLY;
  }
  return ::mount(nullptr, folder.c_str(), nullptr, flags, nullptr) == 0;
}

TEST(MediaReading, WhatIsThereIsFoundAndNothingChangesUntilTheDiskTakesWrites) {
  const TempFolder folder;
  {
    MediaCache cache(folder.path());
    ASSERT_TRUE(put(cache, kVideo, "a", content_of(1, 1000)));
    ASSERT_TRUE(put(cache, kVideo, "b", content_of(2, 1000)));
  }
  const int wrong = in_child([&] {
    if (!bind(folder.path()) || !remount(folder.path(), false)) {
      return 77;
    }
    MediaCache cache(folder.path());
    if (!cache.index->reads_only()) {
      return 1;
    }
    const auto found = cache.index->find(kVideo.key(), "a", {5});
    if (!found || !*found) {
      return 2;
    }
    if (put(cache, kVideo, "c", content_of(3, 10)) || cache.index->remove(kVideo.key(), "a") ||
        cache.index->flush()) {
      return 3;
    }
    const auto list = cache.index->list(kVideo.key(), "", "", 10);
    if (!list || list->size() != 2) {
      return 4;
    }
    if (!remount(folder.path(), true)) {
      return 77;
    }
    // No number of before is given again: "b" would get the new content.
    const auto fresh = put(cache, kVideo, "c", content_of(3, 10));
    if (!fresh || fresh->number <= (*found)->number || cache.index->reads_only()) {
      return 5;
    }
    const auto old = cache.index->find(kVideo.key(), "b", {6});
    return old && *old && (*old)->number != fresh->number && (*old)->size == 1000 ? 0 : 6;
  });
  if (wrong == 77) {
    GTEST_SKIP() << "needs a mount namespace";
  }
  EXPECT_EQ(wrong, 0);
}

TEST(MediaReading, AnotherProcessIsTurnedAwayThereToo) {
  const TempFolder folder;
  const MediaCache cache(folder.path());
  const int wrong = in_child([&] {
    if (!bind(folder.path()) || !remount(folder.path(), false)) {
      return 77;
    }
    const auto second = MediaIndex::open(folder.path(), cache.files, {});
    return !second && second.error().code == ErrorCode::kBusy ? 0 : 1;
  });
  if (wrong == 77) {
    GTEST_SKIP() << "needs a mount namespace";
  }
  EXPECT_EQ(wrong, 0);
}

TEST(MediaReading, ACommitThatWasUnderWayIsNotGuessed) {
  const TempFolder folder;
  {
    MediaCache cache(folder.path());
    ASSERT_TRUE(put(cache, kVideo, "a", content_of(1, 1000)));
  }
  // What stands beside the file says that pages of it must be put back first: a journal with a
  // whole head.
  const auto journal = folder.file("index.db-journal");
  const Bytes head{0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0, 0, 1};
  const int fd = ::open(journal.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  Bytes page(512 + 4096 + 8, 0);
  std::copy(head.begin(), head.end(), page.begin());
  page[19] = 1;     // pages before
  page[22] = 2;     // sector of 512
  page[26] = 0x10;  // page of 4096
  ASSERT_EQ(::write(fd, page.data(), page.size()), static_cast<ssize_t>(page.size()));
  ::close(fd);
  const auto opened = Database::open_for_reading({folder.path(), "index.db", {}}, media::schema());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace latchkey::store
