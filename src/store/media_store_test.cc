// The media cache's files and index together, as its service uses them.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "store/media_support.h"
#include "store/test_support.h"

namespace latchkey::store {
namespace {

using testing::content_of;
using testing::MediaCache;
using testing::put;
using testing::read;
using testing::TempFolder;

const cache::Partition kVideo = cache::Partition::of(Origin::parse("https://video.example"));
const cache::Partition kMusic = cache::Partition::of(Origin::parse("https://music.example"));
constexpr std::uint64_t kBig = 3 * cache::kBlockBytes + 12345;

std::vector<std::string> names(MediaIndex& index, const cache::Partition& partition,
                               std::string_view prefix = "", std::string_view after = "",
                               std::size_t limit = 1000) {
  std::vector<std::string> out;
  const auto listed = index.list(partition.key(), prefix, after, limit);
  for (const auto& one : listed.value()) {
    out.push_back(one.name);
  }
  return out;
}
// Where the one object of a size lies.
std::filesystem::path file_of(const TempFolder& folder, std::uint64_t number) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.file("objects"))) {
    if (entry.is_regular_file() &&
        std::stoull(entry.path().filename().string(), nullptr, 16) == number) {
      return entry.path();
    }
  }
  return {};
}
std::size_t files_in(const std::filesystem::path& folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    count += entry.is_regular_file() ? 1U : 0U;
  }
  return count;
}
void damage(const std::filesystem::path& file, std::uint64_t offset) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(offset));
  const char byte = static_cast<char>(stream.get());
  stream.seekp(static_cast<std::streamoff>(offset));
  stream.put(static_cast<char>(byte ^ 1));
  ASSERT_TRUE(stream.flush());
}

TEST(MediaStore, WhatIsPutIsThereAfterARestart) {
  const TempFolder folder;
  const Bytes content = content_of(1, kBig);
  {
    MediaCache cache(folder.path());
    const auto object = put(cache, kVideo, "films/a.mp4", content);
    ASSERT_TRUE(object);
    EXPECT_EQ(object->digest, crypto::sha256(content));
  }
  MediaCache cache(folder.path());
  const auto found = cache.index->find(kVideo.key(), "films/a.mp4", {5}).value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->size, kBig);
  EXPECT_EQ(read(cache, *found), content);
  EXPECT_EQ(cache.index->usage(kVideo.key())->objects, 1U);
  EXPECT_EQ(cache.index->usage(kVideo.key())->bytes, kBig);
}

TEST(MediaStore, EveryPartOfAnObjectReadsAsItWasWritten) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const Bytes content = content_of(2, kBig);
  const auto object = put(cache, kVideo, "a", content).value();
  for (const std::uint64_t offset : {std::uint64_t{0}, cache::kBlockBytes - 1, cache::kBlockBytes,
                                     2 * cache::kBlockBytes + 7, kBig - 1}) {
    for (const std::uint64_t length :
         {std::uint64_t{1}, std::uint64_t{100}, cache::kBlockBytes + 2}) {
      const auto opened = cache.files.open_object(object).value();
      Bytes into(static_cast<std::size_t>(std::min(length, kBig - offset)));
      ASSERT_TRUE(opened->read(offset, into));
      EXPECT_TRUE(std::equal(into.begin(), into.end(),
                             content.begin() + static_cast<std::ptrdiff_t>(offset)));
    }
  }
  const auto nothing = put(cache, kVideo, "empty", {}).value();
  EXPECT_EQ(read(cache, nothing), Bytes{});
}

TEST(MediaStore, Threat46NobodySeesAnothersObjects) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  ASSERT_TRUE(put(cache, kVideo, "a", content_of(1, 10)));
  EXPECT_EQ(cache.index->find(kMusic.key(), "a", {5}).value(), std::nullopt);
  EXPECT_TRUE(names(*cache.index, kMusic).empty());
  EXPECT_FALSE(cache.index->remove(kMusic.key(), "a").value());
  EXPECT_FALSE(cache.index->pin(kMusic.key(), "a", true).value());
  EXPECT_EQ(cache.index->usage(kMusic.key())->objects, 0U);
  // The same name is another object.
  ASSERT_TRUE(put(cache, kMusic, "a", content_of(2, 20)));
  EXPECT_EQ(cache.index->find(kVideo.key(), "a", {5}).value()->size, 10U);
  ASSERT_TRUE(cache.index->clear(kMusic.key()));
  EXPECT_TRUE(names(*cache.index, kMusic).empty());
  EXPECT_EQ(names(*cache.index, kVideo).size(), 1U);
}

