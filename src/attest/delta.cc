#include <algorithm>

#include "attest/columns.h"
#include "attest/table.h"

namespace latchkey::attest {
namespace {

constexpr std::string_view kMagic = "LKTD";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeader = 80;

Bytes header_of(const Delta& delta) {
  Bytes header = to_bytes(as_bytes(kMagic));
  header.push_back(kVersion);
  header.push_back(static_cast<std::uint8_t>(delta.kind));
  append_big_endian(header, 0, 2);
  append_big_endian(header, delta.changes.size(), 8);
  append(header, delta.from);
  append(header, delta.to);
  return header;
}

// Takes bytes from the front; what is not there any more makes it fail for good.
class Cursor {
 public:
  explicit Cursor(ByteSpan bytes) : rest_(bytes) {}
  ByteSpan take(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
    }
    if (!ok_) {
      return {};
    }
    const ByteSpan taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  std::uint64_t number(std::size_t size) { return read_big_endian(take(size)); }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  ByteSpan rest_;
  bool ok_ = true;
};

}  // namespace

Bytes encode_delta(const Delta& delta) {
  const TableShape shape = shape_of(delta.kind);
  Bytes out = header_of(delta);
  for (const Change& change : delta.changes) {
    LATCHKEY_CHECK(change.key.size() == shape.key_size && change.blob.size() <= kMaxBlob);
    append(out, change.key);
    out.push_back(change.removes ? 0 : 1);
    if (change.removes) {
      continue;
    }
    if (shape.has_status) {
      out.push_back(change.status);
    }
    if (shape.has_blobs) {
      append_big_endian(out, change.blob.size(), 2);
      append(out, change.blob);
    }
  }
  return out;
}

Result<Delta> decode_delta(ByteSpan bytes) {
  const auto refuse = [](const char* why) {
    return fail(Error{ErrorCode::kMalformed, std::string("delta: ") + why});
  };
  if (bytes.size() < kHeader || bytes.size() > kMaxDeltaBytes) {
    return refuse("not of a possible size");
  }
  Delta delta;
  if (bytes[5] < 1 || bytes[5] > kTableKinds) {
    return refuse("of an unknown kind");
  }
  delta.kind = static_cast<TableKind>(bytes[5]);
  std::copy_n(bytes.begin() + 16, 32, delta.from.begin());
  std::copy_n(bytes.begin() + 48, 32, delta.to.begin());
  const TableShape shape = shape_of(delta.kind);
  const std::uint64_t count = read_big_endian(bytes.subspan(8, 8));
  // Each record takes a key and a byte at least: no count makes us reserve more than there is.
  if (count > (bytes.size() - kHeader) / (shape.key_size + 1U)) {
    return refuse("shorter than it says");
  }
  delta.changes.resize(count);
  if (!std::equal(bytes.begin(), bytes.begin() + kHeader, header_of(delta).begin())) {
    return refuse("not its header");
  }
  Cursor cursor(bytes.subspan(kHeader));
  for (std::uint64_t i = 0; i < count; ++i) {
    Change& change = delta.changes[i];
    change.key = to_bytes(cursor.take(shape.key_size));
    const std::uint64_t action = cursor.number(1);
    change.removes = action == 0;
    if (action == 1 && shape.has_status) {
      change.status = static_cast<std::uint8_t>(cursor.number(1));
    }
    if (action == 1 && shape.has_blobs) {
      change.blob = to_bytes(cursor.take(cursor.number(2)));
    }
    if (!cursor.ok() || action > 1 || (i > 0 && delta.changes[i - 1].key >= change.key)) {
      return refuse("a record that is cut off or out of order");
    }
  }
  if (!cursor.at_end()) {
    return refuse("more than it says");
  }
  return delta;
}

}  // namespace latchkey::attest
