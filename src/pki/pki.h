// The user's own little certificate authority (docs/protocol.md section 5): a root that may only
// name things under .local, one CA per grant that can name exactly one host, and leaves of 7 days.
//
// Every certificate is validated against the profile before it is signed, and parsed again and
// compared with it field by field afterwards; the same comparison is used for what others show.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/host_name.h"
#include "base/ids.h"
#include "base/random.h"
#include "crypto/keys.h"
#include "pki/known.h"

namespace latchkey::pki {

enum class ErrorCode {
  kMalformed,  // not DER, not our shape
  kBadSignature,
  kKeyReused,     // the key is one the CSR policy forbids
  kWrongProfile,  // a field differs from the template
  kExpired,       // outside its dates
  kInternal,
};
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string detail;
};
template <class T>
using Result = latchkey::Result<T, Error>;

inline constexpr seconds kRootValidity{10LL * 365 * 86400};
inline constexpr seconds kGrantCaValidity{365LL * 86400};
inline constexpr seconds kLeafValidity{7LL * 86400};
inline constexpr seconds kBackdate{3600};
// A leaf with less than this left is renewed.
inline constexpr seconds kRenewBefore{302400};  // 3.5 days

struct Authority {
  crypto::PrivateKey key;
  Bytes certificate;  // DER
};

// `excluded` are subtrees of .local that unicast DNS serves at this place ("corp.local").
Result<Authority> make_user_root(const crypto::PrivateKey& key,
                                 std::span<const std::string> excluded, WallTime now,
                                 Random& random);
Result<Authority> make_grant_ca(const Authority& root, const HostName& host, WallTime now,
                                Random& random);
// The subject's key from a CSR: self-signature holds, P-256, none of `forbidden` (bootstrap,
// attestation, keys of other grants, of CAs). Names and extensions in it are ignored.
Result<crypto::PublicKey> accept_csr(ByteSpan csr, std::span<const SpkiHash> forbidden);
// Never outlives the grant CA.
Result<Bytes> issue_leaf(const Authority& grant_ca, const HostName& host,
                         const crypto::PublicKey& key, WallTime now, Random& random);
Result<Bytes> issue_leaf(const Authority& grant_ca, const HostName& host,
                         const crypto::PublicKey& key, WallTime now, Random& random, Known& known);

// What a checked leaf says.
struct LeafInfo {
  crypto::PublicKey key;
  WallTime not_before;
  WallTime not_after;
};
// Checks leaf and grant CA against the templates for `host`, field by field, and the leaf's
// signature; dates at `now`. `root`: also that it signed the grant CA (the device does not know the
// root and passes nothing). Clock difference up to 5 minutes is allowed on notBefore.
Result<LeafInfo> check_chain(ByteSpan leaf, ByteSpan grant_ca, std::optional<ByteSpan> root,
                             const HostName& host, WallTime now);
Result<LeafInfo> check_chain(ByteSpan leaf, ByteSpan grant_ca, std::optional<ByteSpan> root,
                             const HostName& host, WallTime now, Known& known);
Result<void> check_root(ByteSpan root, WallTime now);
// When a leaf is to be renewed.
WallTime renew_at(const LeafInfo& leaf);

}  // namespace latchkey::pki
