// Publishing from a real database to a real folder, read back as an agent reads it.
#include "provider/publisher.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <thread>

#include "attest/trust.h"
#include "store/file_shelf.h"
#include "store/provider_store.h"
#include "support/trust_maker.h"

namespace latchkey {
namespace {

using attest::TableKind;
using provider::Publisher;
using provider::Shelf;

constexpr WallTime kNow{1'790'000'000};
const Origin kVideo = *Origin::parse("https://video.example");

Origin site(int number) {
  return *Origin::parse("https://site" + std::to_string(number) + ".example");
}

// Passes everything on, and stops the world at the n-th step that changes something: from then on
// nothing is done any more, as after a crash.
class BreakingShelf final : public Shelf {
 public:
  BreakingShelf(Shelf& real, int steps) : real_(real), left_(steps) {}
  provider::Result<std::optional<Held>> read(std::string_view name) override {
    return real_.read(name);
  }
  provider::Result<std::unique_ptr<provider::Draft>> draft() override {
    if (!step()) {
      return broken();
    }
    auto real = real_.draft();
    if (!real) {
      return real;
    }
    return std::unique_ptr<provider::Draft>(
        std::make_unique<BreakingDraft>(*this, std::move(*real)));
  }
  provider::Result<std::vector<Entry>> list() override { return real_.list(); }
  provider::Result<void> remove(std::string_view name) override {
    return step() ? real_.remove(name) : broken();
  }
  provider::Result<void> touch(std::string_view name) override {
    return step() ? real_.touch(name) : broken();
  }
  provider::Result<std::shared_ptr<const void>> lock() override {
    if (before_page) {
      before_page();
    }
    return real_.lock();
  }
  [[nodiscard]] bool has_broken() const { return left_ < 0; }
  std::function<void()> before_page;  // called before the page is looked at and put

 private:
  class BreakingDraft final : public provider::Draft {
   public:
    BreakingDraft(BreakingShelf& shelf, std::unique_ptr<provider::Draft> real)
        : shelf_(shelf), real_(std::move(real)) {}
    bool write(ByteSpan bytes) override { return shelf_.step() && real_->write(bytes); }
    provider::Result<void> keep_as(std::string_view name) override {
      return shelf_.step() ? real_->keep_as(name) : broken();
    }

   private:
    BreakingShelf& shelf_;
    std::unique_ptr<provider::Draft> real_;
  };
  static tl::unexpected<provider::Error> broken() {
    return fail(provider::Error{provider::ErrorCode::kInternal, "the power is gone"});
  }
  bool step() { return --left_ >= 0; }
  Shelf& real_;
  int left_;
};

struct PublisherTest : ::testing::Test {
  PublisherTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "lk-publish-XXXXXX").string();
    LATCHKEY_CHECK(::mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    LATCHKEY_CHECK(store::ProviderStore::init(database()).has_value());
    records = open();
    shelf = std::make_unique<store::FileShelf>(*store::FileShelf::open(folder / "public"));
  }
  ~PublisherTest() override { std::filesystem::remove_all(folder); }
  PublisherTest(const PublisherTest&) = delete;
  PublisherTest& operator=(const PublisherTest&) = delete;

  [[nodiscard]] std::string database() const { return "sqlite:" + (folder / "p.db").string(); }
  std::unique_ptr<provider::Records> open() {
    auto opened = store::ProviderStore::open(database());
    LATCHKEY_CHECK(opened.has_value());
    return std::move(*opened);
  }
  static provider::Act act(const std::string& why = "test") {
    return {"tester", "local", why, kNow};
  }
  void add_origin(const Origin& origin, const std::string& name) {
    const auto added = records->add_origin(
        {origin, name, "", "", attest::OriginStatus::kActive, "", kNow, kNow}, act());
    ASSERT_TRUE(added) << added.error().detail;
  }
  void set(const Origin& origin, attest::OriginStatus status) {
    ASSERT_TRUE(records->set_origin_status(origin, status, act()));
  }
  void add_model(const testing::Maker& maker) {
    const auto vendor = records->add_vendor({0, "Acme", "", {maker.root}, kNow}, act());
    ASSERT_TRUE(vendor) << vendor.error().detail;
    const auto added = records->add_model({maker.aaguid,
                                           vendor->id,
                                           "Cache One",
                                           "media-cache",
                                           {},
                                           {{attest::ModelStatus::kCertified, kNow, "tested"}}},
                                          act());
    ASSERT_TRUE(added) << added.error().detail;
  }
  [[nodiscard]] provider::SigningKey key() const { return {*signer.key, {signer.certificate}}; }
  provider::Published publish(WallTime now = kNow, const std::string& holder = "a") {
    Publisher publisher(*records, *shelf, settings);
    const auto outcome = publisher.publish(key(), holder, now);
    EXPECT_TRUE(outcome) << outcome.error().detail;
    return outcome.value_or(provider::Published{});
  }

  // As an agent: the page, its signature, every table by its hash. CHECKs that nothing is missing
  // or mixed.
  std::shared_ptr<const attest::Snapshot> read() const {
    std::ifstream page(folder / "public" / "metadata.jws", std::ios::binary);
    const std::string jws(std::istreambuf_iterator<char>(page), {});
    const std::array<Bytes, 1> anchors = {signer.root};
    auto read = attest::verify_metadata(jws, anchors, kNow);
    LATCHKEY_CHECK(read.has_value());
    std::array<attest::Snapshot::Held, attest::kTableKinds> held;
    for (std::size_t i = 0; i < attest::kTableKinds; ++i) {
      const auto kind = static_cast<TableKind>(i + 1);
      const auto& named = read->metadata.table(kind);
      const auto bytes = std::make_shared<Bytes>(file(named.file));
      LATCHKEY_CHECK(attest::is_named(named, *bytes));
      LATCHKEY_CHECK(attest::Table::open(*bytes, kind)->is_sound());
      held.at(i) = {*bytes, bytes};
    }
    return *attest::Snapshot::make(std::move(read->metadata), std::move(held));
  }
  [[nodiscard]] Bytes file(const std::string& name) const {
    std::ifstream in(folder / "public" / name, std::ios::binary);
    LATCHKEY_CHECK(in.good());
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] attest::Trust trust() const { return attest::Trust({{"p", read(), {}}}, {}); }

  std::filesystem::path folder;
  std::unique_ptr<provider::Records> records;
  std::unique_ptr<store::FileShelf> shelf;
  provider::PublishSettings settings;
  testing::Provider signer{kNow};
};

TEST_F(PublisherTest, WhatIsInTheRecordsIsWhatAgentsRead) {
  const testing::Maker maker(kNow, attest::Aaguid(ByteArray<16>{7}));
  add_origin(kVideo, "Example Video");
  add_model(maker);
  const provider::Published first = publish();
  EXPECT_TRUE(first.done);
  EXPECT_EQ(first.no, 1U);
  EXPECT_EQ(trust().origin(kVideo).state, attest::OriginState::kKnown);
  EXPECT_EQ(trust().origin(kVideo).name, "Example Video");
  const attest::Evidence evidence = maker.evidence();
  EXPECT_EQ(trust().device(&evidence).state, attest::DeviceState::kProven);
  EXPECT_EQ(trust().device(&evidence).maker, "Acme");

  set(kVideo, attest::OriginStatus::kRevoked);
  ASSERT_TRUE(records->revoke_device({evidence.key, "leaked", kNow}, act()));
  EXPECT_EQ(publish().no, 2U);
  EXPECT_EQ(trust().origin(kVideo).state, attest::OriginState::kRevoked);
  EXPECT_EQ(trust().device(&evidence).state, attest::DeviceState::kRevoked);

  set(kVideo, attest::OriginStatus::kActive);
  ASSERT_TRUE(records->restore_device(evidence.key, act()));
  ASSERT_TRUE(records->report_model(maker.aaguid,
                                    {attest::ModelStatus::kRevoked, kNow, "breaks open"}, act()));
  publish();
  EXPECT_EQ(trust().origin(kVideo).state, attest::OriginState::kKnown);
  EXPECT_EQ(trust().device(&evidence).state, attest::DeviceState::kRevoked);
  ASSERT_FALSE(read()->metadata().entries.empty());
  EXPECT_EQ(read()->metadata().entries.front().status, attest::ModelStatus::kRevoked)
      << "and it is in the page itself";
}

TEST_F(PublisherTest, NothingIsPublishedTwice) {
  add_origin(kVideo, "Example Video");
  EXPECT_TRUE(publish().done);
  const provider::Published again = publish(kNow + seconds(60));
  EXPECT_FALSE(again.done);
  EXPECT_EQ(again.why_not, "nothing has changed");
  EXPECT_EQ(read()->metadata().no, 1U);
  const provider::Published later = publish(kNow + settings.validity / 2);
  EXPECT_TRUE(later.done) << "before the page runs out";
  EXPECT_EQ(read()->metadata().no, 2U);
  EXPECT_EQ(later.bytes, 0U) << "with the tables there are";
}

TEST_F(PublisherTest, DeltasLeadFromEveryRecentVersionToTheNewest) {
  settings.bases = 4;
  std::map<Digest256, Bytes> seen;
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 40; ++i) {
      add_origin(site(round * 40 + i), "Site " + std::to_string(i));
    }
    if (round > 0) {
      set(site((round - 1) * 40), attest::OriginStatus::kRevoked);
      set(site(0), round % 2 == 0 ? attest::OriginStatus::kRevoked : attest::OriginStatus::kActive);
    }
    publish();
    const auto snapshot = read();
    const auto& named = snapshot->metadata().table(TableKind::kOrigins);
    const Bytes now = file(named.file);
    EXPECT_LE(named.deltas.size(), 4U);
    EXPECT_TRUE(round < 2 || !named.deltas.empty());
    for (const attest::DeltaFile& listed : named.deltas) {
      const Bytes bytes = file(listed.file);
      EXPECT_EQ(crypto::sha256(bytes), listed.sha256);
      const auto delta = attest::decode_delta(bytes);
      ASSERT_TRUE(delta);
      ASSERT_TRUE(seen.contains(delta->from));
      testing::MemorySink sink;
      ASSERT_TRUE(attest::write_table(
          *attest::Table::open(seen.at(delta->from), TableKind::kOrigins), delta->changes, sink));
      EXPECT_EQ(sink.bytes, now);
      EXPECT_EQ(delta->to, named.sha256);
    }
    seen[named.sha256] = now;
  }
}

