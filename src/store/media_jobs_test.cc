// Jobs that fetch: what outlives the process, and that nothing is half done.
#include <gtest/gtest.h>

#include "store/media_support.h"
#include "store/test_support.h"

namespace latchkey::store {
namespace {

using testing::content_of;
using testing::MediaCache;
using testing::put;
using testing::TempFolder;
using State = cache::Progress::State;

const cache::Partition kVideo = cache::Partition::of(Origin::parse("https://video.example"));
const cache::Partition kMusic = cache::Partition::of(Origin::parse("https://music.example"));

cache::JobRecord job_of(std::uint8_t n, const cache::Partition& partition, std::size_t items,
                        std::int64_t created = 100) {
  ByteArray<16> bytes{};
  bytes[0] = n;
  cache::JobRecord job{cache::JobId(bytes), partition, {created}, {created}};
  job.progress.items = items;
  return job;
}
std::vector<cache::JobItem> items(std::initializer_list<const char*> urls) {
  std::vector<cache::JobItem> out;
  for (const char* url : urls) {
    out.push_back({url, 0, std::nullopt});
  }
  return out;
}
FetchEnded ended(const cache::JobRecord& job, const std::string& url, bool stored,
                 std::vector<cache::JobItem> found = {}) {
  FetchEnded end{job.id, {}};
  end.event.url = url;
  end.event.name = url.substr(8);
  end.event.stored = stored;
  end.event.why = stored ? "" : "http_404";
  end.event.size = stored ? 10 : 0;
  end.found = std::move(found);
  return end;
}
FetchEnded with_content(MediaCache& cache, FetchEnded end, unsigned seed) {
  const Bytes bytes = content_of(seed, 1000);
  const auto number =
      cache.index->reserve(kVideo, MediaFiles::charge(bytes.size()), std::nullopt, cache.space);
  auto draft = cache.files.make_draft(number.value());
  EXPECT_TRUE(draft->write(bytes));
  const auto sealed = draft->finish();
  EXPECT_TRUE(cache.files.publish(*number));
  cache::ObjectFacts facts;
  facts.source = end.event.url;
  facts.source_tag = "\"v1\"";
  end.content = FetchEnded::Content{end.event.name, *number, *sealed, facts};
  return end;
}
std::vector<std::string> urls(const std::vector<cache::JobItem>& list) {
  std::vector<std::string> out;
  for (const auto& item : list) {
    out.push_back(item.url);
  }
  return out;
}
using Urls = std::vector<std::string>;

TEST(MediaJobs, AJobDoesNotThrowAwayWhatJobsThatRunHaveBrought) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const std::uint64_t each = MediaFiles::charge(1000);
  const auto job = job_of(1, kVideo, 3);
  ASSERT_TRUE(cache.index->add_job(job, items({"https://a/1", "https://a/2", "https://a/3"})));
  ASSERT_TRUE(
      cache.index->end_fetch(with_content(cache, ended(job, "https://a/1", true), 1), {10}));
  ASSERT_TRUE(put(cache, kVideo, "by hand", content_of(2, 1000), 500));
  ASSERT_TRUE(put(cache, kMusic, "song", content_of(2, 1000), 1));
  cache.space.quota = {3 * each, 3 * each};
  cache.space.for_job = true;
  // What was used later goes before what the job has brought.
  ASSERT_TRUE(
      cache.index->end_fetch(with_content(cache, ended(job, "https://a/2", true), 3), {11}));
  const auto names = [&](const cache::Partition& partition) {
    std::vector<std::string> out;
    const auto listed = cache.index->list(partition.key(), "", "", 100).value();
    for (const auto& one : listed) {
      out.push_back(one.name);
    }
    return out;
  };
  EXPECT_EQ(names(kVideo), (std::vector<std::string>{"a/1", "a/2"}));
  // There is nothing else of its own, and others do not pay.
  EXPECT_EQ(cache.index->reserve(kVideo, each, std::nullopt, cache.space).error().code,
            ErrorCode::kNoRoom);
  EXPECT_EQ(names(kVideo), (std::vector<std::string>{"a/1", "a/2"}));
  EXPECT_EQ(names(kMusic), (std::vector<std::string>{"song"}));
  // A refusal brings back what was thrown away on the way to it.
  ASSERT_TRUE(cache.index->remove(kMusic.key(), "song").value());
  cache.space.for_job = false;
  ASSERT_TRUE(put(cache, kVideo, "by hand", content_of(2, 1000), 500));
  cache.space.for_job = true;
  EXPECT_EQ(cache.index->reserve(kVideo, 2 * each, std::nullopt, cache.space).error().code,
            ErrorCode::kNoRoom);
  EXPECT_EQ(names(kVideo).size(), 3U);
  // The page itself may, and so may a job when the other has ended.
  ASSERT_TRUE(cache.index->stop_job(job.id, "no_room", {20}));
  EXPECT_TRUE(cache.index->reserve(kVideo, 2 * each, std::nullopt, cache.space));
  EXPECT_EQ(names(kVideo), (std::vector<std::string>{"by hand"}));
}

TEST(MediaJobs, GoOnWhereTheyWere) {
  const TempFolder folder;
  auto job = job_of(1, kVideo, 2);
  job.pin = true;
  {
    MediaCache cache(folder.path());
    ASSERT_TRUE(cache.index->add_job(job, items({"https://a/list", "https://a/1"})));
    auto end = with_content(cache, ended(job, "https://a/list", true), 1);
    end.found = items({"https://a/1", "https://a/2", "https://a/3", "https://a/list"});
    end.found[1].depth = 1;
    end.found[1].digest = Digest256{7};
    const auto added = cache.index->end_fetch(end, {200});
    ASSERT_TRUE(added);
    EXPECT_EQ(urls(*added), (Urls{"https://a/2", "https://a/3"})) << "what it had is not added";
    ASSERT_TRUE(cache.index->end_fetch(ended(job, "https://a/1", false), {201}));
  }
  MediaCache cache(folder.path());
  const auto running = cache.index->running_jobs();
  ASSERT_EQ(running->size(), 1U);
  EXPECT_EQ(running->front().progress, (cache::Progress{State::kRunning, 4, 1, 1, 10}));
  EXPECT_EQ(running->front().partition, kVideo);
  EXPECT_TRUE(running->front().pin);
  const auto waiting = cache.index->waiting_items(job.id);
  EXPECT_EQ(urls(*waiting), (Urls{"https://a/2", "https://a/3"}));
  EXPECT_EQ(waiting->front().depth, 1U);
  EXPECT_EQ(waiting->front().digest, Digest256{7});
  const auto object = cache.index->find(kVideo.key(), "a/list", {300});
  ASSERT_TRUE(object && *object);
  EXPECT_TRUE((*object)->pinned);
  EXPECT_EQ((*object)->facts.source_tag, "\"v1\"");

  ASSERT_TRUE(cache.index->end_fetch(ended(job, "https://a/2", true), {202}));
  EXPECT_EQ(cache.index->find_job(kVideo.key(), job.id).value()->progress.state, State::kRunning);
  ASSERT_TRUE(cache.index->end_fetch(ended(job, "https://a/3", true), {203}));
  EXPECT_EQ(cache.index->find_job(kVideo.key(), job.id).value()->progress,
            (cache::Progress{State::kDone, 4, 3, 1, 30}));
  const auto events = cache.index->job_events(job.id, 1, 2);
  ASSERT_EQ(events->size(), 2U);
  EXPECT_EQ(events->at(0).url, "https://a/1");
  EXPECT_EQ(events->at(0).why, "http_404");
  EXPECT_FALSE(events->at(0).stored);
  EXPECT_EQ(events->at(1).number, 3U);
}

TEST(MediaJobs, NothingIsPublishedForAJobThatIsGone) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const auto job = job_of(1, kVideo, 1);
  ASSERT_TRUE(cache.index->add_job(job, items({"https://a/1"})));
  const auto end = with_content(cache, ended(job, "https://a/1", true), 1);
  ASSERT_TRUE(cache.index->clear(kVideo.key()));
  const auto done = cache.index->end_fetch(end, {200});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(cache.index->find(kVideo.key(), "a/1", {200}).value(), std::nullopt);
  EXPECT_TRUE(cache.index->running_jobs()->empty());
}

