#include "attest/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "attest/models.h"
#include "crypto/hash.h"
#include "support/trust_maker.h"

namespace latchkey::attest {
namespace {

using testing::FakeRandom;
using testing::MemorySink;
using testing::table_of;

using Contents = std::map<Bytes, std::pair<std::uint8_t, Bytes>>;

Bytes bytes_of(std::string_view text) {
  return to_bytes(as_bytes(text));
}

std::vector<Change> as_changes(const Contents& contents) {
  std::vector<Change> changes;
  for (const auto& [key, value] : contents) {
    changes.push_back({key, false, value.first, value.second});
  }
  return changes;
}

Contents random_contents(FakeRandom& random, std::size_t count) {
  Contents contents;
  while (contents.size() < count) {
    const auto key = random.bytes<16>();
    const std::size_t length = key[3] % 40;
    contents[Bytes(key.begin(), key.end())] = {static_cast<std::uint8_t>(1 + key[5] % 3),
                                               Bytes(length, key[7])};
  }
  return contents;
}

void expect_holds(const Table& table, const Contents& contents) {
  ASSERT_EQ(table.count(), contents.size());
  EXPECT_TRUE(table.is_sound());
  for (const auto& [key, value] : contents) {
    const auto record = table.find(key);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->status, value.first);
    EXPECT_EQ(to_bytes(record->blob), value.second);
  }
}

TEST(Table, FindsWhatIsThereAndNothingElse) {
  FakeRandom random;
  for (const std::size_t count : {0U, 1U, 2U, 3U, 500U, 3000U}) {
    const Contents contents = random_contents(random, count);
    const Bytes bytes = table_of(TableKind::kOrigins, as_changes(contents));
    const auto table = Table::open(bytes, TableKind::kOrigins);
    ASSERT_TRUE(table);
    expect_holds(*table, contents);
    for (int i = 0; i < 1000; ++i) {
      const auto key = random.bytes<16>();
      EXPECT_FALSE(table->find(key));
    }
    EXPECT_FALSE(table->find(Bytes(16, 0x00)));
    EXPECT_FALSE(table->find(Bytes(16, 0xff)));
  }
}

TEST(Table, KeysThatAreNotSpreadEvenlyAreFoundAsWell) {
  Contents contents;
  for (std::uint8_t i = 0; i < 250; ++i) {
    Bytes low(16, 0);
    low[15] = i;
    Bytes high(16, 0xff);
    high[14] = i;
    contents[low] = {1, bytes_of("low")};
    contents[high] = {2, bytes_of("high")};
  }
  const Bytes bytes = table_of(TableKind::kOrigins, as_changes(contents));
  expect_holds(*Table::open(bytes, TableKind::kOrigins), contents);
}

TEST(Table, ChangesGiveWhatWritingItAnewGives) {
  FakeRandom random(7);
  for (int round = 0; round < 40; ++round) {
    Contents contents = random_contents(random, static_cast<std::size_t>(round) * 7);
    const Bytes before = table_of(TableKind::kOrigins, as_changes(contents));
    std::map<Bytes, Change> changes;
    for (auto& [key, value] : random_contents(random, 5)) {
      changes[key] = {key, false, value.first, value.second};  // new
      Bytes gone = key;
      gone[0] ^= 1;
      changes[gone] = {gone, true, 0, {}};  // never was there
    }
    std::size_t index = 0;
    for (const auto& [key, value] : contents) {
      if (index % 5 == 0) {
        changes[key] = {key, true, 0, {}};
      } else if (index % 7 == 0) {
        changes[key] = {key, false, 9, bytes_of("changed")};
      }
      ++index;
    }
    std::vector<Change> sorted;
    for (const auto& [key, change] : changes) {
      sorted.push_back(change);
      if (change.removes) {
        contents.erase(key);
      } else {
        contents[key] = {change.status, change.blob};
      }
    }
    MemorySink sink;
    const auto written = write_table(*Table::open(before, TableKind::kOrigins), sorted, sink);
    ASSERT_TRUE(written);
    EXPECT_EQ(sink.bytes, table_of(TableKind::kOrigins, as_changes(contents)));
    EXPECT_EQ(written->sha256, crypto::sha256(sink.bytes));
    EXPECT_EQ(written->size, sink.bytes.size());
    EXPECT_EQ(written->count, contents.size());
  }
}

TEST(Table, AllKindsHaveTheirColumns) {
  const Bytes devices =
      table_of(TableKind::kDevices, {{Bytes(10, 3), false, 0, {}}, {Bytes(10, 2), false, 0, {}}});
  EXPECT_EQ(devices.size(), 32U + 2 * 10);
  EXPECT_TRUE(Table::open(devices, TableKind::kDevices)->find(Bytes(10, 2)));
  const Bytes roots = table_of(TableKind::kRoots, {{Bytes(16, 1), false, 0, bytes_of("der")}});
  EXPECT_EQ(as_text(Table::open(roots, TableKind::kRoots)->find(Bytes(16, 1))->blob), "der");
  EXPECT_FALSE(Table::open(roots, TableKind::kOrigins)) << "another kind";
}

// Whatever byte is damaged or cut off: refused, or found unsound, or still a table; never a read
// outside of it (the sanitizers watch).
TEST(Table, DamageIsNeverFollowed) {
  FakeRandom random;
  const Contents contents = random_contents(random, 9);
  const Bytes good = table_of(TableKind::kOrigins, as_changes(contents));
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    EXPECT_FALSE(Table::open(ByteSpan(good).first(cut), TableKind::kOrigins));
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(Table::open(longer, TableKind::kOrigins));
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= 0x81;
    const auto table = Table::open(bad, TableKind::kOrigins);
    if (!table) {
      continue;
    }
    (void)table->is_sound();
    for (const auto& [key, value] : contents) {
      (void)table->find(key);
    }
    MemorySink sink;
    (void)write_table(*table, {}, sink);
  }
}