TEST(MediaStore, ListsByPrefixAndInPages) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  for (const char* name : {"b/2", "a/1", "b/1", "b/\xF4\x8F\xBF\xBF", "c", "b"}) {
    ASSERT_TRUE(put(cache, kVideo, name, content_of(1, 3)));
  }
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(*cache.index, kVideo),
            (Names{"a/1", "b", "b/1", "b/2", "b/\xF4\x8F\xBF\xBF", "c"}));
  EXPECT_EQ(names(*cache.index, kVideo, "b/"), (Names{"b/1", "b/2", "b/\xF4\x8F\xBF\xBF"}));
  EXPECT_EQ(names(*cache.index, kVideo, "b/", "b/1", 1), (Names{"b/2"}));
  EXPECT_EQ(names(*cache.index, kVideo, "b/", "a", 1), (Names{"b/1"})) << "from before its first";
  EXPECT_EQ(names(*cache.index, kVideo, "b/", "b/", 1), (Names{"b/1"}));
  EXPECT_EQ(names(*cache.index, kVideo, "b/", "c"), Names{});
  EXPECT_EQ(names(*cache.index, kVideo, "%"), Names{}) << "a prefix is no pattern";
}

TEST(MediaStore, ReplacingKeepsReadersAndPins) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const Bytes first = content_of(1, kBig);
  const auto old = put(cache, kVideo, "a", first).value();
  ASSERT_TRUE(cache.index->pin(kVideo.key(), "a", true).value());
  const auto reader = cache.files.open_object(old).value();
  const auto fresh = put(cache, kVideo, "a", content_of(2, 100)).value();
  EXPECT_TRUE(fresh.pinned);
  Bytes into(static_cast<std::size_t>(kBig));
  ASSERT_TRUE(reader->read(0, into)) << "who reads it goes on reading it";
  EXPECT_EQ(into, first);
  EXPECT_EQ(files_in(folder.file("objects")), 1U);
  EXPECT_EQ(cache.index->usage(kVideo.key())->pinned_bytes, 100U);
  EXPECT_EQ(cache.index->usage(kVideo.key())->bytes, 100U);
}

TEST(MediaStore, DamageIsFoundWhereItIsRead) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const Bytes content = content_of(3, kBig);
  const auto object = put(cache, kVideo, "a", content).value();
  damage(file_of(folder, object.number), cache::kBlockBytes + 5);
  const auto opened = cache.files.open_object(object).value();
  Bytes into(100);
  EXPECT_TRUE(opened->read(0, into)) << "other blocks are right";
  EXPECT_TRUE(opened->read(2 * cache::kBlockBytes, into));
  EXPECT_EQ(opened->read(cache::kBlockBytes + 1000, into).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(opened->read(cache::kBlockBytes - 50, into).error().code, ErrorCode::kCorrupt);
  // It is dropped, and the name is free.
  ASSERT_TRUE(cache.index->drop(object.number));
  EXPECT_EQ(cache.index->find(kVideo.key(), "a", {5}).value(), std::nullopt);
  EXPECT_EQ(files_in(folder.file("objects")), 0U);
}

TEST(MediaStore, DamagedHashesAndCutFilesAreFound) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const auto hashes = put(cache, kVideo, "hashes", content_of(3, kBig)).value();
  damage(file_of(folder, hashes.number), kBig + 33);
  EXPECT_EQ(cache.files.open_object(hashes).error().code, ErrorCode::kCorrupt);
  const auto cut = put(cache, kVideo, "cut", content_of(3, kBig)).value();
  std::filesystem::resize_file(file_of(folder, cut.number), kBig - 1);
  EXPECT_EQ(cache.files.open_object(cut).error().code, ErrorCode::kCorrupt);
  const auto gone = put(cache, kVideo, "gone", content_of(3, 10)).value();
  std::filesystem::remove(file_of(folder, gone.number));
  EXPECT_EQ(cache.files.open_object(gone).error().code, ErrorCode::kNotFound);
}

