#include "store/vault_meta.h"

#include "store/statement.h"

namespace latchkey::store {
namespace {

constexpr std::size_t kMaxMetaBytes = 1024;
constexpr const char* kPutMeta =
    "INSERT INTO meta (name, value) VALUES (?1, ?2) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value";

}  // namespace

void put_meta(Database& database, const std::string& name, ByteSpan value) {
  Query(database, kPutMeta, {name, to_bytes(value)}).run();
}

Bytes get_meta(Database& database, const std::string& name) {
  Query query(database, "SELECT value FROM meta WHERE name = ?1", {name});
  static const Column kValue{"value", Kind::kBlob, kMaxMetaBytes};
  if (!query.step()) {
    throw_failure(ErrorCode::kCorrupt, "meta row missing: " + name);
  }
  return std::get<Bytes>(query.value(0, kValue));
}

bool has_meta(Database& database, const std::string& name) {
  Query query(database, "SELECT 1 FROM meta WHERE name = ?1", {name});
  return query.step();
}

void erase_meta(Database& database, const std::string& name) {
  Query(database, "DELETE FROM meta WHERE name = ?1", {name}).run();
}

}  // namespace latchkey::store
