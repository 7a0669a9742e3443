// For tests of the provider's records: the same on SQLite and on a real PostgreSQL.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "store/postgres_server.h"
#include "store/provider_store.h"
#include "store/test_support.h"

namespace latchkey::store {

enum class Kind { kSqlite, kPostgres };

inline const provider::Act kAct{"ada", "admin", "because", WallTime{1700000000}};

inline Origin origin_named(const std::string& host) {
  return Origin::parse("https://" + host).value();
}
inline provider::RegisteredOrigin registered(const std::string& host) {
  return {origin_named(host),
          "Name of " + host,
          "https://" + host + "/icon.png",
          "mailto:admin@example.com",
          attest::OriginStatus::kActive,
          "",
          WallTime{1700000000},
          WallTime{1700000001}};
}
inline SpkiHash key_numbered(std::uint32_t number) {
  ByteArray<32> bytes{};
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[i] = static_cast<std::uint8_t>((number * 2654435761U) >> (8 * i));
    bytes[28 + i] = static_cast<std::uint8_t>(number >> (8 * i));
  }
  return SpkiHash(bytes);
}

class ProviderStoreTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    database_ = is_postgres() ? PostgresServer::shared().create_database()
                              : "sqlite:" + (home_.path() / "provider.db").string();
    ASSERT_EQ(ProviderStore::init(database_).value(), 0);
    store_ = open();
  }
  [[nodiscard]] static bool is_postgres() { return GetParam() == Kind::kPostgres; }
  [[nodiscard]] std::unique_ptr<ProviderStore> open() const {
    auto store = ProviderStore::open(database_);
    if (!store) {
      ADD_FAILURE() << store.error().detail;
      return nullptr;
    }
    return std::move(*store);
  }
  [[nodiscard]] std::vector<provider::AuditEntry> log() { return store_->audit(0, 1000).value(); }

  testing::TempFolder home_;
  std::string database_;
  std::unique_ptr<ProviderStore> store_;
};

inline std::string kind_name(const ::testing::TestParamInfo<Kind>& info) {
  return info.param == Kind::kPostgres ? "PostgreSQL" : "SQLite";
}

}  // namespace latchkey::store
