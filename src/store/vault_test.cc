#include "store/vault.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

#include "store/codec.h"
#include "store/test_support.h"

namespace latchkey::store {
namespace {

using testing::BoundSealer;
using testing::CountingRandom;
using testing::TempFolder;

constexpr std::array kSchema = {
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);"
    "CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL, secret BLOB NOT NULL, "
    "note TEXT, other BLOB, sum BLOB NOT NULL);"
    "CREATE INDEX by_name ON thing (name) WHERE id > 1"};
const TableShape kThing = {"thing",
                           1,
                           {{"id", Kind::kInteger},
                            {"name", Kind::kText, 20},
                            {"secret", Kind::kSealed, 200},
                            {"note", Kind::kText, 20, true},
                            {"other", Kind::kSealed, 200, true}}};

class VaultTest : public ::testing::Test {
 protected:
  Result<Vault> open(Check check = Check::kAll) {
    return Vault::open({{folder_.path(), "x.db", ""}, {7, kSchema}, {&kThing}, check}, sealer_,
                       random_);
  }
  // To the end: how it ends.
  static Result<bool> look_through(Vault& vault) {
    while (true) {
      auto done = vault.look_on();
      if (!done || *done) {
        return done;
      }
    }
  }
  static Row row(Vault& vault, std::int64_t id, std::string_view name) {
    return RowWriter(vault, kThing)
        .number(id)
        .text(name)
        .secret(as_bytes("the secret"))
        .null()
        .secret(as_bytes("the secret"))
        .row();
  }
  void fill() {
    auto vault = open();
    ASSERT_TRUE(vault) << vault.error().detail;
    ASSERT_TRUE(vault->write([&] {
      vault->insert(kThing, row(*vault, 1, "one"));
      vault->insert(kThing, row(*vault, 2, "two"));
    }));
  }
  void expect_noticed(const std::string& sql) {
    testing::tamper(folder_.file("x.db"), sql);
    {
      const auto vault = open();
      ASSERT_FALSE(vault) << sql;
      EXPECT_EQ(vault.error().code, ErrorCode::kCorrupt) << sql;
    }
    auto quick = open(Check::kLater);
    const auto end = quick ? look_through(*quick) : Result<bool>(fail(quick.error()));
    ASSERT_FALSE(end) << sql;
    EXPECT_EQ(end.error().code, ErrorCode::kCorrupt) << sql;
  }
  // Before anything of it can be read.
  void expect_noticed_at_once(const std::string& sql) {
    expect_noticed(sql);
    EXPECT_FALSE(open(Check::kLater)) << sql;
  }
  TempFolder folder_;
  BoundSealer sealer_;
  CountingRandom random_;
};

TEST_F(VaultTest, KeepsRowsAndSealsSecrets) {
  fill();
  auto vault = open();
  ASSERT_TRUE(vault) << vault.error().detail;
  const auto secret = vault->read([&] {
    const Row found = vault->find(kThing, {Value(std::int64_t{2})}).value();
    RowReader reader(*vault, kThing, found);
    EXPECT_EQ(reader.number(), 2);
    EXPECT_EQ(reader.text(), "two");
    return reader.secret();
  });
  ASSERT_TRUE(secret) << secret.error().detail;
  EXPECT_EQ(as_text(secret->span()), "the secret");
  const Bytes file = testing::read_file(folder_.file("x.db"));
  EXPECT_EQ(as_text(file).find("the secret"), std::string_view::npos);
}

TEST_F(VaultTest, OpensWithItsKindOfSealerOnly) {
  fill();
  FileModeSealer other;
  const auto vault =
      Vault::open({{folder_.path(), "x.db", ""}, {7, kSchema}, {&kThing}}, other, random_);
  ASSERT_FALSE(vault);
  EXPECT_EQ(vault.error().code, ErrorCode::kConflict);
}

TEST_F(VaultTest, NoticesAChangedValue) {
  fill();
  expect_noticed("UPDATE thing SET name = 'uno' WHERE id = 1");
}
TEST_F(VaultTest, NoticesAMovedRow) {
  fill();
  expect_noticed("UPDATE thing SET id = 3 WHERE id = 1");
}
TEST_F(VaultTest, NoticesAValueMovedToAnotherColumn) {
  fill();
  expect_noticed("UPDATE thing SET note = name, name = '' WHERE id = 1");
}
TEST_F(VaultTest, NoticesARowTakenAway) {
  fill();
  expect_noticed_at_once("DELETE FROM thing WHERE id = 1");
}
TEST_F(VaultTest, NoticesARowCopied) {
  fill();
  expect_noticed_at_once(
      "INSERT INTO thing SELECT 3, name, secret, note, other, sum FROM thing WHERE id=1");
}
TEST_F(VaultTest, NoticesAnOldRowInThePlaceOfTodays) {
  fill();
  std::filesystem::copy_file(folder_.file("x.db"), folder_.file("old.db"));
  {
    auto vault = open();
    ASSERT_TRUE(vault->write([&] { vault->update(kThing, row(*vault, 1, "uno")); }));
  }
  expect_noticed_at_once("ATTACH '" + folder_.file("old.db").string() +
                         "' AS old; DELETE FROM thing WHERE id = 1; "
                         "INSERT INTO thing SELECT * FROM old.thing WHERE id = 1");
}
// Which of these add up to nothing, by elimination: with more of them than bits there are some.
std::vector<std::size_t> that_cancel(const std::vector<Bytes>& changes) {
  struct Sum {
    Bytes bits;
    std::vector<char> of;
  };
  std::vector<Sum> reduced;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Sum next{changes[i], std::vector<char>(changes.size())};
    next.of[i] = 1;
    for (const Sum& one : reduced) {
      const auto lead = std::ranges::find_if(one.bits, [](auto byte) { return byte != 0; });
      const auto at = static_cast<std::size_t>(lead - one.bits.begin());
      if ((next.bits[at] & std::bit_floor(*lead)) != 0) {
        std::ranges::transform(next.bits, one.bits, next.bits.begin(), std::bit_xor<>());
        std::ranges::transform(next.of, one.of, next.of.begin(), std::bit_xor<>());
      }
    }
    if (std::ranges::any_of(next.bits, [](auto byte) { return byte != 0; })) {
      reduced.push_back(std::move(next));
      continue;
    }
    std::vector<std::size_t> found;
    for (std::size_t j = 0; j < next.of.size(); ++j) {
      if (next.of[j] != 0) {
        found.push_back(j);
      }
    }
    return found;
  }
  return {};
}

