#include "attest/trust.h"

#include <algorithm>

#include "crypto/chain.h"
#include "crypto/hash.h"

namespace latchkey::attest {
namespace {

template <std::size_t N>
ByteSpan span_of(const ByteArray<N>& bytes) {
  return bytes;
}

// The provider's own name once it has said it.
const std::string& name_of_provider(const ProviderView& provider) {
  return provider.snapshot != nullptr ? provider.snapshot->metadata().name : provider.name;
}

OriginState state_of(std::uint8_t status) {
  switch (static_cast<OriginStatus>(status)) {
    case OriginStatus::kActive:
      return OriginState::kKnown;
    case OriginStatus::kSuspended:
      return OriginState::kSuspended;
    case OriginStatus::kRevoked:
      break;
  }
  return OriginState::kRevoked;  // also a status of a later version: nothing we know to trust
}

// What one provider says of a web service.
OriginStanding origin_at(const ProviderView& provider, const Origin& origin) {
  OriginStanding standing{OriginState::kUnregistered, {}, {}};
  if (provider.snapshot == nullptr) {
    return standing;
  }
  const auto record =
      provider.snapshot->table(TableKind::kOrigins).find(span_of(origin_key(origin)));
  if (record) {
    standing = {state_of(record->status), std::string(as_text(record->blob)),
                name_of_provider(provider)};
  }
  return standing;
}

// A change that a newer page brings before its tables are there. Only a revocation counts ahead of
// them: what lifts one waits until the whole is known.
bool is_revoked_urgently(const ProviderView& provider, const Aaguid& aaguid) {
  // Newest first: the first that names the model is what holds.
  const auto found =
      std::find_if(provider.urgent.begin(), provider.urgent.end(),
                   [&](const ModelChange& change) { return change.aaguid == aaguid; });
  return found != provider.urgent.end() && is_revoked(found->status);
}

// The certificates that the provider names as this model's roots, taken for what they hash to.
std::vector<Bytes> roots_of(const Snapshot& snapshot, const ModelInfo& info) {
  std::vector<Bytes> roots;
  for (const Digest256& hash : info.roots) {
    const auto record = snapshot.table(TableKind::kRoots).find(ByteSpan(hash).first(16));
    if (record && crypto::sha256(record->blob) == hash) {
      roots.push_back(to_bytes(record->blob));
    }
  }
  return roots;
}

DeviceStanding device_at(const ProviderView& provider, const Evidence& evidence) {
  DeviceStanding standing{DeviceState::kUnproven, {}, {}, {}, {}, {}};
  if (is_revoked_urgently(provider, evidence.aaguid)) {
    standing.state = DeviceState::kRevoked;
    standing.provider = name_of_provider(provider);
  }
  if (provider.snapshot == nullptr) {
    return standing;
  }
  const Snapshot& snapshot = *provider.snapshot;
  const bool leaked =
      snapshot.table(TableKind::kDevices).find(span_of(device_key(evidence.key))).has_value();
  const auto record = snapshot.table(TableKind::kModels).find(evidence.aaguid.span());
  const auto info = record ? decode_model(record->blob)
                           : Result<ModelInfo>(fail(Error{ErrorCode::kMalformed, {}}));
  // The AAGUID counts only under a root that the metadata lists for it. As of when it was proved:
  // a maker's certificate that has run out since does not take a device away.
  const bool genuine =
      info && crypto::verify_chain(evidence.x5c, roots_of(snapshot, *info), evidence.proved);
  if (genuine) {
    standing.maker = info->maker;
    standing.model = info->model;
    standing.type = info->type;
    standing.status = static_cast<ModelStatus>(record->status);
    standing.provider = name_of_provider(provider);
  }
  const bool bad_status = record && (record->status < 1 || record->status > 6 ||
                                     is_revoked(static_cast<ModelStatus>(record->status)));
  if (leaked || bad_status) {
    standing.state = DeviceState::kRevoked;
    standing.provider = name_of_provider(provider);
  } else if (genuine && standing.state != DeviceState::kRevoked) {
    standing.state = DeviceState::kProven;
  }
  return standing;
}

}  // namespace

bool is_named(const TableFile& named, ByteSpan bytes) {
  return bytes.size() == named.size && crypto::sha256(bytes) == named.sha256;
}

Result<std::shared_ptr<const Snapshot>> Snapshot::make(Metadata metadata,
                                                       std::array<Held, kTableKinds> tables) {
  std::vector<Table> opened;
  for (std::size_t i = 0; i < kTableKinds; ++i) {
    const auto kind = static_cast<TableKind>(i + 1);
    auto table = Table::open(tables.at(i).bytes, kind);
    if (!table) {
      return fail(table.error());
    }
    const TableFile& named = metadata.table(kind);
    if (table->bytes().size() != named.size || table->count() != named.count) {
      return fail(Error{ErrorCode::kWrongHash,
                        std::string(name_of(kind)) + " table: not of the size that was named"});
    }
    opened.push_back(*std::move(table));
  }
  return std::shared_ptr<const Snapshot>(
      new Snapshot(std::move(metadata), std::move(tables), std::move(opened)));
}

const Table& Snapshot::table(TableKind kind) const {
  return tables_.at(static_cast<std::size_t>(kind) - 1);
}

std::string_view name_of(OriginState state) {
  static constexpr std::array<std::string_view, 5> kNames = {"none", "unregistered", "known",
                                                             "suspended", "revoked"};
  return kNames.at(static_cast<std::size_t>(state));
}
std::string_view name_of(DeviceState state) {
  static constexpr std::array<std::string_view, 5> kNames = {"none", "unattested", "unproven",
                                                             "proven", "revoked"};
  return kNames.at(static_cast<std::size_t>(state));
}
std::string_view name_of(Freshness freshness) {
  static constexpr std::array<std::string_view, 4> kNames = {"fresh", "late", "stale", "never"};
  return kNames.at(static_cast<std::size_t>(freshness));
}

// Both enumerations ascend in what wins where providers differ: known over unknown, revoked over
// all.
OriginStanding Trust::origin(const Origin& origin) const {
  OriginStanding strongest;
  for (const ProviderView& provider : providers_) {
    OriginStanding one = origin_at(provider, origin);
    if (one.state > strongest.state) {
      if (one.name.empty()) {
        one.name = strongest.name;
      }
      strongest = std::move(one);
    }
  }
  return strongest;
}

DeviceStanding Trust::device(const Evidence* evidence) const {
  DeviceStanding strongest;
  if (providers_.empty()) {
    return strongest;
  }
  strongest.state = DeviceState::kUnattested;
  for (const ProviderView& provider : providers_) {
    if (evidence == nullptr) {
      break;
    }
    DeviceStanding one = device_at(provider, *evidence);
    if (one.state > strongest.state) {
      strongest = std::move(one);
    }
  }
  return strongest;
}

Freshness Trust::freshness(const ProviderView& provider, WallTime now) const {
  if (provider.snapshot == nullptr) {
    return Freshness::kNever;
  }
  const WallTime due = provider.snapshot->metadata().next_update;
  if (now < due) {
    return Freshness::kFresh;
  }
  return now < due + policy_.grace ? Freshness::kLate : Freshness::kStale;
}

std::optional<wire::ErrorCode> Trust::refuses_origin(const std::optional<Origin>& origin,
                                                     WallTime now) const {
  using wire::ErrorCode;
  const OriginState state = origin ? this->origin(*origin).state : OriginState::kKnown;
  if (state == OriginState::kRevoked || state == OriginState::kSuspended) {
    return ErrorCode::kOriginRevoked;
  }
  for (const ProviderView& provider : providers_) {
    const Freshness freshness = this->freshness(provider, now);
    if (freshness == Freshness::kStale || freshness == Freshness::kNever) {
      return ErrorCode::kMetadataStale;
    }
  }
  if (policy_.only_registered_origins && state != OriginState::kKnown) {
    return ErrorCode::kNotAllowed;
  }
  return std::nullopt;
}

std::optional<wire::ErrorCode> Trust::refuses_device(const Evidence* evidence,
                                                     std::string_view type) const {
  using wire::ErrorCode;
  const DeviceStanding standing = device(evidence);
  if (standing.state == DeviceState::kRevoked) {
    return ErrorCode::kDeviceRevoked;
  }
  // A genuine model that passes itself off as another kind of device.
  if (standing.state == DeviceState::kProven && standing.type != type) {
    return ErrorCode::kAttestationFailed;
  }
  if (policy_.only_attested_devices && standing.state != DeviceState::kProven) {
    return ErrorCode::kAttestationFailed;
  }
  return std::nullopt;
}

bool Trust::is_consented(const Origin& origin, std::string_view type) const {
  return std::any_of(
      policy_.consented.begin(), policy_.consented.end(), [&](const Policy::Consent& consent) {
        return consent.origin == origin &&
               (consent.types.empty() ||
                std::find(consent.types.begin(), consent.types.end(), type) != consent.types.end());
      });
}

}  // namespace latchkey::attest
