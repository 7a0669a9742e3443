#include <algorithm>

#include "pki/profile.h"

namespace latchkey::pki {

Result<Authority> make_user_root(const crypto::PrivateKey& key,
                                 std::span<const std::string> excluded, WallTime now,
                                 Random& random) {
  const auto fields =
      root_profile(key.public_key(), excluded, {now - kBackdate, now + kRootValidity});
  auto der = sign_checked(fields, key.public_key(), key, random);
  if (!der) {
    return fail(der.error());
  }
  return Authority{key, std::move(*der)};
}

Result<Authority> make_grant_ca(const Authority& root, const HostName& host, WallTime now,
                                Random& random) {
  // The root is this user's own, so its signature was made here; what counts is that key and
  // certificate belong together, and the dates.
  const auto parsed = crypto::parse_certificate(root.certificate);
  if (!parsed || !(parsed->key == root.key.public_key()) || parsed->fields.ca_path_length != 1) {
    return fail(Error{ErrorCode::kWrongProfile, "not the user root of this key"});
  }
  if (now < parsed->fields.not_before || now >= parsed->fields.not_after) {
    return fail(Error{ErrorCode::kExpired, "the user root is outside its dates"});
  }
  const auto key = crypto::PrivateKey::generate();
  const auto fields =
      grant_ca_profile(key.public_key(), crypto::key_identifier(root.key.public_key()), host,
                       {now - kBackdate, now + kGrantCaValidity});
  auto der = sign_checked(fields, key.public_key(), root.key, random);
  if (!der) {
    return fail(der.error());
  }
  return Authority{key, std::move(*der)};
}

Result<crypto::PublicKey> accept_csr(ByteSpan csr, std::span<const SpkiHash> forbidden) {
  auto key = crypto::verify_csr(csr);
  if (!key) {
    return fail(from_crypto(key.error()));
  }
  if (std::find(forbidden.begin(), forbidden.end(), key->spki_hash()) != forbidden.end()) {
    return fail(Error{ErrorCode::kKeyReused, "the key has another use already"});
  }
  return std::move(*key);
}

Result<Bytes> issue_leaf(const Authority& grant_ca, const HostName& host,
                         const crypto::PublicKey& key, WallTime now, Random& random) {
  Known known;
  return issue_leaf(grant_ca, host, key, now, random, known);
}

Result<Bytes> issue_leaf(const Authority& grant_ca, const HostName& host,
                         const crypto::PublicKey& key, WallTime now, Random& random, Known& known) {
  const auto ca = known.parse(grant_ca.certificate);
  if (!ca || !(ca->key == grant_ca.key.public_key()) ||
      ca->fields.permitted_dns != std::vector<std::string>{host.text()}) {
    return fail(Error{ErrorCode::kWrongProfile, "this CA is for another host"});
  }
  if (now < ca->fields.not_before || now >= ca->fields.not_after) {
    return fail(Error{ErrorCode::kExpired, "the grant's CA is outside its dates"});
  }
  const WallTime not_after = std::min(now + kLeafValidity, ca->fields.not_after);
  const auto fields = leaf_profile(key, crypto::key_identifier(grant_ca.key.public_key()), host,
                                   {now - kBackdate, not_after});
  return sign_checked(fields, key, grant_ca.key, random, &known);
}

}  // namespace latchkey::pki