TEST(MediaStore, TheLeastRecentlyUsedGoesAndPinnedStay) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const std::uint64_t each = MediaFiles::charge(1000);
  cache.space.quota = {4 * each, 4 * each};
  for (const char* name : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(put(cache, kVideo, name, content_of(1, 1000), ++cache.now.unix_seconds));
  }
  ASSERT_TRUE(cache.index->pin(kVideo.key(), "b", true).value());
  ASSERT_TRUE(cache.index->find(kVideo.key(), "a", {1000}).value()) << "used again";
  ASSERT_TRUE(put(cache, kVideo, "e", content_of(1, 1000), 2000));
  EXPECT_EQ(names(*cache.index, kVideo), (std::vector<std::string>{"a", "b", "d", "e"}));
  ASSERT_TRUE(put(cache, kVideo, "f", content_of(1, 1000), 2001));
  EXPECT_EQ(names(*cache.index, kVideo), (std::vector<std::string>{"a", "b", "e", "f"}));
  EXPECT_EQ(files_in(folder.file("objects")), 4U);
  // What can never fit throws nothing away.
  EXPECT_EQ(put(cache, kVideo, "g", content_of(1, 4000 + 3 * each)).error().code,
            ErrorCode::kNoRoom);
  EXPECT_EQ(names(*cache.index, kVideo).size(), 4U);
}

TEST(MediaStore, Threat46AFloodEndsAtItsOwnDoor) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const std::uint64_t each = MediaFiles::charge(100);
  cache.space.quota = {20 * each, 18 * each};
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(put(cache, kMusic, "song" + std::to_string(i), content_of(1, 100), i));
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(put(cache, kVideo, "flood" + std::to_string(i), content_of(1, 100), 100 + i));
  }
  EXPECT_EQ(cache.index->usage(kMusic.key())->objects, 5U) << "others keep what they had";
  EXPECT_EQ(cache.index->usage(kVideo.key())->objects, 15U);
}

TEST(MediaStore, Threat46NobodyHasMoreThanHalfOfTheDiskIfNothingElseIsSaid) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const std::uint64_t each = MediaFiles::charge(100);
  cache.space.quota = {std::uint64_t{1} << 60U, 0};
  const std::uint64_t disk = 64 * each;
  for (int i = 0; i < 40; ++i) {
    const std::uint64_t held = cache.index->usage(kVideo.key())->objects * each;
    cache.space.free = disk - held;
    ASSERT_TRUE(put(cache, kVideo, "flood" + std::to_string(i), content_of(1, 100), i));
  }
  EXPECT_EQ(cache.index->usage(kVideo.key())->objects, 32U);
  EXPECT_EQ(cache.index->quota(cache.space)->per_origin, 32 * each);
}

