// `metadata.jws`: what a provider signs (docs/protocol.md section 12). A compact JWS (RFC 7515),
// ES256, whose header is exactly {alg, typ: "latchkey-metadata+jwt", x5c}, over
//
//   {"legalHeader": text, "no": N, "nextUpdate": "YYYY-MM-DD", "entries": [FIDO-like, newest
//   first],
//    "latchkey": {"v": 1, "name": text, "published": time,
//      "tables": {"models": Table, "roots": Table, "origins": Table, "devices": Table}}}
//   Table: {"file": name, "sha256": base64url, "size": N, "count": N,
//           "deltas": [{"from": base64url SHA-256, "file": name, "sha256": base64url, "size": N}]}
//   entry: {"aaguid": text, "metadataStatement": {"description": text},
//           "statusReports": [{"status": text, "effectiveDate": "YYYY-MM-DD"}],
//           "timeOfLastStatusChange": "YYYY-MM-DD"}
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attest/models.h"
#include "attest/table.h"
#include "base/clock.h"
#include "crypto/chain.h"
#include "crypto/keys.h"
#include "crypto/x509.h"

namespace latchkey::attest {

inline constexpr std::size_t kMaxMetadata = 262144;
inline constexpr std::size_t kMaxHeaderText = 49152;  // of a JWS: kMaxChain certificates
inline constexpr std::size_t kMaxEntries = 100;
inline constexpr std::string_view kMetadataType = "latchkey-metadata+jwt";
inline constexpr std::size_t kMaxDeltas = 40;    // per table
inline constexpr std::size_t kMaxFileName = 80;  // [a-z0-9.-], no leading dot
inline constexpr std::string_view kMetadataFile = "metadata.jws";
inline constexpr seconds kDefaultGrace{14LL * 86400};

struct DeltaFile {
  Digest256 from{};
  std::string file;
  Digest256 sha256{};
  std::uint64_t size = 0;
};
struct TableFile {
  std::string file;
  Digest256 sha256{};
  std::uint64_t size = 0;
  std::uint64_t count = 0;
  std::vector<DeltaFile> deltas;
};
struct ModelChange {
  Aaguid aaguid;
  ModelStatus status;
  std::string description;
  WallTime effective;
};
struct Metadata {
  std::uint64_t no = 0;  // 1 to 2^53 - 1
  WallTime next_update;  // the end of that day, UTC
  WallTime published;
  std::string name;  // the provider's, for display
  std::vector<ModelChange> entries;
  std::array<TableFile, kTableKinds> tables;  // see table()

  [[nodiscard]] const TableFile& table(TableKind kind) const {
    return tables.at(static_cast<std::size_t>(kind) - 1);
  }
  [[nodiscard]] TableFile& table(TableKind kind) {
    return tables.at(static_cast<std::size_t>(kind) - 1);
  }
};

// The payload as it is signed. CHECKs the limits that the publisher has to keep but the size:
// kTooLarge.
Result<std::string> encode_metadata(const Metadata& metadata);
// `x5c`: the signing key's certificate first, without the root. CHECKs that the first is the key's.
std::string sign_metadata(std::string_view payload, const crypto::PrivateKey& key,
                          std::span<const Bytes> x5c);

struct SignedMetadata {
  Metadata metadata;
  WallTime signer_not_before;
};
// Checks the chain to one of `anchors` (DER) at `now`, the signature, then the payload. Anything
// that could be read in two ways is kMalformed.
Result<SignedMetadata> verify_metadata(std::string_view jws, std::span<const Bytes> anchors,
                                       WallTime now);

// The payload of a page whose signature nobody checks: for a publisher's own pages, on its own
// disk.
Result<Metadata> peek_metadata(std::string_view jws);
// Whether a page of one's own says that it is signed with this certificate (DER).
bool is_signed_with(std::string_view jws, ByteSpan certificate);

// What an agent has accepted before: nothing older is accepted again.
struct Floor {
  std::uint64_t no = 0;
  WallTime signer_not_before;
  friend bool operator==(const Floor&, const Floor&) = default;
};
// What two that accepted pages of one provider have accepted together.
Floor higher(const Floor& a, const Floor& b);
// kRolledBack where it is not newer. The same `no` is not newer.
Result<Floor> raise(const Floor& floor, const SignedMetadata& candidate);

// "YYYY-MM-DD", UTC.
std::string date_text(WallTime time);
std::optional<WallTime> parse_date(std::string_view text);  // its first second

}  // namespace latchkey::attest