TEST(Table, AHeaderThatPromisesTheWorldIsRefused) {
  Bytes bytes = table_of(TableKind::kDevices, {});
  for (std::size_t i = 8; i < 16; ++i) {
    bytes[i] = 0xff;  // 2^64 - 1 records: no product of it may overflow into a fitting size
  }
  EXPECT_FALSE(Table::open(bytes, TableKind::kDevices));
}

TEST(Delta, ComesBackAsItWas) {
  Delta delta{TableKind::kOrigins, {}, {}, {}};
  delta.from.fill(1);
  delta.to.fill(2);
  delta.changes = {{Bytes(16, 1), false, 3, bytes_of("name")}, {Bytes(16, 2), true, 0, {}}};
  const Bytes bytes = encode_delta(delta);
  const auto again = decode_delta(bytes);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->from, delta.from);
  EXPECT_EQ(again->to, delta.to);
  ASSERT_EQ(again->changes.size(), 2U);
  EXPECT_EQ(again->changes[0].blob, bytes_of("name"));
  EXPECT_TRUE(again->changes[1].removes);
  EXPECT_EQ(encode_delta(*again), bytes);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(decode_delta(ByteSpan(bytes).first(cut))) << cut;
  }
}

TEST(Delta, RefusesDisorder) {
  Delta delta{TableKind::kDevices, {}, {}, {}};
  delta.changes = {{Bytes(10, 2), false, 0, {}}, {Bytes(10, 1), false, 0, {}}};
  EXPECT_FALSE(decode_delta(encode_delta(delta))) << "descending keys";
  delta.changes = {{Bytes(10, 1), false, 0, {}}, {Bytes(10, 1), true, 0, {}}};
  EXPECT_FALSE(decode_delta(encode_delta(delta))) << "a key twice";
  Bytes many = encode_delta({TableKind::kDevices, {}, {}, {}});
  many[8] = 0x10;  // a count of 2^60
  EXPECT_FALSE(decode_delta(many));
}

// The limit for a day: 1,000 changes in 40 KiB, with names of ordinary length.
TEST(Delta, AThousandNewWebServicesAreUnder40KiB) {
  Delta delta{TableKind::kOrigins, {}, {}, {}};
  FakeRandom random;
  std::map<Bytes, Change> changes;
  while (changes.size() < 1000) {
    const auto key = random.bytes<16>();
    changes[Bytes(key.begin(), key.end())] = {Bytes(key.begin(), key.end()), false, 1,
                                              bytes_of("Example Video Home")};
  }
  for (const auto& [key, change] : changes) {
    delta.changes.push_back(change);
  }
  EXPECT_LT(encode_delta(delta).size(), 40U * 1024);
}

TEST(Models, NumbersAndRecordsComeBack) {
  const Aaguid aaguid = *parse_aaguid("0123abcd-4567-89ab-cdef-0123456789ab");
  EXPECT_EQ(aaguid_text(aaguid), "0123abcd-4567-89ab-cdef-0123456789ab");
  for (const char* bad :
       {"", "0123abcd-4567-89ab-cdef-0123456789a", "0123ABCD-4567-89ab-cdef-0123456789ab",
        "0123abcd4567-89ab-cdef-0123456789ab-", "0123abcd_4567-89ab-cdef-0123456789ab"}) {
    EXPECT_FALSE(parse_aaguid(bad)) << bad;
  }
  const ModelInfo info{"Acme", "Cache One", "media-cache", {Digest256{1}, Digest256{2}}};
  const auto again = decode_model(encode_model(info));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->maker, "Acme");
  EXPECT_EQ(again->roots, info.roots);
  EXPECT_FALSE(decode_model(encode_model({"Ac\xE2\x80\xAEme", "One", "media-cache", {}})))
      << "a name that turns the text around";
  EXPECT_FALSE(decode_model(encode_model({"Acme", "One", "Media Cache", {}})));
  EXPECT_FALSE(decode_model({}));
}

}  // namespace
}  // namespace latchkey::attest
