// What a provider keeps, in SQLite or PostgreSQL, through SOCI. The database is named by a text:
//   sqlite:/var/lib/latchkey-provider/provider.db    an absolute path; the file gets mode 0600
//   postgresql://user@host:port/name                 or any other connection text of libpq
// To another machine, PostgreSQL is spoken over TLS with the server's certificate checked
// (sslmode=verify-full) unless the text says otherwise.
//
// Writers take one row, the counter of changes, first: so they come one after the other, and the
// numbers in the audit log rise in the order in which changes become visible. That needs nothing of
// a database but transactions, and holds on distributed ones that speak PostgreSQL's protocol.
//
// After kUnreachable from a change nobody knows whether it was stored: read before repeating it.
// The next call connects anew.
#pragma once

#include <memory>
#include <string>

#include "provider/records.h"

namespace latchkey::store {

class ProviderDatabase;

class ProviderStore final : public provider::Records {
 public:
  // Makes the database's tables, or brings those of an older version up to date. Safe to repeat,
  // and to run twice at once. Gives the version that was there before; 0: none.
  static provider::Result<int> init(const std::string& database);
  // kInvalid: the text is none, or the tables are not there yet or of another version.
  static provider::Result<std::unique_ptr<ProviderStore>> open(const std::string& database);
  ~ProviderStore() override;
  ProviderStore(const ProviderStore&) = delete;
  ProviderStore& operator=(const ProviderStore&) = delete;

  provider::Result<provider::Vendor> add_vendor(const provider::Vendor& vendor,
                                                const provider::Act& act) override;
  provider::Result<void> change_vendor(const provider::Vendor& vendor,
                                       const provider::Act& act) override;
  provider::Result<std::vector<provider::Vendor>> vendors() override;
  provider::Result<std::optional<provider::Vendor>> vendor(std::int64_t id) override;
  provider::Result<std::optional<provider::Vendor>> vendor_named(std::string_view name) override;

  provider::Result<void> add_model(const provider::Model& model, const provider::Act& act) override;
  provider::Result<void> report_model(const attest::Aaguid& aaguid,
                                      const provider::StatusReport& report,
                                      const provider::Act& act) override;
  provider::Result<std::optional<provider::Model>> model(const attest::Aaguid& aaguid) override;
  provider::Result<std::vector<provider::Model>> models(const provider::Page& page) override;

  provider::Result<void> add_origin(const provider::RegisteredOrigin& origin,
                                    const provider::Act& act) override;
  provider::Result<void> update_origin(const provider::RegisteredOrigin& origin,
                                       const provider::Act& act) override;
  provider::Result<void> set_origin_status(const Origin& origin, attest::OriginStatus status,
                                           const provider::Act& act) override;
  provider::Result<std::optional<provider::RegisteredOrigin>> origin(const Origin& origin) override;
  provider::Result<std::vector<provider::RegisteredOrigin>> origins(
      const provider::Page& page) override;

  provider::Result<void> revoke_device(const provider::RevokedDevice& device,
                                       const provider::Act& act) override;
  provider::Result<void> restore_device(const SpkiHash& key, const provider::Act& act) override;
  provider::Result<std::optional<provider::RevokedDevice>> device(const SpkiHash& key) override;
  provider::Result<std::vector<provider::RevokedDevice>> devices(
      const provider::Page& page) override;
  provider::Result<std::size_t> revoke_devices(const std::vector<provider::RevokedDevice>& devices,
                                               const provider::Act& act) override;

  provider::Result<provider::Token> add_token(const provider::Token& token,
                                              const provider::Act& act) override;
  provider::Result<void> remove_token(std::string_view name, const provider::Act& act) override;
  provider::Result<std::vector<provider::Token>> tokens() override;
  provider::Result<std::optional<provider::Token>> token_by_hash(const Digest256& hash) override;

  provider::Result<std::vector<provider::AuditEntry>> audit(std::uint64_t after,
                                                            std::size_t limit) override;
  provider::Result<std::uint64_t> last_seq() override;

  provider::Result<void> at_one_moment(
      const std::function<provider::Result<void>()>& work) override;
  provider::Result<std::vector<provider::AuditEntry>> changed_since(std::uint64_t seq) override;
  provider::Result<void> each_model(
      const std::function<void(const provider::Model&)>& visit) override;
  provider::Result<void> each_origin(
      const std::function<void(const Origin&, attest::OriginStatus, const std::string& name)>&
          visit) override;
  provider::Result<void> each_device(const std::function<void(const SpkiHash&)>& visit) override;

  provider::Result<std::vector<provider::Publication>> publications(std::size_t limit) override;
  provider::Result<void> add_publication(const provider::Publication& publication,
                                         std::string_view holder) override;
  provider::Result<bool> take_lease(std::string_view holder, WallTime now, seconds length) override;
  provider::Result<void> give_up_lease(std::string_view holder) override;
  provider::Result<std::optional<provider::Lease>> lease() override;

 private:
  explicit ProviderStore(std::unique_ptr<ProviderDatabase> database);
  std::unique_ptr<ProviderDatabase> database_;
};

}  // namespace latchkey::store