// Whoever can write the file and has an old copy of it picks old rows whose sums together are
// those of today's (row 38).
TEST_F(VaultTest, NoticesOldRowsThatWereChosenForTheirSums) {
  constexpr std::int64_t kRows = 140;
  const auto write_all = [&](std::string_view name) {
    auto vault = open();
    ASSERT_TRUE(vault) << vault.error().detail;
    ASSERT_TRUE(vault->write([&] {
      for (std::int64_t id = 1; id <= kRows; ++id) {
        vault->put(kThing, row(*vault, id, name));
      }
    }));
  };
  write_all("before");
  std::filesystem::copy_file(folder_.file("x.db"), folder_.file("old.db"));
  write_all("after");
  const std::string every = "SELECT sum FROM thing ORDER BY id";
  auto changes = testing::column(folder_.file("old.db"), every);
  const auto today = testing::column(folder_.file("x.db"), every);
  ASSERT_EQ(today.size(), changes.size());
  for (std::size_t i = 0; i < today.size(); ++i) {
    std::ranges::transform(changes[i], today[i], changes[i].begin(), std::bit_xor<>());
  }
  const auto chosen = that_cancel(changes);
  ASSERT_FALSE(chosen.empty());
  std::string ids;
  for (const std::size_t i : chosen) {
    ids += (ids.empty() ? "" : ", ") + std::to_string(i + 1);
  }
  expect_noticed_at_once("ATTACH '" + folder_.file("old.db").string() +
                         "' AS old; DELETE FROM thing WHERE id IN (" + ids +
                         "); INSERT INTO thing SELECT * FROM old.thing WHERE id IN (" + ids + ")");
}
TEST_F(VaultTest, NoticesAnIndexThatLies) {
  fill();
  expect_noticed(
      "PRAGMA writable_schema = ON; "
      "UPDATE sqlite_schema SET sql = replace(sql, 'id > 1', 'id > 0') WHERE name = 'by_name'");
}
TEST_F(VaultTest, WhatIsLookedAtLaterIsCheckedWhenItIsRead) {
  fill();
  testing::tamper(folder_.file("x.db"), "UPDATE thing SET name = 'uno' WHERE id = 1");
  auto vault = open(Check::kLater);
  ASSERT_TRUE(vault) << vault.error().detail;
  const auto find = [&](std::int64_t id) {
    return vault->read([&] { return vault->find(kThing, {Value(id)}).has_value(); });
  };
  EXPECT_EQ(find(2).value_or(false), true);
  ASSERT_FALSE(find(1));
  EXPECT_EQ(find(1).error().code, ErrorCode::kCorrupt);
  // Columns that nobody wants count as well.
  static const std::string kEvery = "TRUE";
  const auto each = vault->read([&] { vault->each({kThing, kEvery, {}, 1}, [](const Row&) {}); });
  ASSERT_FALSE(each);
  EXPECT_EQ(each.error().code, ErrorCode::kCorrupt);
}
TEST_F(VaultTest, LooksThroughInStepsWhileItIsUsed) {
  {
    auto vault = open();
    ASSERT_TRUE(vault->write([&] {
      for (std::int64_t id = 1; id <= 600; ++id) {
        vault->insert(kThing, row(*vault, id, "many"));
      }
    }));
  }
  auto vault = open(Check::kLater);
  ASSERT_TRUE(vault) << vault.error().detail;
  std::size_t steps = 1;
  for (; !vault->look_on().value(); ++steps) {
    // Behind and before what was looked at: rows come, change and go.
    ASSERT_TRUE(vault->write([&] {
      const auto step = static_cast<std::int64_t>(steps);
      vault->erase(kThing, {Value(step * 200)});
      vault->insert(kThing, row(*vault, 1000 + step, "new"));
      vault->update(kThing, row(*vault, 599, "changed"));
    }));
  }
  EXPECT_EQ(steps, 4U);  // three times rows, then the structure
  EXPECT_TRUE(vault->look_on().value());
}
TEST_F(VaultTest, NoticesAValueOfTheWrongTypeOrSize) {
  fill();
  expect_noticed("UPDATE thing SET secret = zeroblob(100000) WHERE id = 1");
}