TEST_F(PublisherTest, ATableThatIsDamagedOnTheShelfIsMadeAnew) {
  add_origin(kVideo, "Example Video");
  publish();
  const std::string name = read()->metadata().table(TableKind::kOrigins).file;
  std::ofstream(folder / "public" / name, std::ios::binary | std::ios::app) << "x";
  add_origin(site(1), "One");
  publish();
  EXPECT_EQ(trust().origin(kVideo).state, attest::OriginState::kKnown);
  EXPECT_EQ(trust().origin(site(1)).state, attest::OriginState::kKnown);
}

// Wherever it stops, readers see the old version whole or the new one whole, and the next run
// brings the new one.
TEST_F(PublisherTest, ACrashAtAnyStepLeavesTheOldVersionWhole) {
  add_origin(kVideo, "Example Video");
  publish();
  bool finished = false;
  int crashes = 0;
  for (int steps = 0; !finished && steps < 200; ++steps) {
    const auto status =
        steps % 2 == 0 ? attest::OriginStatus::kRevoked : attest::OriginStatus::kActive;
    const auto before = read();
    const auto origin_before = trust().origin(kVideo).state;
    set(kVideo, status);
    BreakingShelf breaking(*shelf, steps);
    const auto outcome = Publisher(*records, breaking, settings).publish(key(), "a", kNow);
    finished = outcome.has_value() && !breaking.has_broken();
    crashes += finished ? 0 : 1;
    const auto after = read();
    if (after->metadata().no == before->metadata().no) {
      EXPECT_EQ(trust().origin(kVideo).state, origin_before);
    }
    publish();
    EXPECT_EQ(trust().origin(kVideo).state, status == attest::OriginStatus::kActive
                                                ? attest::OriginState::kKnown
                                                : attest::OriginState::kRevoked);
    EXPECT_GT(read()->metadata().no, before->metadata().no);
  }
  EXPECT_TRUE(finished);
  EXPECT_GT(crashes, 5) << "it was stopped at many places";
}

