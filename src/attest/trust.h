// Who is real and who is revoked, by what the providers say (docs/protocol.md section 12). Values:
// made anew whenever a provider's metadata changes. Several providers: one that revokes is enough
// to refuse, one that knows is enough to know.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attest/metadata.h"
#include "attest/statement.h"
#include "attest/table.h"

namespace latchkey::attest {

// One provider's accepted metadata with its tables. Immutable.
class Snapshot {
 public:
  // Bytes of a table, and what keeps them there (a mapping).
  struct Held {
    ByteSpan bytes;
    std::shared_ptr<const void> keep;
  };
  // kMalformed where a table's size or count is not as named. Hashes are the caller's to check
  // (check_table), once, when a file arrives or is opened.
  static Result<std::shared_ptr<const Snapshot>> make(Metadata metadata,
                                                      std::array<Held, kTableKinds> tables);
  [[nodiscard]] const Metadata& metadata() const { return metadata_; }
  [[nodiscard]] const Table& table(TableKind kind) const;

 private:
  Snapshot(Metadata metadata, std::array<Held, kTableKinds> held, std::vector<Table> tables)
      : metadata_(std::move(metadata)), held_(std::move(held)), tables_(std::move(tables)) {}
  Metadata metadata_;
  std::array<Held, kTableKinds> held_;
  std::vector<Table> tables_;
};
// Whether `bytes` are the table that `named` names: size and SHA-256.
bool is_named(const TableFile& named, ByteSpan bytes);

// A provider as the agent is configured with it. `snapshot` null: nothing was ever accepted from
// it.
struct ProviderView {
  std::string name;  // as configured, until its metadata says its own
  std::shared_ptr<const Snapshot> snapshot;
  // A newer metadata.jws was accepted whose tables have not all arrived: its `entries` count.
  std::vector<ModelChange> urgent;
};

enum class OriginState { kNoProvider, kUnregistered, kKnown, kSuspended, kRevoked };
struct OriginStanding {
  OriginState state = OriginState::kNoProvider;
  std::string name;      // display name, where a provider gives one
  std::string provider;  // who says so
};
std::string_view name_of(
    OriginState state);  // "none", "unregistered", "known", "suspended", "revoked"

// kUnproven: it showed a proof that no provider's maker stands behind.
enum class DeviceState { kNoProvider, kUnattested, kUnproven, kProven, kRevoked };
struct DeviceStanding {
  DeviceState state = DeviceState::kNoProvider;
  std::string maker, model;  // of kProven and, where known, kRevoked
  std::string type;
  std::optional<ModelStatus> status;
  std::string provider;
};
std::string_view name_of(
    DeviceState state);  // "none", "unattested", "unproven", "proven", "revoked"

// What an administrator demands (policy.h).
struct Policy {
  struct Consent {
    Origin origin;
    std::vector<std::string> types;  // empty: every type
  };
  bool only_registered_origins = false;
  bool only_attested_devices = false;
  std::vector<Consent> consented;
  seconds grace = kDefaultGrace;
};

enum class Freshness { kFresh, kLate, kStale, kNever };  // kLate: within the grace
std::string_view name_of(Freshness freshness);           // "fresh", "late", "stale", "never"

class Trust {
 public:
  Trust() = default;  // no provider
  Trust(std::vector<ProviderView> providers, Policy policy)
      : providers_(std::move(providers)), policy_(std::move(policy)) {}

  [[nodiscard]] OriginStanding origin(const Origin& origin) const;
  // `evidence` null: the device showed none.
  [[nodiscard]] DeviceStanding device(const Evidence* evidence) const;
  [[nodiscard]] Freshness freshness(const ProviderView& provider, WallTime now) const;
  // Whether a *new* grant may be made: the code to refuse with, or nothing. A provider that is
  // stale, or was never read, refuses: what it revoked since is not known. Live grants are judged
  // by origin() and device() alone.
  [[nodiscard]] std::optional<wire::ErrorCode> refuses_origin(const std::optional<Origin>& origin,
                                                              WallTime now) const;
  [[nodiscard]] std::optional<wire::ErrorCode> refuses_device(const Evidence* evidence,
                                                              std::string_view type) const;
  // Whether an administrator has consented for the person.
  [[nodiscard]] bool is_consented(const Origin& origin, std::string_view type) const;
  [[nodiscard]] const std::vector<ProviderView>& providers() const { return providers_; }
  [[nodiscard]] const Policy& policy() const { return policy_; }

 private:
  std::vector<ProviderView> providers_;
  Policy policy_;
};

}  // namespace latchkey::attest
