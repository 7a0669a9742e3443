// Reading and writing single values of the media index. Internal to store/media_*; all of it
// throws.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "store/media_index.h"
#include "store/statement.h"

namespace latchkey::store::media {

using Key = cache::Partition::Key;

inline constexpr std::size_t kHashBytes = 32;

inline Column integer(const char* name) {
  return {name, Kind::kInteger, 0, false};
}
inline Column text(const char* name, std::size_t most) {
  return {name, Kind::kText, most, false};
}
inline Column blob(const char* name, std::size_t bytes, bool nullable = false) {
  return {name, Kind::kBlob, bytes, nullable};
}

inline std::int64_t signed_of(std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw_failure(ErrorCode::kConflict, "a number that cannot be");
  }
  return static_cast<std::int64_t>(value);
}

inline Bytes key_bytes(const Key& key) {
  return to_bytes(key.span());
}

// Reads the columns of a row one after the other.
class Columns {
 public:
  explicit Columns(Query& query) : query_(query) {}
  std::uint64_t count(const char* name) {
    const std::int64_t value = number(name);
    if (value < 0) {
      throw_failure(ErrorCode::kCorrupt, std::string("column ") + name + " is negative");
    }
    return static_cast<std::uint64_t>(value);
  }
  std::int64_t number(const char* name) {
    return std::get<std::int64_t>(query_.value(at_++, integer(name)));
  }
  std::string words(const char* name, std::size_t most) {
    return std::get<std::string>(query_.value(at_++, text(name, most)));
  }
  template <std::size_t N>
  ByteArray<N> array(const char* name) {
    return to_fixed<N>(name, std::get<Bytes>(query_.value(at_++, blob(name, N))));
  }
  template <std::size_t N>
  std::optional<ByteArray<N>> maybe_array(const char* name) {
    const Value value = query_.value(at_++, blob(name, N, true));
    if (std::holds_alternative<std::monostate>(value)) {
      return std::nullopt;
    }
    return to_fixed<N>(name, std::get<Bytes>(value));
  }

 private:
  template <std::size_t N>
  static ByteArray<N> to_fixed(const char* name, const Bytes& bytes) {
    const auto array = to_array<N>(bytes);
    if (!array) {
      throw_failure(ErrorCode::kCorrupt, std::string("column ") + name + " is of another length");
    }
    return *array;
  }
  Query& query_;
  std::size_t at_ = 0;
};

// The one column of all rows.
inline std::vector<std::uint64_t> numbers(Query& query) {
  std::vector<std::uint64_t> out;
  while (query.step()) {
    out.push_back(Columns(query).count("number"));
  }
  return out;
}

// As Partition::text() gave it.
inline cache::Partition partition_named(const std::string& text) {
  auto partition = cache::Partition::parse(text);
  if (!partition) {
    throw_failure(ErrorCode::kCorrupt, "column origin is not whose objects these are");
  }
  return *std::move(partition);
}
inline constexpr std::size_t kMaxOrigin = cache::Partition::kMaxText;

}  // namespace latchkey::store::media
