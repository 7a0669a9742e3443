// Where the columns of a table lie. Private to src/attest.
#pragma once

#include <cstdint>

#include "attest/table.h"

namespace latchkey::attest {

inline constexpr std::size_t kTableHeader = 32;
inline constexpr std::uint64_t kMaxTableCount = 1ULL << 28;
inline constexpr std::uint64_t kMaxBlobBytes = 0xffffffffULL;  // offsets are u32

struct Layout {
  std::uint64_t keys = kTableHeader;
  std::uint64_t status = 0;
  std::uint64_t padding = 0;  // where it begins
  std::uint64_t offsets = 0;
  std::uint64_t blobs = 0;
  std::uint64_t end = 0;
};
Layout layout_of(const TableShape& shape, std::uint64_t count, std::uint64_t blob_bytes);

Bytes table_header(TableKind kind, std::uint64_t count, std::uint64_t blob_bytes);

std::uint64_t read_big_endian(ByteSpan bytes);  // at most 8 bytes
void append_big_endian(Bytes& to, std::uint64_t value, std::size_t size);

}  // namespace latchkey::attest
