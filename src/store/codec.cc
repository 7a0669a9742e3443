#include "store/codec.h"

#include <limits>

namespace latchkey::store {
namespace {

// A value that could not be read back is not written.
void check_size(const Column& column, std::size_t size) {
  if (size > column.max_bytes) {
    throw_failure(ErrorCode::kConflict, std::string("too long to store: ") + column.name);
  }
}

}  // namespace

const Column& RowWriter::next(Kind kind) {
  LATCHKEY_CHECK(row_.size() < table_.columns.size());
  const Column& column = table_.columns[row_.size()];
  LATCHKEY_CHECK(column.kind == kind);
  return column;
}

RowWriter& RowWriter::number(std::int64_t value) {
  next(Kind::kInteger);
  row_.emplace_back(value);
  return *this;
}

RowWriter& RowWriter::text(std::string_view value) {
  check_size(next(Kind::kText), value.size());
  row_.emplace_back(std::string(value));
  return *this;
}

RowWriter& RowWriter::blob(ByteSpan value) {
  check_size(next(Kind::kBlob), value.size());
  row_.emplace_back(to_bytes(value));
  return *this;
}

RowWriter& RowWriter::null() {
  LATCHKEY_CHECK(row_.size() < table_.columns.size() && table_.columns[row_.size()].nullable);
  row_.emplace_back(std::monostate());
  return *this;
}

RowWriter& RowWriter::origin(const std::optional<Origin>& value) {
  return value ? text(value->text()) : null();
}

RowWriter& RowWriter::secret(ByteSpan value) {
  const Column& column = next(Kind::kSealed);
  LATCHKEY_CHECK(row_.size() >= table_.key_columns);
  Bytes sealed = vault_.seal(vault_.purpose(table_, column, row_), value);
  check_size(column, sealed.size());
  row_.emplace_back(std::move(sealed));
  return *this;
}

Row RowWriter::row() {
  LATCHKEY_CHECK(row_.size() == table_.columns.size());
  return std::move(row_);
}

void RowReader::refuse() const {
  const std::size_t column = index_ == 0 ? 0 : index_ - 1;
  throw_failure(ErrorCode::kCorrupt, std::string(table_.name) + "." + table_.columns[column].name +
                                         " has a value that was never written");
}

// The types were checked when the row was read.
std::int64_t RowReader::number() {
  return std::get<std::int64_t>(row_[index_++]);
}
std::string RowReader::text() {
  return std::get<std::string>(row_[index_++]);
}
Bytes RowReader::blob() {
  return std::get<Bytes>(row_[index_++]);
}

std::uint64_t RowReader::count() {
  const std::int64_t value = number();
  if (value < 0) {
    refuse();
  }
  return static_cast<std::uint64_t>(value);
}

std::uint16_t RowReader::port() {
  const std::uint64_t value = count();
  if (value > std::numeric_limits<std::uint16_t>::max()) {
    refuse();
  }
  return static_cast<std::uint16_t>(value);
}

bool RowReader::flag() {
  const std::uint64_t value = count();
  if (value > 1) {
    refuse();
  }
  return value == 1;
}

HostName RowReader::host() {
  auto parsed = HostName::parse(text());
  if (!parsed) {
    refuse();
  }
  return *std::move(parsed);
}

std::optional<Origin> RowReader::origin() {
  if (is_null()) {
    skip();
    return std::nullopt;
  }
  auto parsed = Origin::parse(text());
  if (!parsed) {
    refuse();
  }
  return parsed;
}

std::optional<SignInOffer> RowReader::sign_in() {
  if (is_null()) {
    skip();
    if (!is_null()) {
      refuse();
    }
    skip();
    return std::nullopt;
  }
  const std::string issuer = text();
  auto parsed = SignInOffer::make(issuer, text());
  if (!parsed) {
    refuse();
  }
  return parsed;
}

grant::State RowReader::state() {
  const auto parsed = grant::state_from(text());
  if (!parsed) {
    refuse();
  }
  return *parsed;
}

std::optional<grant::Hold> RowReader::hold() {
  if (is_null()) {
    skip();
    return std::nullopt;
  }
  const auto parsed = grant::hold_from(text());
  if (!parsed) {
    refuse();
  }
  return parsed;
}

SecretBytes RowReader::secret() {
  const Column& column = table_.columns[index_];
  LATCHKEY_CHECK(column.kind == Kind::kSealed);
  return vault_.unseal(vault_.purpose(table_, column, row_), blob());
}

crypto::PrivateKey RowReader::key() {
  const SecretBytes scalar = secret();
  auto parsed = crypto::PrivateKey::from_scalar(scalar.span());
  if (!parsed) {
    refuse();
  }
  return *std::move(parsed);
}

}  // namespace latchkey::store
