// What a provider keeps, as values, and the interface of where it keeps them. Implemented by
// src/store/provider_store over SOCI (SQLite, PostgreSQL).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/models.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/origin.h"
#include "base/result.h"

namespace latchkey::provider {

enum class ErrorCode {
  kInvalid,  // what was asked for is not possible as it stands (the caller's mistake)
  kNotFound,
  kConflict,     // it is there already, or changed meanwhile
  kForbidden,    // this role may not
  kUnreachable,  // the outside (a web origin, the database) does not answer
  kInternal,
};
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string detail;  // a sentence for an operator
};
template <class T>
using Result = latchkey::Result<T, Error>;

// Who does something, and why: goes into the audit log with every change.
struct Act {
  std::string who;   // 1 to 64 bytes, a token's or a person's name
  std::string role;  // "admin", "registrar", "reviewer", "auditor", or "local" (the command line)
  std::string why;   // 1 to 300 bytes; obligatory for changes of status
  WallTime when;
};

struct Vendor {
  std::int64_t id = 0;
  std::string name;          // unique, for display
  std::string contact;       // e-mail or URL
  std::vector<Bytes> roots;  // DER, of its attestation
  WallTime created;
};
// As FIDO's status reports: newest last.
struct StatusReport {
  attest::ModelStatus status;
  WallTime effective;
  std::string reason;
};
struct Model {
  attest::Aaguid aaguid;
  std::int64_t vendor = 0;
  std::string name;
  std::string type;
  std::vector<Digest256> roots;  // which of the vendor's; empty: all
  std::vector<StatusReport> reports;
  [[nodiscard]] attest::ModelStatus status() const { return reports.back().status; }
};
struct RegisteredOrigin {
  Origin origin;
  std::string name;  // display name
  std::string icon;  // URL on the origin, may be empty
  std::string contact;
  attest::OriginStatus status = attest::OriginStatus::kActive;
  std::string reason;  // of the status
  WallTime since;      // the status
  WallTime checked;    // its well-known file, last
};
struct RevokedDevice {
  SpkiHash key;  // of the attestation key
  std::string reason;
  WallTime since;
};
struct Token {
  std::int64_t id = 0;
  std::string name;
  std::string role;
  Digest256 hash{};  // SHA-256 of the token, which is nowhere else
  WallTime created;
  std::optional<WallTime> expires;
};
// One line of the log. `seq` rises with every change, in the order in which changes became
// visible, without holes that are filled later.
struct AuditEntry {
  std::uint64_t seq = 0;
  Act act;
  std::string action;   // "vendor.add", "origin.status", ...
  std::string subject;  // vendor id, AAGUID, origin, hex of a key, token name
  std::string detail;   // JSON: what it became
};
// What a publication was, to make deltas from it.
struct Publication {
  std::uint64_t no = 0;
  std::uint64_t seq = 0;  // of the last change in it
  WallTime when;
  std::string jws;
};
struct Lease {
  std::string holder;
  WallTime until;
};
struct Page {
  std::string after;        // where the last page ended; empty: from the start
  std::size_t limit = 100;  // 1 to 1000
};

// Every change is one transaction together with its audit entry, durable when it returns a value.
// One thread at a time per object; any number of objects and processes on one PostgreSQL.
class Records {
 public:
  virtual ~Records() = default;

  virtual Result<Vendor> add_vendor(const Vendor& vendor, const Act& act) = 0;  // id is made
  virtual Result<void> change_vendor(const Vendor& vendor, const Act& act) = 0;
  virtual Result<std::vector<Vendor>> vendors() = 0;
  virtual Result<std::optional<Vendor>> vendor(std::int64_t id) = 0;
  virtual Result<std::optional<Vendor>> vendor_named(std::string_view name) = 0;

  virtual Result<void> add_model(const Model& model, const Act& act) = 0;
  virtual Result<void> report_model(const attest::Aaguid& aaguid, const StatusReport& report,
                                    const Act& act) = 0;
  virtual Result<std::optional<Model>> model(const attest::Aaguid& aaguid) = 0;
  virtual Result<std::vector<Model>> models(const Page& page) = 0;  // by AAGUID

  virtual Result<void> add_origin(const RegisteredOrigin& origin, const Act& act) = 0;  // kConflict
  // Name, icon, contact, checked.
  virtual Result<void> update_origin(const RegisteredOrigin& origin, const Act& act) = 0;
  virtual Result<void> set_origin_status(const Origin& origin, attest::OriginStatus status,
                                         const Act& act) = 0;
  virtual Result<std::optional<RegisteredOrigin>> origin(const Origin& origin) = 0;
  virtual Result<std::vector<RegisteredOrigin>> origins(const Page& page) = 0;  // by origin

  virtual Result<void> revoke_device(const RevokedDevice& device, const Act& act) = 0;
  virtual Result<void> restore_device(const SpkiHash& key, const Act& act) = 0;
  virtual Result<std::optional<RevokedDevice>> device(const SpkiHash& key) = 0;
  virtual Result<std::vector<RevokedDevice>> devices(const Page& page) = 0;  // by key
  // Many at once, in one transaction with one audit entry each... of their own kind; for imports.
  virtual Result<std::size_t> revoke_devices(const std::vector<RevokedDevice>& devices,
                                             const Act& act) = 0;

  virtual Result<Token> add_token(const Token& token, const Act& act) = 0;
  virtual Result<void> remove_token(std::string_view name, const Act& act) = 0;
  virtual Result<std::vector<Token>> tokens() = 0;
  virtual Result<std::optional<Token>> token_by_hash(const Digest256& hash) = 0;

  // Oldest first, after `seq`.
  virtual Result<std::vector<AuditEntry>> audit(std::uint64_t after, std::size_t limit) = 0;
  virtual Result<std::uint64_t> last_seq() = 0;

  // --- publishing: everything that a snapshot at one moment holds ---
  // Runs `work` so that all it reads is one moment's; writes in between wait or are not seen.
  virtual Result<void> at_one_moment(const std::function<Result<void>()>& work) = 0;
  // Subjects (of any kind) changed after `seq`, each once, as the entries that name them last.
  virtual Result<std::vector<AuditEntry>> changed_since(std::uint64_t seq) = 0;
  // Everything, in order of the key that the table uses (unordered where that is a hash).
  virtual Result<void> each_model(const std::function<void(const Model&)>& visit) = 0;
  virtual Result<void> each_origin(const std::function<void(const Origin&, attest::OriginStatus,
                                                            const std::string& name)>& visit) = 0;
  virtual Result<void> each_device(const std::function<void(const SpkiHash&)>& visit) = 0;

  // The newest `limit`, newest first. `jws` only of the newest.
  virtual Result<std::vector<Publication>> publications(std::size_t limit) = 0;
  // kConflict where `no` is not above the newest, or the lease is not `holder`'s at `when`.
  virtual Result<void> add_publication(const Publication& publication, std::string_view holder) = 0;
  // Takes or extends the lease: true where it is `holder`'s now. One conditional UPDATE of one row
  // (compare and swap), so that it also holds on databases without advisory locks.
  virtual Result<bool> take_lease(std::string_view holder, WallTime now, seconds length) = 0;
  virtual Result<void> give_up_lease(std::string_view holder) = 0;
  virtual Result<std::optional<Lease>> lease() = 0;
};

}  // namespace latchkey::provider
