#include "agent/proof.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "crypto/hash.h"
#include "pki/pki.h"
#include "support/fake_random.h"

namespace latchkey::agent {
namespace {

TEST(Proof, NamesTheAuthorityAndEveryKeyThatMayBeShown) {
  constexpr WallTime kNow{1'800'000'000};
  testing::FakeRandom random;
  const auto host = *HostName::direct("kitchen");
  const auto root = pki::make_user_root(crypto::PrivateKey::generate(), {}, kNow, random).value();
  const auto own = pki::make_grant_ca(root, host, kNow, random).value();
  const auto leaf_key = crypto::PrivateKey::generate();
  grant::AgentGrant grant{.id = GrantId({1}),
                          .profile = ProfileId({2}),
                          .device = DeviceId(Digest256{3}),
                          .origin = std::nullopt,
                          .host = host,
                          .sub = {},
                          .ca_key = own.key,
                          .ca_certificate = own.certificate,
                          .ticket_key = crypto::PrivateKey::generate(),
                          .offer = {},
                          .leaf = {},
                          .not_after = {},
                          .renew_at = {},
                          .port = 443,
                          .state = grant::State::kPending,
                          .created = kNow,
                          .last_used = {},
                          .block_until = {}};
  EXPECT_TRUE(proof_json(grant, {})["keys"].empty());
  grant.leaf = pki::issue_leaf(own, host, leaf_key.public_key(), kNow, random).value();
  const auto proof = proof_json(grant, {});
  EXPECT_EQ(proof["ca"], base64url_encode(crypto::sha256(own.certificate)));
  EXPECT_TRUE(proof["ca_before"].is_null());
  EXPECT_EQ(proof["keys"],
            nlohmann::json::array({base64url_encode(leaf_key.public_key().spki_hash().span())}));

  const SpkiHash older(Digest256{7});
  const SpkiHash newer(Digest256{8});
  const auto waiting = proof_json(grant, {{older, newer}, {Digest256{9}}});
  EXPECT_EQ(waiting["ca_before"], base64url_encode(Digest256{9}));
  ASSERT_EQ(waiting["keys"].size(), 3U);
  EXPECT_EQ(waiting["keys"][1], base64url_encode(newer.span()));
  EXPECT_EQ(waiting["keys"][2], base64url_encode(older.span()));
}

}  // namespace
}  // namespace latchkey::agent