TEST_F(VaultTest, ASecretOpensInItsPlaceOnly) {
  fill();
  auto vault = open();
  ASSERT_TRUE(vault);
  // As if somebody had the key of the sums: the sealer still tells places apart.
  const auto moved = vault->write([&] {
    const Row one = vault->find(kThing, {Value(std::int64_t{1})}).value();
    Row two = vault->find(kThing, {Value(std::int64_t{2})}).value();
    two[2] = one[2];
    vault->update(kThing, two);
  });
  ASSERT_TRUE(moved);
  const auto secret = vault->read([&] {
    const Row two = vault->find(kThing, {Value(std::int64_t{2})}).value();
    RowReader reader(*vault, kThing, two);
    reader.skip();
    reader.skip();
    return reader.secret();
  });
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().code, ErrorCode::kCorrupt);
}

TEST_F(VaultTest, AFailedTransactionChangesNothing) {
  fill();
  const std::string before = testing::dump(folder_.file("x.db"));
  {
    auto vault = open();
    ASSERT_TRUE(vault);
    const auto written = vault->write([&] {
      vault->insert(kThing, row(*vault, 3, "three"));
      vault->erase(kThing, {Value(std::int64_t{1})});
      vault->insert(kThing, row(*vault, 2, "again"));
    });
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ErrorCode::kConflict);
    ASSERT_TRUE(vault->write([&] { vault->update(kThing, row(*vault, 2, "two")); }))
        << "and the store goes on";
  }
  EXPECT_EQ(testing::dump(folder_.file("x.db")), before);
}

TEST_F(VaultTest, ErasedRowsAreOverwritten) {
  fill();
  {
    auto vault = open();
    ASSERT_TRUE(vault);
    ASSERT_TRUE(vault->write([&] { vault->insert(kThing, row(*vault, 3, "vanishing name")); }));
    ASSERT_NE(as_text(testing::read_file(folder_.file("x.db"))).find("vanishing name"),
              std::string_view::npos);
    ASSERT_TRUE(vault->write([&] { vault->erase(kThing, {Value(std::int64_t{3})}); }));
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    EXPECT_EQ(as_text(testing::read_file(entry.path())).find("vanishing name"),
              std::string_view::npos)
        << entry.path();
  }
}

// Whatever single byte is turned: the store opens as it was, or says that it is corrupt.
TEST_F(VaultTest, NoticesEveryChangedByte) {
  fill();
  const auto rows = [](Vault& vault) {
    return vault.read([&] { return vault.select(kThing, "TRUE ORDER BY id", {}); }).value();
  };
  const std::vector<Row> before = [&] {
    auto vault = open();
    return rows(*vault);
  }();
  ASSERT_EQ(before.size(), 2U);
  const Bytes whole = testing::read_file(folder_.file("x.db"));
  std::size_t noticed = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    // Most of a page is unused: sample it.
    if (whole[at] == 0 && at % 97 != 0) {
      continue;
    }
    Bytes changed = whole;
    changed[at] ^= 0x20;
    testing::write_file(folder_.file("x.db"), changed);
    auto vault = open();
    if (vault) {
      ASSERT_EQ(rows(*vault), before) << "byte " << at;
    } else {
      ++noticed;
    }
  }
  EXPECT_GT(noticed, 500U);
}

}  // namespace
}  // namespace latchkey::store
