// The rules of a provider, over its records: what may be registered, by whom, and which status may
// follow which. The command line and the API do everything through here. Blocks: the records do,
// and so does looking at a web origin.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "provider/ports.h"
#include "provider/records.h"

namespace latchkey::provider {

struct VendorWish {
  std::string name;
  std::string contact;       // mailto: or https:
  std::vector<Bytes> roots;  // DER
};
struct ModelWish {
  attest::Aaguid aaguid;
  std::int64_t vendor = 0;
  std::string name;
  std::string type;
  std::vector<Digest256> roots;  // of the vendor's, by SHA-256; empty: all
  attest::ModelStatus status = attest::ModelStatus::kSelfAssertionSubmitted;
};
struct Imported {
  Vendor vendor;
  bool vendor_is_new = false;
  std::size_t roots_added = 0;
  std::size_t models_added = 0;
  std::size_t models_known = 0;
};

inline constexpr std::size_t kMaxImport = 1048576;

class Registry {
 public:
  // Both must outlive it. `well_known` is asked only where an origin is registered or checked.
  Registry(Records& records, WellKnown& well_known) : records_(records), well_known_(well_known) {}

  Result<Vendor> add_vendor(const VendorWish& wish, const Act& act);
  // Adds to what it has: nothing that was published under a root is lost by it.
  Result<Vendor> add_vendor_roots(std::int64_t vendor, const std::vector<Bytes>& roots,
                                  const Act& act);
  // What `latchkey-maker export` writes. Safe to repeat: adds what is missing. kConflict where it
  // names a model of another vendor.
  //
  // `add_roots`: somebody has made sure that new roots for a vendor that is known already are its
  // own; else they are kConflict, for whoever brings a root of his own under another's name would
  // be that vendor from then on.
  Result<Imported> import_vendor(std::string_view text, bool add_roots, const Act& act);

  Result<Model> add_model(const ModelWish& wish, const Act& act);
  // The reason is act.why. `effective`: now where nothing is said; not in the future.
  Result<void> set_model_status(const attest::Aaguid& aaguid, attest::ModelStatus status,
                                std::optional<WallTime> effective, const Act& act);

  // Looks at the origin's own file first.
  Result<RegisteredOrigin> register_origin(const Origin& origin, const Act& act);
  Result<RegisteredOrigin> check_origin(const Origin& origin, const Act& act);
  Result<void> set_origin_status(const Origin& origin, attest::OriginStatus status, const Act& act);

  // The reason is act.why.
  Result<void> revoke_device(const SpkiHash& key, const Act& act);
  Result<void> restore_device(const SpkiHash& key, const Act& act);
  // Gives how many were not revoked before.
  Result<std::size_t> revoke_devices(const std::vector<SpkiHash>& keys, const Act& act);

 private:
  Records& records_;
  WellKnown& well_known_;
};

// Whether a status may follow another. To the same: no.
bool may_follow(attest::OriginStatus from, attest::OriginStatus to);
bool may_follow(attest::ModelStatus from, attest::ModelStatus to);

}  // namespace latchkey::provider
