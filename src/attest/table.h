// Tables: large sets as one sorted file that is mapped and searched in place (docs/protocol.md
// section 12). All integers are big-endian.
//
//   "LKTB" | version 1 | kind | key size | flags (1: status, 2: blobs) | u64 count | u64 blob bytes
//   | 8 zero bytes | keys, strictly ascending | a status byte each | zeros to a multiple of 4
//   | count + 1 offsets into the blobs, u32 | blobs
//
// A table is a function of its contents: the same records give the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "attest/error.h"
#include "base/bytes.h"

namespace latchkey::attest {

enum class TableKind : std::uint8_t {
  kModels = 1,   // AAGUID -> model status, CBOR (models.h)
  kRoots = 2,    // first 16 bytes of SHA-256 of a maker's root -> its DER
  kOrigins = 3,  // origin_key() -> origin status, display name (UTF-8, may be empty)
  kDevices = 4,  // device_key() of revoked attestation keys; nothing besides
};
inline constexpr std::size_t kTableKinds = 4;
inline constexpr std::size_t kMaxTableKey = 16;
inline constexpr std::size_t kMaxBlob = 65535;
inline constexpr std::uint64_t kMaxTableBytes = 1ULL << 32;  // what an agent takes

// What records of a kind look like.
struct TableShape {
  std::uint8_t key_size;
  bool has_status;
  bool has_blobs;
};
TableShape shape_of(TableKind kind);
std::string_view name_of(TableKind kind);  // "models", "roots", "origins", "devices"

struct Record {
  ByteSpan key;
  std::uint8_t status = 0;
  ByteSpan blob;
};

// A view of a table's bytes, which outlive it. Cheap to copy.
class Table {
 public:
  // Judges the header and the sizes, nothing that takes time with the count.
  static Result<Table> open(ByteSpan bytes, TableKind kind);
  static Table empty(TableKind kind);  // of no bytes at all

  [[nodiscard]] TableKind kind() const { return kind_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] ByteSpan bytes() const { return bytes_; }
  // Nothing where the key is not there, or its record is damaged (is_sound() would say so).
  [[nodiscard]] std::optional<Record> find(ByteSpan key) const;
  // CHECKs index < count(). An offset outside the blobs gives an empty blob.
  [[nodiscard]] Record at(std::uint64_t index) const;
  // Everything that open() left out: order of the keys, offsets, padding. Takes time with the
  // count; called once when a table arrives.
  [[nodiscard]] bool is_sound() const;

 private:
  friend class Merge;  // table_writer.cc
  explicit Table(TableKind kind) : kind_(kind), shape_(shape_of(kind)) {}
  [[nodiscard]] ByteSpan key_at(std::uint64_t index) const;
  [[nodiscard]] std::uint64_t offset_at(std::uint64_t index) const;  // index <= count()
  // The first record whose key is not less.
  [[nodiscard]] std::uint64_t lower_bound(ByteSpan key) const;
  TableKind kind_;
  TableShape shape_;
  std::uint64_t count_ = 0;
  ByteSpan bytes_, keys_, status_, offsets_, blobs_;
};

// What is different: `record` is put in place of the one with the same key, or taken out.
struct Change {
  Bytes key;
  bool removes = false;
  std::uint8_t status = 0;
  Bytes blob;
};

// Where bytes are written. False: it cannot take them; nothing more is written then.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual bool write(ByteSpan bytes) = 0;
};

// Writes `base` with `changes`, which are in ascending order of keys, each key once (CHECKed); a
// removal of what is not there is no change. Needs no memory for the table itself.
// kInternal where the sink gave up; kTooLarge where blobs would pass 4 GiB.
struct Written {
  std::uint64_t size = 0;
  std::uint64_t count = 0;
  Digest256 sha256{};
};
Result<Written> write_table(const Table& base, std::span<const Change> changes, Sink& out);

// --- deltas ---
//
//   "LKTD" | version 1 | kind | 2 zero bytes | u64 count | SHA-256 of the base | of the result
//   | records: key | 0 (removed), or 1 | status byte | u16 length | blob (as the kind has them)
inline constexpr std::uint64_t kMaxDeltaBytes = 64ULL << 20;

struct Delta {
  TableKind kind = TableKind::kModels;
  Digest256 from{};
  Digest256 to{};
  std::vector<Change> changes;
};
Bytes encode_delta(const Delta& delta);
Result<Delta> decode_delta(ByteSpan bytes);

}  // namespace latchkey::attest