TEST(MediaJobs, AnItemEndsOnce) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const auto job = job_of(1, kVideo, 2);
  ASSERT_TRUE(cache.index->add_job(job, items({"https://a/1", "https://a/2"})));
  ASSERT_TRUE(cache.index->end_fetch(ended(job, "https://a/1", true), {200}));
  EXPECT_EQ(cache.index->end_fetch(ended(job, "https://a/1", true), {200}).error().code,
            ErrorCode::kNotFound);
  EXPECT_EQ(cache.index->wanted(job.id, "https://a/1", "a/1").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(cache.index->wanted(job.id, "https://a/2", "a/2"));
  ASSERT_TRUE(cache.index->stop_job(job.id, "no_room", {201}));
  EXPECT_EQ(cache.index->wanted(job.id, "https://a/2", "a/2").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(cache.index->find_job(kVideo.key(), job.id).value()->why, "no_room");
}

TEST(MediaJobs, Threat46OthersAreNotSeen) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const auto job = job_of(1, kVideo, 1);
  auto mend = job_of(2, kVideo, 1);
  mend.mend = true;
  ASSERT_TRUE(cache.index->add_job(job, items({"https://a/1"})));
  ASSERT_TRUE(cache.index->add_job(mend, items({"https://a/1"})));
  EXPECT_EQ(cache.index->jobs(kVideo.key())->size(), 1U);
  EXPECT_TRUE(cache.index->jobs(kMusic.key())->empty());
  EXPECT_EQ(cache.index->find_job(kMusic.key(), job.id).value(), std::nullopt);
  EXPECT_FALSE(cache.index->remove_job(kMusic.key(), job.id).value());
  EXPECT_TRUE(cache.index->remove_job(kVideo.key(), job.id).value());
  EXPECT_TRUE(cache.index->jobs(kVideo.key())->empty());
}

