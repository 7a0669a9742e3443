// The shape of a table, and a row as plain values. Internal to src/store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"

namespace latchkey::store {

using Value = std::variant<std::monostate, std::int64_t, std::string, Bytes>;
// One value per column, in the order of the shape.
using Row = std::vector<Value>;
// The same, not copied.
using View = std::variant<std::monostate, std::int64_t, std::string_view, ByteSpan>;
View view_of(const Value& value);
Value value_of(const View& view);

enum class Kind {
  kInteger,
  kText,
  kBlob,
  kSealed,  // a blob that goes through the Sealer
};

struct Column {
  const char* name = "";
  Kind kind = Kind::kInteger;
  std::size_t max_bytes = 0;  // of a text or blob; what is longer was not written by us
  bool nullable = false;
};

struct TableShape {
  const char* name = "";
  std::size_t key_columns = 1;  // the first columns are the primary key
  std::vector<Column> columns;
};

}  // namespace latchkey::store
