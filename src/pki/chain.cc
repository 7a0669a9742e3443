#include "pki/profile.h"

namespace latchkey::pki {
namespace {

constexpr seconds kClockDifference{300};

// Fields that the issuer chooses freely are taken over; all others must be the template's.
bool fits(const crypto::CertificateFields& actual, crypto::CertificateFields expected) {
  expected.serial = actual.serial;
  return actual == expected;
}

bool within_dates(const crypto::CertificateFields& fields, WallTime now) {
  return now + kClockDifference >= fields.not_before && now < fields.not_after;
}

bool no_longer_than(const crypto::CertificateFields& fields, seconds validity) {
  return fields.not_after - fields.not_before <= validity + kBackdate;
}

Result<void> check_root(ByteSpan root, WallTime now, Known& known) {
  const auto parsed = known.parse(root);
  if (!parsed) {
    return fail(Error{ErrorCode::kMalformed, "a root that fits no template"});
  }
  const auto& fields = parsed->fields;
  const Dates dates{fields.not_before, fields.not_after};
  if (!fits(fields, root_profile(parsed->key, fields.excluded_dns, dates)) ||
      !no_longer_than(fields, kRootValidity)) {
    return fail(Error{ErrorCode::kWrongProfile, "not a user root"});
  }
  if (!known.is_signed(root, parsed->key)) {
    return fail(Error{ErrorCode::kBadSignature, "the root's signature does not hold"});
  }
  if (!within_dates(fields, now)) {
    return fail(Error{ErrorCode::kExpired, "the user root is outside its dates"});
  }
  return {};
}

}  // namespace

Result<void> check_root(ByteSpan root, WallTime now) {
  Known known;
  return check_root(root, now, known);
}

Result<LeafInfo> check_chain(ByteSpan leaf, ByteSpan grant_ca, std::optional<ByteSpan> root,
                             const HostName& host, WallTime now) {
  Known known;
  return check_chain(leaf, grant_ca, root, host, now, known);
}

Result<LeafInfo> check_chain(ByteSpan leaf, ByteSpan grant_ca, std::optional<ByteSpan> root,
                             const HostName& host, WallTime now, Known& known) {
  const auto parsed_ca = known.parse(grant_ca);
  const auto parsed_leaf = known.parse(leaf);
  if (!parsed_ca || !parsed_leaf) {
    return fail(Error{ErrorCode::kMalformed, "a certificate that fits no template"});
  }
  const auto& ca = parsed_ca->fields;
  const auto& end = parsed_leaf->fields;
  // The device does not know the root: whose key identifier it is cannot be judged there.
  Bytes root_key_id = ca.authority_key_id;
  if (root) {
    const auto parsed_root = known.parse(*root);
    if (auto usable = check_root(*root, now, known); !usable || !parsed_root) {
      return fail(usable ? Error{ErrorCode::kMalformed, "no root"} : usable.error());
    }
    root_key_id = crypto::key_identifier(parsed_root->key);
    if (!known.is_signed(grant_ca, parsed_root->key)) {
      return fail(Error{ErrorCode::kBadSignature, "the grant's CA is not under this root"});
    }
  }
  const Dates ca_dates{ca.not_before, ca.not_after};
  const Dates leaf_dates{end.not_before, end.not_after};
  if (!fits(ca, grant_ca_profile(parsed_ca->key, root_key_id, host, ca_dates)) ||
      ca.authority_key_id.size() != 20 || !no_longer_than(ca, kGrantCaValidity)) {
    return fail(Error{ErrorCode::kWrongProfile, "not the CA of a grant for this host"});
  }
  if (!fits(end, leaf_profile(parsed_leaf->key, crypto::key_identifier(parsed_ca->key), host,
                              leaf_dates)) ||
      !no_longer_than(end, kLeafValidity) || parsed_leaf->key == parsed_ca->key) {
    return fail(Error{ErrorCode::kWrongProfile, "not a leaf for this host"});
  }
  if (!known.is_signed(leaf, parsed_ca->key)) {
    return fail(Error{ErrorCode::kBadSignature, "the leaf is not of this CA"});
  }
  if (!within_dates(ca, now) || !within_dates(end, now)) {
    return fail(Error{ErrorCode::kExpired, "outside its dates"});
  }
  return LeafInfo{parsed_leaf->key, end.not_before, end.not_after};
}

WallTime renew_at(const LeafInfo& leaf) {
  return leaf.not_after - kRenewBefore;
}

}  // namespace latchkey::pki
