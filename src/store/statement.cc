#include "store/statement.h"

#include <SQLiteCpp/SQLiteCpp.h>

namespace latchkey::store {
namespace {

void bind(SQLite::Statement& statement, int index, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    statement.bind(index, *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    statement.bind(index, *text);
  } else if (const auto* blob = std::get_if<Bytes>(&value)) {
    // A null pointer would bind NULL.
    static constexpr std::uint8_t kNothing = 0;
    statement.bind(index, blob->empty() ? &kNothing : blob->data(), static_cast<int>(blob->size()));
  } else {
    statement.bind(index);
  }
}

[[noreturn]] void refuse(const Column& column, const char* why) {
  throw_failure(ErrorCode::kCorrupt, std::string("column ") + column.name + why);
}

}  // namespace

View view_of(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return *number;
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return std::string_view(*text);
  }
  if (const auto* blob = std::get_if<Bytes>(&value)) {
    return ByteSpan(*blob);
  }
  return {};
}

Value value_of(const View& view) {
  if (const auto* number = std::get_if<std::int64_t>(&view)) {
    return *number;
  }
  if (const auto* text = std::get_if<std::string_view>(&view)) {
    return std::string(*text);
  }
  if (const auto* blob = std::get_if<ByteSpan>(&view)) {
    return to_bytes(*blob);
  }
  return {};
}

Query::Query(Database& database, const std::string& sql, const Row& arguments)
    : statement_(database.prepared(sql)) {
  statement_.tryReset();
  statement_.clearBindings();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    bind(statement_, static_cast<int>(i) + 1, arguments[i]);
  }
}

Query::~Query() {
  statement_.tryReset();
  // Bound values are copies, and may be secret.
  try {
    statement_.clearBindings();
  } catch (const SQLite::Exception&) {
    return;  // sqlite3_clear_bindings has no way to fail
  }
}

bool Query::step() {
  return statement_.executeStep();
}

void Query::run() {
  statement_.exec();
}

View Query::view(std::size_t index, const Column& column) {
  const SQLite::Column found = statement_.getColumn(static_cast<int>(index));
  if (found.isNull()) {
    if (!column.nullable) {
      refuse(column, " is missing");
    }
    return {};
  }
  if (column.kind == Kind::kInteger) {
    if (!found.isInteger()) {
      refuse(column, " is not a number");
    }
    return std::int64_t{found.getInt64()};
  }
  if (column.kind == Kind::kText ? !found.isText() : !found.isBlob()) {
    refuse(column, " is of another type");
  }
  const auto* data = static_cast<const std::uint8_t*>(found.getBlob());
  const auto size = static_cast<std::size_t>(found.getBytes());
  if (size > column.max_bytes) {
    refuse(column, " is too long");
  }
  const ByteSpan bytes(data, size);
  if (column.kind == Kind::kText) {
    return as_text(bytes);
  }
  return bytes;
}

}  // namespace latchkey::store