TEST(MediaStore, ReservationsCount) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  cache.space.quota = {100'000, 100'000};
  const auto first = cache.index->reserve(kVideo, 60'000, std::nullopt, cache.space);
  ASSERT_TRUE(first);
  EXPECT_EQ(cache.index->reserve(kMusic, 60'000, std::nullopt, cache.space).error().code,
            ErrorCode::kNoRoom);
  EXPECT_EQ(cache.index->reserve(kVideo, 100'001, *first, cache.space).error().code,
            ErrorCode::kNoRoom);
  EXPECT_TRUE(cache.index->reserve(kVideo, 90'000, *first, cache.space)) << "30,000 more";
  cache.index->release(*first);
  EXPECT_TRUE(cache.index->reserve(kMusic, 60'000, std::nullopt, cache.space));
}

TEST(MediaStore, Threat46ClearingUnderAnUploadEndsTheUploadOnly) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  UploadRecord upload{UploadId(ByteArray<16>{1}), 0, "a", {}, {}, {}, 0, {1000}};
  upload.number = cache.index->reserve(kVideo, 10'000, std::nullopt, cache.space).value();
  ASSERT_TRUE(cache.index->add_upload(kVideo.key(), upload));
  auto draft = cache.files.make_draft(upload.number).value();
  ASSERT_TRUE(cache.index->clear(kVideo.key()));
  EXPECT_EQ(cache.index->reserve(kVideo, 20'000, upload.number, cache.space).error().code,
            ErrorCode::kNotFound);
  ASSERT_TRUE(draft.write(content_of(1, 100)));
  ASSERT_TRUE(draft.finish());
  EXPECT_FALSE(cache.files.publish(upload.number));
  EXPECT_TRUE(names(*cache.index, kVideo).empty());
}

TEST(MediaStore, WhatTheDiskHasLeftIsALimitToo) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const std::uint64_t each = MediaFiles::charge(1000);
  ASSERT_TRUE(put(cache, kVideo, "a", content_of(1, 1000), 1));
  cache.space.free = 10'000'000;
  cache.space.keep_free = 10'000'000;
  ASSERT_TRUE(put(cache, kVideo, "b", content_of(1, 1000), 2)) << "the old one gives way";
  EXPECT_EQ(names(*cache.index, kVideo), (std::vector<std::string>{"b"}));
  EXPECT_EQ(put(cache, kVideo, "c", content_of(1, 2 * each), 3).error().code, ErrorCode::kNoRoom);
}

TEST(MediaStore, UploadsGoOnAfterARestart) {
  const TempFolder folder;
  const Bytes content = content_of(4, kBig);
  const ByteSpan half = ByteSpan(content).first(cache::kBlockBytes + 77);
  UploadRecord upload{UploadId(ByteArray<16>{1}), 0, "a", kBig, {}, {}, 0, {100}};
  {
    MediaCache cache(folder.path());
    upload.number =
        cache.index->reserve(kVideo, MediaFiles::charge(kBig), std::nullopt, cache.space).value();
    ASSERT_TRUE(cache.index->add_upload(kVideo.key(), upload));
    auto draft = cache.files.make_draft(upload.number).value();
    ASSERT_TRUE(draft.write(half));
    ASSERT_TRUE(draft.sync());
    ASSERT_TRUE(cache.index->move_upload(upload.id, half.size(), kBig, {200}));
    ASSERT_TRUE(draft.write(content_of(9, 100))) << "never acknowledged";
  }
  MediaCache cache(folder.path());
  EXPECT_EQ(cache.index->find_upload(kMusic.key(), upload.id).value(), std::nullopt)
      << "another origin cannot even see it";
  const auto found = cache.index->find_upload(kVideo.key(), upload.id).value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->offset, half.size());
  EXPECT_EQ(found->length, kBig);
  auto draft = cache.files.reopen_draft(found->number, found->offset).value();
  ASSERT_TRUE(draft.write(ByteSpan(content).subspan(half.size())));
  const auto sealed = draft.finish().value();
  EXPECT_EQ(sealed.digest, crypto::sha256(content));
  ASSERT_TRUE(cache.files.publish(found->number));
  const auto published =
      cache.index->publish(kVideo, found->name, found->number, sealed, found->facts, {300});
  ASSERT_TRUE(published);
  EXPECT_EQ(read(cache, published->object), content);
  EXPECT_EQ(cache.index->find_upload(kVideo.key(), upload.id).value(), std::nullopt);
  EXPECT_EQ(files_in(folder.file("incoming")), 0U);
}

TEST(MediaStore, UploadsThatNobodyGoesOnWithExpire) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  cache.space.quota = {50'000, 50'000};
  UploadRecord upload{UploadId(ByteArray<16>{1}), 0, "a", {}, {}, {}, 0, {1000}};
  upload.number = cache.index->reserve(kVideo, 40'000, std::nullopt, cache.space).value();
  ASSERT_TRUE(cache.index->add_upload(kVideo.key(), upload));
  ASSERT_TRUE(cache.files.make_draft(upload.number));
  EXPECT_EQ(cache.index->expire_uploads({1000 + 86400}).value(), 0U);
  EXPECT_EQ(cache.index->expire_uploads({1001 + 86400}).value(), 1U);
  EXPECT_EQ(files_in(folder.file("incoming")), 0U);
  EXPECT_TRUE(cache.index->reserve(kVideo, 50'000, std::nullopt, cache.space))
      << "the room is back";
}

TEST(MediaStore, ADamagedIndexIsBegunAnew) {
  const TempFolder folder;
  {
    MediaCache cache(folder.path());
    ASSERT_TRUE(put(cache, kVideo, "a", content_of(1, 100)));
  }
  {
    std::ofstream index(folder.file("index.db"), std::ios::trunc);
    index << "this is no database at all, though it is long enough to be looked at closely\n";
  }
  MediaCache cache(folder.path());
  EXPECT_TRUE(cache.index->began_anew());
  EXPECT_TRUE(names(*cache.index, kVideo).empty());
  EXPECT_EQ(files_in(folder.file("objects")), 0U) << "what nobody knows is removed";
  EXPECT_TRUE(put(cache, kVideo, "a", content_of(1, 100)));
}

// threats.md row 35: and nothing that was under way when it happened comes back.
TEST(MediaStore, Row35WhatAFactoryResetErasedIsForgottenForGood) {
  const TempFolder folder;
  {
    MediaCache cache(folder.path());
    ASSERT_TRUE(put(cache, kVideo, "a", content_of(1, 100)));
    UploadRecord upload{UploadId(ByteArray<16>{1}), 0, "b", {}, {}, {}, 0, {1000}};
    upload.number = cache.index->reserve(kVideo, 40'000, std::nullopt, cache.space).value();
    EXPECT_FALSE(cache.index->was_emptied());
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      std::filesystem::remove_all(entry.path());
    }
    EXPECT_FALSE(cache.index->add_upload(kVideo.key(), upload));
    EXPECT_TRUE(cache.index->was_emptied());
    EXPECT_FALSE(cache.index->find(kVideo.key(), "a", {5}));
    EXPECT_FALSE(put(cache, kVideo, "b", content_of(2, 100)));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "nothing is written at the end";
  MediaCache cache(folder.path());
  EXPECT_TRUE(names(*cache.index, kVideo).empty());
  const auto fresh = put(cache, kVideo, "b", content_of(2, 100));
  ASSERT_TRUE(fresh);
  EXPECT_EQ(read(cache, *fresh), content_of(2, 100));
}

TEST(MediaStore, Row35ItsGroupMayRemoveWhatItCannotRead) {
  const TempFolder folder;
  const auto mode = [&](const char* name) {
    struct stat info{};
    EXPECT_EQ(::stat(folder.file(name).c_str(), &info), 0) << name;
    return info.st_mode & 0777U;
  };
  for (const std::optional<gid_t> group : {std::optional(::getegid()), std::optional<gid_t>()}) {
    auto files = MediaFiles::open(folder.path(), group);
    ASSERT_TRUE(files);
    const auto index = MediaIndex::open(folder.path(), *files, {{}, std::chrono::hours(24), group});
    ASSERT_TRUE(index);
    for (const char* name : {"", "incoming", "objects"}) {
      EXPECT_EQ(mode(name), group ? 0770U : 0700U) << name;
    }
    EXPECT_EQ(mode("objects/7f") & 0707U, 0700U);
    EXPECT_EQ(mode("index.db"), 0600U);
  }
}

// A limit of the process stands for a disk that is full: it counts for every file alike.
TEST(MediaStore, AFullDiskRefusesAndDamagesNothing) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const Bytes content = content_of(1, 100'000);
  ASSERT_TRUE(put(cache, kVideo, "a", content));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{400'000, 400'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) {
      ::_exit(10);
    }
    const auto refused = put(cache, kVideo, "a", content_of(2, 500'000));
    if (refused || refused.error().code != ErrorCode::kNoRoom) {
      ::_exit(11);
    }
    const auto old = cache.index->find(kVideo.key(), "a", {5});
    if (!old || !*old || read(cache, **old) != content) {
      ::_exit(12);
    }
    if (files_in(folder.file("incoming")) != 0) {
      ::_exit(13);
    }
    ::_exit(put(cache, kVideo, "b", content_of(3, 100)) ? 0 : 14);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(MediaStore, AnotherProcessIsTurnedAway) {
  const TempFolder folder;
  const MediaCache cache(folder.path());
  const auto second = MediaIndex::open(folder.path(), cache.files, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
}

}  // namespace
}  // namespace latchkey::store
