#include "attest/table.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "attest/columns.h"

namespace latchkey::attest {
namespace {

constexpr std::string_view kMagic = "LKTB";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kOffsetSize = 4;

int compare(ByteSpan a, ByteSpan b) {
  return std::memcmp(a.data(), b.data(), b.size());
}

}  // namespace

TableShape shape_of(TableKind kind) {
  switch (kind) {
    case TableKind::kModels:
    case TableKind::kOrigins:
      return {16, true, true};
    case TableKind::kRoots:
      return {16, false, true};
    case TableKind::kDevices:
      break;
  }
  return {10, false, false};
}

std::string_view name_of(TableKind kind) {
  static constexpr std::array<std::string_view, kTableKinds> kNames = {"models", "roots", "origins",
                                                                       "devices"};
  return kNames.at(static_cast<std::size_t>(kind) - 1);
}

Layout layout_of(const TableShape& shape, std::uint64_t count, std::uint64_t blob_bytes) {
  Layout at;
  at.status = at.keys + count * shape.key_size;
  at.padding = at.status + (shape.has_status ? count : 0);
  at.offsets = (at.padding + 3) / 4 * 4;
  at.blobs = at.offsets + (shape.has_blobs ? (count + 1) * kOffsetSize : 0);
  at.end = at.blobs + blob_bytes;
  return at;
}

std::uint64_t read_big_endian(ByteSpan bytes) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) {
    value = value << 8U | byte;
  }
  return value;
}

void append_big_endian(Bytes& to, std::uint64_t value, std::size_t size) {
  for (std::size_t i = size; i > 0; --i) {
    to.push_back(static_cast<std::uint8_t>(value >> (8 * (i - 1))));
  }
}

Bytes table_header(TableKind kind, std::uint64_t count, std::uint64_t blob_bytes) {
  const TableShape shape = shape_of(kind);
  Bytes header = to_bytes(as_bytes(kMagic));
  header.push_back(kVersion);
  header.push_back(static_cast<std::uint8_t>(kind));
  header.push_back(shape.key_size);
  header.push_back(
      static_cast<std::uint8_t>((shape.has_status ? 1U : 0U) | (shape.has_blobs ? 2U : 0U)));
  append_big_endian(header, count, 8);
  append_big_endian(header, blob_bytes, 8);
  append_big_endian(header, 0, 8);
  return header;
}

Table Table::empty(TableKind kind) {
  return Table(kind);
}

Result<Table> Table::open(ByteSpan bytes, TableKind kind) {
  const auto refuse = [&](const char* why) {
    return fail(Error{ErrorCode::kMalformed, std::string(name_of(kind)) + " table: " + why});
  };
  if (bytes.size() < kTableHeader) {
    return refuse("shorter than a header");
  }
  const std::uint64_t count = read_big_endian(bytes.subspan(8, 8));
  const std::uint64_t blob_bytes = read_big_endian(bytes.subspan(16, 8));
  if (count > kMaxTableCount || blob_bytes > kMaxBlobBytes) {
    return refuse("over the limits");
  }
  // The one header that says this, to the last bit.
  const Bytes header = table_header(kind, count, blob_bytes);
  if (!std::equal(header.begin(), header.end(), bytes.begin())) {
    return refuse("not its header");
  }
  Table table(kind);
  const Layout at = layout_of(table.shape_, count, blob_bytes);
  if ((!table.shape_.has_blobs && blob_bytes != 0) || at.end != bytes.size()) {
    return refuse("not of the size it says");
  }
  table.count_ = count;
  table.bytes_ = bytes;
  table.keys_ = bytes.subspan(at.keys, at.status - at.keys);
  table.status_ = bytes.subspan(at.status, at.padding - at.status);
  table.offsets_ = bytes.subspan(at.offsets, at.blobs - at.offsets);
  table.blobs_ = bytes.subspan(at.blobs);
  return table;
}

ByteSpan Table::key_at(std::uint64_t index) const {
  return keys_.subspan(index * shape_.key_size, shape_.key_size);
}

std::uint64_t Table::offset_at(std::uint64_t index) const {
  return count_ == 0 || !shape_.has_blobs
             ? 0
             : read_big_endian(offsets_.subspan(index * kOffsetSize, kOffsetSize));
}

Record Table::at(std::uint64_t index) const {
  LATCHKEY_CHECK(index < count_);
  Record record{key_at(index), 0, {}};
  if (shape_.has_status) {
    record.status = status_[index];
  }
  if (shape_.has_blobs) {
    const std::uint64_t begin = offset_at(index);
    const std::uint64_t end = offset_at(index + 1);
    if (begin <= end && end <= blobs_.size()) {
      record.blob = blobs_.subspan(begin, end - begin);
    }
  }
  return record;
}

// Keys are hashes, spread evenly: where a key lies is nearly known from its value, and a few
// thousand records around that are searched. From there it widens, so that keys that are not spread
// evenly cost a binary search and no more.
std::uint64_t Table::lower_bound(ByteSpan key) const {
  if (count_ == 0) {
    return 0;
  }
  const double share = static_cast<double>(read_big_endian(key.first(8))) / 18446744073709551616.0;
  const auto guess = std::min<std::uint64_t>(
      count_ - 1, static_cast<std::uint64_t>(share * static_cast<double>(count_)));
  std::uint64_t low = guess;   // all before `low` are less
  std::uint64_t high = guess;  // none from `high` on is less
  std::uint64_t step = 64;
  if (compare(key_at(guess), key) < 0) {
    low = guess + 1;
    for (high = low; high < count_ && compare(key_at(high), key) < 0; step *= 4) {
      low = high + 1;
      high = std::min(count_, high + step);
    }
  } else {
    for (low = guess; low > 0 && compare(key_at(low - 1), key) >= 0; step *= 4) {
      high = low - 1;
      low = low > step ? low - step : 0;
    }
  }
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (compare(key_at(middle), key) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::optional<Record> Table::find(ByteSpan key) const {
  LATCHKEY_CHECK(key.size() == shape_.key_size);
  const std::uint64_t index = lower_bound(key);
  if (index >= count_ || compare(key_at(index), key) != 0) {
    return std::nullopt;
  }
  if (shape_.has_blobs &&
      (offset_at(index) > offset_at(index + 1) || offset_at(index + 1) > blobs_.size())) {
    return std::nullopt;
  }
  return at(index);
}

bool Table::is_sound() const {
  for (std::uint64_t i = 1; i < count_; ++i) {
    if (compare(key_at(i - 1), key_at(i)) >= 0) {
      return false;
    }
  }
  if (bytes_.empty()) {
    return true;
  }
  const Layout where = layout_of(shape_, count_, blobs_.size());
  const ByteSpan padding = bytes_.subspan(where.padding, where.offsets - where.padding);
  if (std::any_of(padding.begin(), padding.end(), [](std::uint8_t byte) { return byte != 0; })) {
    return false;
  }
  if (shape_.has_blobs) {
    std::uint64_t before = read_big_endian(offsets_.first(kOffsetSize));
    if (before != 0) {
      return false;
    }
    for (std::uint64_t i = 1; i <= count_; ++i) {
      const std::uint64_t next = read_big_endian(offsets_.subspan(i * kOffsetSize, kOffsetSize));
      if (next < before || next - before > kMaxBlob) {
        return false;
      }
      before = next;
    }
    return before == blobs_.size();
  }
  return true;
}

}  // namespace latchkey::attest