TEST_F(PublisherTest, TwoInstancesPublishOnce) {
  add_origin(kVideo, "Example Video");
  EXPECT_TRUE(publish(kNow, "a").done);
  const auto second = open();
  Publisher other(*second, *shelf, settings);
  const auto waits = other.publish(key(), "b", kNow);
  ASSERT_TRUE(waits);
  EXPECT_FALSE(waits->done);
  set(kVideo, attest::OriginStatus::kRevoked);
  const auto still = other.publish(key(), "b", kNow + seconds(1));
  ASSERT_TRUE(still);
  EXPECT_FALSE(still->done) << "the lease is a's";
  EXPECT_NE(still->why_not.find("another instance"), std::string::npos);
  const auto takes_over = other.publish(key(), "b", kNow + settings.lease + seconds(1));
  ASSERT_TRUE(takes_over);
  EXPECT_TRUE(takes_over->done);
  EXPECT_EQ(read()->metadata().no, 2U);
}

// The one that slept through its lease wakes up in the middle of publishing.
TEST_F(PublisherTest, APublisherThatSleptIsFencedOff) {
  add_origin(kVideo, "Example Video");
  publish();
  set(kVideo, attest::OriginStatus::kRevoked);
  const auto second = open();
  BreakingShelf slow(*shelf, 1000000);
  bool overtaken = false;
  slow.before_page = [&] {
    if (!overtaken) {
      overtaken = true;
      ASSERT_TRUE(second->set_origin_status(kVideo, attest::OriginStatus::kActive, act()));
      const auto outcome =
          Publisher(*second, *shelf, settings).publish(key(), "b", kNow + settings.lease * 2);
      ASSERT_TRUE(outcome) << outcome.error().detail;
      EXPECT_TRUE(outcome->done);
    }
  };
  // It got past add_publication, and puts its page late: over the higher number it does not.
  const auto late_page = Publisher(*records, slow, settings).publish(key(), "a", kNow);
  EXPECT_TRUE(overtaken);
  EXPECT_FALSE(late_page);
  EXPECT_EQ(read()->metadata().no, 3U);
  EXPECT_EQ(trust().origin(kVideo).state, attest::OriginState::kKnown);
  // And without the lease nothing gets into the records at all.
  const auto late = records->add_publication({9, 1, kNow, "x"}, "a");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, provider::ErrorCode::kConflict);
}

