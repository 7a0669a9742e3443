// An agent's store with many grants in it, as real as made ones: keys, CAs, leaves.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/result.h"
#include "crypto/keys.h"
#include "grant/grant.h"
#include "pki/pki.h"
#include "store/agent_store.h"
#include "store/sealer.h"
#include "store/witness.h"

namespace latchkey::bench {

struct Issued {
  grant::Binding binding;
  grant::AgentGrant grant;
  crypto::PrivateKey leaf_key;  // the device's
};

inline constexpr std::size_t kGrantsPerDevice = 100;

// Grants of one person for media caches, a hundred on each device, made at `now` and not due.
class Maker {
 public:
  Maker(ByteSpan user_secret, pki::Authority root, WallTime now, Random& random)
      : user_secret_(user_secret), root_(std::move(root)), now_(now), random_(random) {}

  Issued next() {
    const std::size_t number = made_++;
    if (number % kGrantsPerDevice == 0) {
      const auto boot = crypto::PrivateKey::generate();
      binding_ = grant::Binding{.device = DeviceId(boot.public_key().spki_hash().bytes()),
                                .boot_spki = boot.public_key().spki(),
                                .management_key = crypto::PrivateKey::generate(),
                                .discovery_key = random_.bytes<32>(),
                                .name = "Living room cache",
                                .type = "media-cache",
                                .model = {},
                                .firmware = {},
                                .address = {},
                                .port = 0,
                                .bound_at = now_,
                                .reset = false};
    }
    const auto origin = Origin::parse("https://site" + std::to_string(number) + ".example");
    const HostName host =
        grant::pairwise_host(user_secret_, "media-cache", profile_, *origin, binding_->device);
    const auto authority = pki::make_grant_ca(root_, host, now_, random_);
    const auto leaf_key = crypto::PrivateKey::generate();
    const auto leaf = pki::issue_leaf(*authority, host, leaf_key.public_key(), now_, random_);
    LATCHKEY_CHECK(leaf.has_value());
    // No check-in is owed: made two days ago.
    grant::AgentGrant grant{.id = GrantId::make(random_),
                            .profile = profile_,
                            .device = binding_->device,
                            .origin = origin,
                            .host = host,
                            .sub = "subject",
                            .ca_key = authority->key,
                            .ca_certificate = authority->certificate,
                            .ticket_key = crypto::PrivateKey::generate(),
                            .offer = {},
                            .leaf = *leaf,
                            .not_after = now_ + pki::kLeafValidity,
                            .renew_at = now_ + pki::kLeafValidity - pki::kRenewBefore,
                            .port = 8443,
                            .state = grant::State::kPending,
                            .created = now_ - seconds(2L * 86400),
                            .last_used = {},
                            .block_until = {}};
    return {*binding_, std::move(grant), leaf_key};
  }

 private:
  ByteSpan user_secret_;
  pki::Authority root_;
  WallTime now_;
  Random& random_;
  ProfileId profile_ = ProfileId::make(random_);
  std::optional<grant::Binding> binding_;
  std::size_t made_ = 0;
};

// Makes the store `folder`/agent.db, sealed by file mode, and its witness.
inline std::vector<Issued> fill(const std::filesystem::path& folder,
                                const std::filesystem::path& witnesses, std::size_t count,
                                WallTime now, Random& random) {
  store::FileModeSealer sealer;
  auto store = store::AgentStore::open(folder, sealer, random);
  LATCHKEY_CHECK(store.has_value());
  const auto root_key = crypto::PrivateKey::generate();
  const auto root = pki::make_user_root(root_key, {}, now, random);
  LATCHKEY_CHECK(root.has_value());
  store::User user{SecretBytes(32), root_key, root->certificate, now};
  random.fill(user.secret.writable());
  LATCHKEY_CHECK(store->create_user(user).has_value());
  Maker maker(user.secret.span(), *root, now, random);
  std::vector<Issued> filled;
  for (std::size_t i = 0; i < count; ++i) {
    filled.push_back(maker.next());
    const Issued& one = filled.back();
    LATCHKEY_CHECK(store->save_issued(one.binding, one.grant, now).has_value());
    LATCHKEY_CHECK(store->activate(one.grant.id, one.grant.port).has_value());
  }
  store::FileWitness witness(witnesses / hex_encode(store->id()));
  (void)store->watch(witness);
  LATCHKEY_CHECK(store->accept(witness).has_value());
  return filled;
}

}  // namespace latchkey::bench
