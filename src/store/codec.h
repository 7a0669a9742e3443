// Values to rows and back, column by column in the order of the shape. Internal to src/store.
// Everything throws Failure: kCorrupt when a value read back cannot have been written.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/host_name.h"
#include "base/ids.h"
#include "base/origin.h"
#include "base/sign_in.h"
#include "crypto/keys.h"
#include "grant/grant.h"
#include "store/vault.h"

namespace latchkey::store {

class RowWriter {
 public:
  RowWriter(Vault& vault, const TableShape& table) : vault_(vault), table_(table) {}
  RowWriter& number(std::int64_t value);
  RowWriter& time(WallTime value) { return number(value.unix_seconds); }
  RowWriter& flag(bool value) { return number(value ? 1 : 0); }
  RowWriter& text(std::string_view value);
  RowWriter& blob(ByteSpan value);
  RowWriter& null();
  RowWriter& origin(const std::optional<Origin>& value);
  RowWriter& secret(ByteSpan value);
  RowWriter& key(const crypto::PrivateKey& value) { return secret(value.scalar().span()); }
  // All columns must have been written.
  Row row();

 private:
  const Column& next(Kind kind);
  Vault& vault_;
  const TableShape& table_;
  Row row_;
};

class RowReader {
 public:
  RowReader(Vault& vault, const TableShape& table, const Row& row)
      : vault_(vault), table_(table), row_(row) {}
  std::int64_t number();
  std::uint64_t count();  // not negative
  std::uint16_t port();
  bool flag();
  WallTime time() { return {number()}; }
  std::string text();
  Bytes blob();
  [[nodiscard]] bool is_null() const {
    return std::holds_alternative<std::monostate>(row_[index_]);
  }
  void skip() { ++index_; }
  template <class Id>
  Id id() {
    const auto parsed = Id::from_bytes(blob());
    if (!parsed) {
      refuse();
    }
    return *parsed;
  }
  template <std::size_t N>
  ByteArray<N> array() {
    const auto parsed = to_array<N>(blob());
    if (!parsed) {
      refuse();
    }
    return *parsed;
  }
  HostName host();
  std::optional<Origin> origin();
  std::optional<SignInOffer> sign_in();  // two columns, both null or neither
  grant::State state();
  std::optional<grant::Hold> hold();  // nullable
  SecretBytes secret();
  template <std::size_t N>
  ByteArray<N> secret_array() {
    const SecretBytes bytes = secret();
    const auto parsed = to_array<N>(bytes.span());
    if (!parsed) {
      refuse();
    }
    return *parsed;
  }
  crypto::PrivateKey key();

 private:
  [[noreturn]] void refuse() const;
  Vault& vault_;
  const TableShape& table_;
  const Row& row_;
  std::size_t index_ = 0;
};

// A value of a key or of a WHERE.
inline Value cell(ByteSpan bytes) {
  return to_bytes(bytes);
}
inline Value cell(WallTime time) {
  return time.unix_seconds;
}
inline Value cell(std::string_view text) {
  return std::string(text);
}

}  // namespace latchkey::store