TEST_F(PublisherTest, RecordsFromABackupDoNotTakeTheNumberBack) {
  add_origin(kVideo, "Example Video");
  for (int i = 0; i < 3; ++i) {
    publish(kNow + settings.validity * i);
  }
  records.reset();
  std::filesystem::remove(folder / "p.db");
  ASSERT_TRUE(store::ProviderStore::init(database()));
  records = open();
  add_origin(site(1), "One");
  EXPECT_EQ(publish(kNow + settings.validity * 3).no, 4U);
  EXPECT_EQ(trust().origin(site(1)).state, attest::OriginState::kKnown);
  EXPECT_EQ(trust().origin(kVideo).state, attest::OriginState::kUnregistered);
}

TEST_F(PublisherTest, RollingTheSigningKeyOverNeedsNoWordToAgents) {
  add_origin(kVideo, "Example Video");
  publish();
  const std::array<Bytes, 1> anchors = {signer.root};
  const auto page = [&] { return std::string(as_text(file("metadata.jws"))); };
  const auto first = attest::raise({}, *attest::verify_metadata(page(), anchors, kNow));
  ASSERT_TRUE(first);
  const provider::SigningKey old_key = key();
  signer.roll_key(kNow - seconds(60));
  set(kVideo, attest::OriginStatus::kRevoked);
  publish();
  const auto second = attest::raise(*first, *attest::verify_metadata(page(), anchors, kNow));
  ASSERT_TRUE(second);
  set(kVideo, attest::OriginStatus::kActive);
  ASSERT_TRUE(Publisher(*records, *shelf, settings).publish(old_key, "a", kNow));
  EXPECT_EQ(attest::raise(*second, *attest::verify_metadata(page(), anchors, kNow)).error().code,
            attest::ErrorCode::kRolledBack);
}

