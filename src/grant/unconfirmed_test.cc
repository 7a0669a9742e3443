#include "grant/unconfirmed.h"

#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "pki/pki.h"
#include "support/fake_random.h"

namespace latchkey::grant {
namespace {

constexpr WallTime kNow{1'800'000'000};

class UnconfirmedTest : public ::testing::Test {
 protected:
  crypto::PrivateKey key() { return crypto::PrivateKey::generate(); }
  pki::Authority authority() { return pki::make_grant_ca(root_, host_, kNow, random_).value(); }
  // As the desk stores it before it is sent: due, because nobody has it yet.
  AgentGrant renewed(AgentGrant grant, const crypto::PrivateKey& leaf) {
    const pki::Authority own{grant.ca_key, grant.ca_certificate};
    grant.leaf = pki::issue_leaf(own, host_, leaf.public_key(), kNow, random_).value();
    grant.renew_at = kNow;
    return grant;
  }
  static AgentGrant delivered(AgentGrant grant) {
    grant.renew_at = kNow + seconds(300'000);
    return grant;
  }
  AgentGrant first() {
    const pki::Authority own = authority();
    AgentGrant grant{.id = GrantId({1}),
                     .profile = ProfileId({2}),
                     .device = DeviceId(Digest256{3}),
                     .origin = std::nullopt,
                     .host = host_,
                     .sub = {},
                     .ca_key = own.key,
                     .ca_certificate = own.certificate,
                     .ticket_key = key(),
                     .offer = {},
                     .leaf = {},
                     .not_after = {},
                     .renew_at = {},
                     .port = 443,
                     .state = State::kActive,
                     .created = kNow,
                     .last_used = {},
                     .block_until = {}};
    return delivered(renewed(grant, keys_[0]));
  }
  SpkiHash hash(int n) { return keys_[static_cast<std::size_t>(n)].public_key().spki_hash(); }

  testing::FakeRandom random_;
  HostName host_ = *HostName::direct("kitchen");
  pki::Authority root_ =
      pki::make_user_root(crypto::PrivateKey::generate(), {}, kNow, random_).value();
  std::vector<crypto::PrivateKey> keys_{key(), key(), key(), key(), key(), key(), key()};
};

TEST_F(UnconfirmedTest, TheKeyBeforeStaysUntilTheDeviceHasTheNewOne) {
  const AgentGrant before = first();
  const AgentGrant after = renewed(before, keys_[1]);
  const auto waiting = carry_over({}, before, after);
  EXPECT_EQ(waiting.keys, std::vector{hash(0)});
  EXPECT_TRUE(waiting.authorities.empty());
  // The same again, or only its port: still nobody knows.
  EXPECT_EQ(carry_over(waiting, after, renewed(after, keys_[1])).keys, std::vector{hash(0)});
  AgentGrant moved = after;
  moved.port = 8443;
  EXPECT_EQ(carry_over(waiting, after, moved).keys, std::vector{hash(0)});
  EXPECT_TRUE(carry_over(waiting, after, delivered(after)).empty());
}

TEST_F(UnconfirmedTest, OneAfterTheOtherThatNobodyHeardOf) {
  AgentGrant grant = first();
  Unconfirmed waiting;
  for (std::size_t i = 1; i < 7; ++i) {
    AgentGrant next = renewed(grant, keys_[i]);
    waiting = carry_over(waiting, grant, next);
    grant = next;
  }
  EXPECT_EQ(waiting.keys, (std::vector{hash(2), hash(3), hash(4), hash(5)}));
}

TEST_F(UnconfirmedTest, AnAuthorityThatRollsOverIsKeptToo) {
  const AgentGrant before = first();
  AgentGrant after = before;
  const pki::Authority next = authority();
  after.ca_key = next.key;
  after.ca_certificate = next.certificate;
  after = renewed(after, keys_[1]);
  const auto waiting = carry_over({}, before, after);
  EXPECT_EQ(waiting.authorities, std::vector{crypto::sha256(before.ca_certificate)});
  EXPECT_EQ(waiting.keys, std::vector{hash(0)});
  EXPECT_TRUE(carry_over(waiting, after, delivered(after)).empty());

  const auto again = decode_unconfirmed(encode(waiting));
  EXPECT_EQ(again.keys, waiting.keys);
  EXPECT_EQ(again.authorities, waiting.authorities);
}

TEST_F(UnconfirmedTest, TextThatIsWrongSaysNothing) {
  for (const std::string_view text :
       {"", "\n\n", "key", "key ", "key 00", "authority zz\nkey \n", "x"}) {
    EXPECT_TRUE(decode_unconfirmed(text).empty()) << text;
  }
  std::string many;
  for (char c = '0'; c <= '9'; ++c) {
    many += "key " + std::string(64, c) + "\n";
  }
  EXPECT_EQ(decode_unconfirmed(many).keys.size(), kMaxUnconfirmed);
}

}  // namespace
}  // namespace latchkey::grant