TEST(MediaJobs, OldOnesAreForgotten) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  for (std::uint8_t n = 0; n < 80; ++n) {
    const auto job = job_of(n, kVideo, 1, n);
    ASSERT_TRUE(cache.index->add_job(job, items({"https://a/1"})));
    if (n > 0) {
      ASSERT_TRUE(cache.index->end_fetch(ended(job, "https://a/1", true), {1000 + n}));
    }
  }
  ASSERT_TRUE(cache.index->expire_jobs({2000}));
  EXPECT_EQ(cache.index->jobs(kVideo.key())->size(), 65U) << "one runs";
  ASSERT_TRUE(cache.index->expire_jobs({1050 + 7 * 86400}));
  EXPECT_EQ(cache.index->jobs(kVideo.key())->size(), 31U);
  EXPECT_TRUE(cache.index->job_events(job_of(79, kVideo, 1).id, 0, 10)->empty());
  EXPECT_EQ(cache.index->waiting_items(job_of(0, kVideo, 1).id)->size(), 1U);
}

TEST(MediaJobs, ADroppedObjectSaysWhereThereIsAnother) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const auto job = job_of(1, kVideo, 1);
  ASSERT_TRUE(cache.index->add_job(job, items({"https://a/1"})));
  const auto end = with_content(cache, ended(job, "https://a/1", true), 1);
  ASSERT_TRUE(cache.index->end_fetch(end, {200}));
  const auto dropped = cache.index->drop(end.content->number);
  ASSERT_TRUE(dropped && *dropped);
  EXPECT_EQ((*dropped)->source, "https://a/1");
  EXPECT_EQ((*dropped)->name, "a/1");
  EXPECT_EQ((*dropped)->partition, kVideo);
  EXPECT_FALSE(*cache.index->drop(end.content->number));
}

// A part as a fetch leaves it: reserved, written, synced, noted.
PartRecord note_part(MediaCache& cache, const cache::JobRecord& job, const std::string& url,
                     std::uint64_t size, std::uint64_t whole) {
  const auto number =
      cache.index->reserve(job.partition, MediaFiles::charge(whole), std::nullopt, cache.space);
  auto draft = cache.files.make_draft(number.value());
  EXPECT_TRUE(draft->write(content_of(7, size)));
  EXPECT_TRUE(draft->sync());
  PartRecord part{job.id, url, *number, "\"v1\"", whole, std::nullopt, size};
  EXPECT_TRUE(cache.index->note_part(part));
  // What was written since is not known to be on the disk.
  EXPECT_TRUE(draft->write(content_of(8, 100)));
  return part;
}