TEST_F(PublisherTest, ANewKeyIsUsedAtOnce) {
  add_origin(kVideo, "Example Video");
  publish();
  signer.roll_key(kNow - seconds(60));
  EXPECT_TRUE(publish(kNow + seconds(1)).done) << "nothing but the key has changed";
  EXPECT_FALSE(publish(kNow + seconds(2)).done);
}

TEST_F(PublisherTest, TheNewestRevocationLeadsWhateverItsDate) {
  const testing::Maker old_maker(kNow, attest::Aaguid(ByteArray<16>{7}));
  add_model(old_maker);
  const auto vendor = records->vendor_named("Acme");
  for (std::uint8_t i = 1; i < 4; ++i) {
    ASSERT_TRUE(records->add_model({attest::Aaguid(ByteArray<16>{i}),
                                    (*vendor)->id,
                                    "Other",
                                    "nas",
                                    {},
                                    {{attest::ModelStatus::kCertified, kNow, "tested"}}},
                                   act()));
  }
  publish();
  ASSERT_TRUE(records->report_model(
      old_maker.aaguid, {attest::ModelStatus::kRevoked, kNow - seconds(86400 * 300), "found late"},
      act()));
  publish();
  const auto snapshot = read();
  EXPECT_EQ(snapshot->metadata().entries.front().aaguid, old_maker.aaguid);
  EXPECT_EQ(snapshot->metadata().entries.size(), 4U);
}

TEST_F(PublisherTest, OldFilesGoAfterAWhile) {
  add_origin(kVideo, "Example Video");
  publish();
  const std::string old = read()->metadata().table(TableKind::kOrigins).file;
  // It was the newest for long: its readers are given their time from when it no longer is.
  std::filesystem::last_write_time(
      folder / "public" / old,
      std::filesystem::file_time_type::clock::now() - std::chrono::hours(24 * 30));
  std::ofstream(folder / "public" / ".draft-abc") << "left behind";
  std::ofstream(folder / "public" / "robots.txt") << "not ours";
  set(kVideo, attest::OriginStatus::kRevoked);
  publish(kNow);
  EXPECT_TRUE(std::filesystem::exists(folder / "public" / old)) << "readers of the old page";
  // Files carry the real clock's time.
  const WallTime later{std::time(nullptr) + 3 * 86400};
  (void)publish(later);
  EXPECT_FALSE(std::filesystem::exists(folder / "public" / old));
  EXPECT_FALSE(std::filesystem::exists(folder / "public" / ".draft-abc"));
  EXPECT_TRUE(std::filesystem::exists(folder / "public" / "robots.txt"));
}

TEST_F(PublisherTest, ReadersNeverSeeAMixture) {
  add_origin(kVideo, "Example Video");
  publish();
  std::atomic<bool> stop = false;
  std::atomic<int> reads = 0;
  std::thread reader([&] {
    std::uint64_t before = 0;
    while (!stop) {
      const auto snapshot = read();  // CHECKs
      EXPECT_GE(snapshot->metadata().no, before);
      before = snapshot->metadata().no;
      ++reads;
    }
  });
  for (int i = 0; i < 30; ++i) {
    add_origin(site(i), "Site");
    publish();
  }
  while (reads < 5) {
    std::this_thread::yield();
  }
  stop = true;
  reader.join();
  EXPECT_EQ(read()->metadata().no, 31U);
}

}  // namespace
}  // namespace latchkey
