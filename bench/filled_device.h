// A device's store with many grants in it, as real as made ones.
#pragma once

#include <cstddef>
#include <filesystem>

#include "base/encoding.h"
#include "crypto/x509.h"
#include "filled_store.h"
#include "store/device_store.h"

namespace latchkey::bench {

inline constexpr std::size_t kGrantsPerAgent = 200;

// Makes the store `folder`/device.db, sealed by file mode, and its witness where the device looks
// for it. The grants are those of people who each have two hundred.
inline void fill_device(const std::filesystem::path& folder, std::size_t count, WallTime now,
                        Random& random) {
  store::FileModeSealer sealer;
  auto store = store::DeviceStore::open(folder, sealer, random);
  LATCHKEY_CHECK(store.has_value());
  LATCHKEY_CHECK((*store)->create_profile(
      {crypto::PrivateKey::generate(), random.bytes<32>(), "Bench", "media-cache"}));
  const auto root = pki::make_user_root(crypto::PrivateKey::generate(), {}, now, random);
  LATCHKEY_CHECK(root.has_value());
  const SecretBytes secret = [&] {
    SecretBytes bytes(32);
    random.fill(bytes.writable());
    return bytes;
  }();
  Maker maker(secret.span(), *root, now, random);
  std::optional<grant::BoundAgent> agent;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % kGrantsPerAgent == 0) {
      const auto key = crypto::PrivateKey::generate().public_key();
      agent = grant::BoundAgent{key.spki_hash(), key.spki(), now, now};
    }
    const Issued one = maker.next();
    grant::DeviceGrant grant{.agent = agent->key_hash,
                             .id = one.grant.id,
                             .origin = one.grant.origin,
                             .host = one.grant.host,
                             .sub = one.grant.sub,
                             .ticket_spki = one.grant.ticket_key.public_key().spki(),
                             .offer_digest = {},
                             .key = one.leaf_key,
                             .csr = crypto::make_csr(one.leaf_key),
                             .leaf = {},
                             .grant_ca = one.grant.ca_certificate,
                             .not_after = {},
                             .state = grant::State::kPending,
                             .confirmed = false,
                             .created = now,
                             .next_key = std::nullopt,
                             .next_csr = {},
                             .suspended = false};
    LATCHKEY_CHECK((*store)->add_pending(*agent, grant));
    grant.leaf = one.grant.leaf;
    grant.not_after = one.grant.not_after;
    grant.state = grant::State::kActive;
    grant.confirmed = true;
    LATCHKEY_CHECK((*store)->update(grant));
  }
  store::FileWitness witness(folder / "witness" / "device");
  (void)(*store)->watch(witness);
  LATCHKEY_CHECK((*store)->accept(witness).has_value());
}

}  // namespace latchkey::bench