TEST(MediaJobs, WhatHasComeOfAFileIsThereAfterAStart) {
  const TempFolder folder;
  const auto job = job_of(1, kVideo, 2);
  std::uint64_t number = 0;
  {
    MediaCache cache(folder.path());
    ASSERT_TRUE(cache.index->add_job(job, items({"https://a/1", "https://a/2"})));
    number = note_part(cache, job, "https://a/1", 5000, 90'000).number;
  }
  MediaCache cache(folder.path());
  const auto wanted = cache.index->wanted(job.id, "https://a/1", "1");
  ASSERT_TRUE(wanted && wanted->part);
  EXPECT_EQ(wanted->part->number, number);
  EXPECT_EQ(wanted->part->offset, 5000U);
  EXPECT_EQ(wanted->part->tag, "\"v1\"");
  EXPECT_FALSE(cache.index->wanted(job.id, "https://a/2", "2")->part);
  auto draft = cache.files.reopen_draft(number, 5000);
  ASSERT_TRUE(draft);
  EXPECT_EQ(draft->size(), 5000U);
  // Its room is kept for it, and its number is nobody else's.
  cache.space.quota = {MediaFiles::charge(90'000), MediaFiles::charge(90'000)};
  EXPECT_EQ(cache.index->reserve(kVideo, 1, std::nullopt, cache.space).error().code,
            ErrorCode::kNoRoom);
  EXPECT_TRUE(cache.index->reserve(kVideo, MediaFiles::charge(90'000), number, cache.space));
  // When it is whole it is an object, and no part.
  ASSERT_TRUE(draft->write(content_of(9, 85'000)));
  const auto sealed = draft->finish();
  ASSERT_TRUE(sealed && cache.files.publish(number));
  FetchEnded end = ended(job, "https://a/1", true);
  end.content = FetchEnded::Content{"1", number, *sealed, {}};
  ASSERT_TRUE(cache.index->end_fetch(end, {10}));
  EXPECT_TRUE(cache.index->find(kVideo.key(), "1", {11})->has_value());
}

TEST(MediaJobs, APartEndsWithItsItemItsJobAndItsSite) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  cache.space.quota = {MediaFiles::charge(90'000), MediaFiles::charge(90'000)};
  const auto gone = [&](const PartRecord& part) {
    // The file, the row, and the room.
    EXPECT_EQ(cache.files.draft_bytes(part.number), 0U);
    EXPECT_EQ(cache.index->note_part(part).error().code, ErrorCode::kNotFound);
    const auto all =
        cache.index->reserve(kVideo, MediaFiles::charge(90'000), std::nullopt, cache.space);
    ASSERT_TRUE(all);
    cache.index->release(*all);
  };
  const auto first = job_of(1, kVideo, 2);
  ASSERT_TRUE(cache.index->add_job(first, items({"https://a/1", "https://a/2"})));
  auto part = note_part(cache, first, "https://a/1", 5000, 90'000);
  ASSERT_TRUE(cache.index->end_fetch(ended(first, "https://a/1", false), {10}));
  gone(part);
  part = note_part(cache, first, "https://a/2", 5000, 90'000);
  ASSERT_TRUE(cache.index->stop_job(first.id, "no_room", {11}));
  gone(part);
  const auto second = job_of(2, kVideo, 1);
  ASSERT_TRUE(cache.index->add_job(second, items({"https://a/1"})));
  part = note_part(cache, second, "https://a/1", 5000, 90'000);
  ASSERT_TRUE(cache.index->remove_job(kVideo.key(), second.id).value());
  gone(part);
  const auto third = job_of(3, kVideo, 1);
  ASSERT_TRUE(cache.index->add_job(third, items({"https://a/1"})));
  part = note_part(cache, third, "https://a/1", 5000, 90'000);
  ASSERT_TRUE(cache.index->clear(kVideo.key()));
  gone(part);
  // And by itself, when its fetch gives it up.
  const auto fourth = job_of(4, kVideo, 1);
  ASSERT_TRUE(cache.index->add_job(fourth, items({"https://a/1"})));
  part = note_part(cache, fourth, "https://a/1", 5000, 90'000);
  cache.files.remove_draft(part.number);
  cache.index->release(part.number);
  EXPECT_FALSE(cache.index->wanted(fourth.id, "https://a/1", "1")->part);
  gone(part);
}

TEST(MediaJobs, APartWhoseFileIsShorterThanItWasIsNone) {
  const TempFolder folder;
  MediaCache cache(folder.path());
  const auto job = job_of(1, kVideo, 1);
  ASSERT_TRUE(cache.index->add_job(job, items({"https://a/1"})));
  const auto part = note_part(cache, job, "https://a/1", 5000, 90'000);
  for (const auto& draft : std::filesystem::directory_iterator(folder.path() / "incoming")) {
    std::filesystem::resize_file(draft.path(), 4999);
  }
  EXPECT_EQ(cache.files.reopen_draft(part.number, 5000).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace latchkey::store
