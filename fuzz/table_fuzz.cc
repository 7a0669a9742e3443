// Tables and deltas as they come from outside. A table that is sound says of every record the same
// as it finds, and writing it anew gives the same bytes; a delta that is read is written the same.
#include <cstdint>

#include "attest/table.h"
#include "support/trust_maker.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey;  // NOLINT(google-build-using-namespace)
  const ByteSpan bytes(data, size);
  for (std::size_t i = 0; i < attest::kTableKinds; ++i) {
    const auto table = attest::Table::open(bytes, static_cast<attest::TableKind>(i + 1));
    if (!table) {
      continue;
    }
    testing::MemorySink sink;
    const auto written = attest::write_table(*table, {}, sink);
    if (!table->is_sound()) {
      if (table->count() > 0) {
        static_cast<void>(table->find(table->at(0).key));
      }
      continue;
    }
    LATCHKEY_CHECK(written.has_value() && sink.bytes == to_bytes(bytes));
    for (std::uint64_t index = 0; index < table->count(); ++index) {
      const attest::Record record = table->at(index);
      const auto found = table->find(record.key);
      LATCHKEY_CHECK(found && found->blob.data() == record.blob.data() &&
                     found->blob.size() == record.blob.size() && found->status == record.status);
    }
  }
  const auto delta = attest::decode_delta(bytes);
  if (delta) {
    LATCHKEY_CHECK(attest::encode_delta(*delta) == to_bytes(bytes));
    testing::MemorySink sink;
    LATCHKEY_CHECK(
        attest::write_table(attest::Table::empty(delta->kind), delta->changes, sink).has_value());
  }
  return 0;
}
