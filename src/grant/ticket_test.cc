#include "grant/ticket.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "support/fake_random.h"

namespace latchkey::grant {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNow{1'800'000'000};

class TicketTest : public ::testing::Test {
 protected:
  DeviceGrant device_grant() {
    return {.agent = agent_,
            .id = GrantId({1}),
            .origin = Origin::parse("https://video.example"),
            .host = *HostName::parse("media-cache-k3f7x2m7q4ab.local"),
            .sub = "AAAAAAAAAAAAAAAAAAAAAA",
            .ticket_spki = key_.public_key().spki(),
            .offer_digest = {},
            .key = crypto::PrivateKey::generate(),
            .csr = {},
            .leaf = {},
            .grant_ca = {},
            .not_after = {},
            .created = {},
            .next_key = {},
            .next_csr = {}};
  }
  TicketClaims claims() {
    const auto grant = device_grant();
    return {grant.id,
            grant.host,
            grant.origin,
            grant.sub,
            kNow,
            kNow + kTicketLife,
            TicketId::make(random_),
            std::nullopt};
  }
  std::string mint(const TicketClaims& ticket) { return mint_ticket(ticket, key_); }
  // A compact JWS with any header, properly signed.
  std::string with_header(const nlohmann::json& header) {
    const std::string good = mint(claims());
    const std::size_t dot = good.find('.');
    const std::string signed_part =
        base64url_encode(as_bytes(header.dump())) + good.substr(dot, good.rfind('.') - dot);
    return signed_part + "." + base64url_encode(key_.sign_raw(as_bytes(signed_part)));
  }
  TicketError refusal(const std::string& jws) {
    const auto result = gate_.accept(jws, device_grant(), mono_);
    EXPECT_FALSE(result);
    return result ? TicketError::kMalformed : result.error();
  }

  testing::FakeRandom random_;
  crypto::PrivateKey key_ = crypto::PrivateKey::generate();
  SpkiHash agent_{Digest256{7}};
  TicketGate gate_{random_};
  MonoTime mono_{1000};
};

TEST_F(TicketTest, AcceptedOnce) {
  gate_.on_trusted_time(agent_, kNow - 10s, mono_);
  const std::string jws = mint(claims());
  EXPECT_TRUE(gate_.accept(jws, device_grant(), mono_));
  EXPECT_EQ(refusal(jws), TicketError::kReplayed);
}

TEST_F(TicketTest, WithoutTrustedTimeANonceIsAskedFor) {
  EXPECT_EQ(refusal(mint(claims())), TicketError::kNonceRequired);
  auto ticket = claims();
  ticket.nonce = gate_.make_nonce({agent_, ticket.grant}, mono_);
  const std::string jws = mint(ticket);
  EXPECT_TRUE(gate_.accept(jws, device_grant(), mono_));
  EXPECT_EQ(refusal(jws), TicketError::kReplayed);
  auto again = claims();
  again.nonce = ticket.nonce;
  EXPECT_EQ(refusal(mint(again)), TicketError::kNonceRequired) << "a nonce is for one ticket";
  auto late = claims();
  late.nonce = gate_.make_nonce({agent_, late.grant}, mono_);
  const std::string late_jws = mint(late);
  mono_ = mono_ + 5min;
  EXPECT_EQ(refusal(late_jws), TicketError::kNonceRequired);
}

TEST_F(TicketTest, ANonceOfAnotherGrantIsNone) {
  auto ticket = claims();
  ticket.nonce = gate_.make_nonce({agent_, GrantId({9})}, mono_);
  EXPECT_EQ(refusal(mint(ticket)), TicketError::kNonceRequired);
}

// threats.md row 16: a second person chose the id of the first one's grant for his own.
TEST_F(TicketTest, Row16AnotherAgentsGrantOfTheSameIdSharesNothing) {
  auto theirs = device_grant();
  theirs.agent = SpkiHash(Digest256{8});
  auto ticket = claims();
  ticket.nonce = gate_.make_nonce(theirs.grant_key(), mono_);
  EXPECT_EQ(refusal(mint(ticket)), TicketError::kNonceRequired) << "a nonce given to him";
  gate_.on_trusted_time(agent_, kNow - 10s, mono_);
  gate_.on_trusted_time(theirs.agent, kNow - 10s, mono_);
  const std::string used = mint(claims());
  EXPECT_TRUE(gate_.accept(used, device_grant(), mono_));
  gate_.forget(theirs.grant_key());
  EXPECT_EQ(refusal(used), TicketError::kReplayed) << "his grant's end makes no ticket fresh";
  // Nor does he use up what is remembered.
  for (std::size_t i = 0; i < TicketGate::kMaxRememberedPerGrant; ++i) {
    ASSERT_TRUE(gate_.accept(mint(claims()), theirs, mono_));
  }
  EXPECT_TRUE(gate_.accept(mint(claims()), device_grant(), mono_));
}

TEST_F(TicketTest, Row16OneAgentsNoncesPushNobodyElsesOut) {
  auto ticket = claims();
  ticket.nonce = gate_.make_nonce({agent_, ticket.grant}, mono_);
  for (std::size_t i = 0; i < TicketGate::kMaxNonces + 10; ++i) {
    static_cast<void>(gate_.make_nonce({SpkiHash(Digest256{8}), GrantId({1})}, mono_));
  }
  EXPECT_TRUE(gate_.accept(mint(ticket), device_grant(), mono_));
}

TEST_F(TicketTest, TicketsFromBeforeTheStartNeedANonce) {
  gate_.on_trusted_time(agent_, kNow, mono_);
  auto ticket = claims();
  ticket.issued = kNow - 1s;
  ticket.expires = ticket.issued + kTicketLife;
  EXPECT_EQ(refusal(mint(ticket)), TicketError::kNonceRequired);
}

// threats.md row 34: a clock that is wrong, by five minutes and by more.
TEST_F(TicketTest, Row34ClockDifference) {
  gate_.on_trusted_time(agent_, kNow - 1000s, mono_);
  gate_.on_trusted_time(agent_, kNow, mono_);
  auto ticket = claims();
  ticket.issued = kNow + 300s;
  ticket.expires = ticket.issued + 60s;
  EXPECT_TRUE(gate_.accept(mint(ticket), device_grant(), mono_));
  ticket.id = TicketId::make(random_);
  ticket.issued = kNow + 301s;
  EXPECT_EQ(refusal(mint(ticket)), TicketError::kOutOfTime);
  ticket.issued = kNow - 900s;
  ticket.expires = kNow - 300s;
  EXPECT_EQ(refusal(mint(ticket)), TicketError::kOutOfTime);
  ticket.expires = kNow - 299s;
  ticket.issued = ticket.expires - 600s;
  EXPECT_TRUE(gate_.accept(mint(ticket), device_grant(), mono_));
}

TEST_F(TicketTest, LivesTenMinutesAtMost) {
  gate_.on_trusted_time(agent_, kNow - 10s, mono_);
  auto ticket = claims();
  ticket.expires = ticket.issued + kTicketLife + 1s;
  EXPECT_EQ(refusal(mint(ticket)), TicketError::kOutOfTime);
  ticket.expires = ticket.issued;
  EXPECT_EQ(refusal(mint(ticket)), TicketError::kOutOfTime);
}

// threats.md rows 15 and 40: a ticket of another grant, host, origin or person.
TEST_F(TicketTest, Row15EveryClaimMustBeTheGrants) {
  gate_.on_trusted_time(agent_, kNow - 10s, mono_);
  auto ticket = claims();
  ticket.grant = GrantId({2});
  EXPECT_EQ(refusal(mint(ticket)), TicketError::kWrongGrant);
  ticket = claims();
  ticket.host = *HostName::parse("media-cache-aaaaaaaaaaaa.local");
  EXPECT_EQ(refusal(mint(ticket)), TicketError::kWrongGrant);
  ticket = claims();
  ticket.origin = Origin::parse("https://evil.example");
  EXPECT_EQ(refusal(mint(ticket)), TicketError::kWrongGrant);
  ticket = claims();
  ticket.origin.reset();
  EXPECT_EQ(refusal(mint(ticket)), TicketError::kWrongGrant);
  ticket = claims();
  ticket.sub = "BBBBBBBBBBBBBBBBBBBBBB";
  EXPECT_EQ(refusal(mint(ticket)), TicketError::kWrongGrant);
  const auto stranger = crypto::PrivateKey::generate();
  EXPECT_EQ(refusal(mint_ticket(claims(), stranger)), TicketError::kBadSignature);
}

// threats.md row 22: JWS tricks.
TEST_F(TicketTest, Row22HeadersThatChooseAnythingAreRefused) {
  gate_.on_trusted_time(agent_, kNow - 10s, mono_);
  const nlohmann::json good = {
      {"alg", "ES256"}, {"typ", "latchkey+jwt"}, {"kid", GrantId({1}).hex()}};
  EXPECT_TRUE(gate_.accept(with_header(good), device_grant(), mono_));
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, nlohmann::json>>{{"alg", "none"},
                                                           {"alg", "HS256"},
                                                           {"alg", "es256"},
                                                           {"typ", "JWT"},
                                                           {"kid", "x"},
                                                           {"x5c", nlohmann::json::array()},
                                                           {"jwk", nlohmann::json::object()},
                                                           {"crit", nlohmann::json::array()}}) {
    auto header = good;
    header[name] = value;
    EXPECT_EQ(refusal(with_header(header)), TicketError::kMalformed) << header;
  }
  const std::string jws = mint(claims());
  EXPECT_EQ(refusal(jws.substr(0, jws.rfind('.') + 1)), TicketError::kBadSignature);
  EXPECT_EQ(refusal(""), TicketError::kMalformed);
  EXPECT_EQ(refusal(std::string(kMaxTicket + 1, '.')), TicketError::kMalformed);
  const std::string text =
      R"({"alg":"ES256","alg":"ES256","typ":"latchkey+jwt","kid":")" + GrantId({1}).hex() + "\"}";
  const std::string part =
      base64url_encode(as_bytes(text)) + jws.substr(jws.find('.'), jws.rfind('.') - jws.find('.'));
  EXPECT_EQ(refusal(part + "." + base64url_encode(key_.sign_raw(as_bytes(part)))),
            TicketError::kMalformed)
      << "a duplicate name";
}

TEST_F(TicketTest, EveryChangedCharacterIsNoticed) {
  gate_.on_trusted_time(agent_, kNow - 10s, mono_);
  const std::string jws = mint(claims());
  for (std::size_t i = 0; i < jws.size(); i += 7) {
    std::string damaged = jws;
    damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(gate_.accept(damaged, device_grant(), mono_)) << i;
  }
}

TEST_F(TicketTest, MemoryIsBounded) {
  gate_.on_trusted_time(agent_, kNow - 10s, mono_);
  for (std::size_t i = 0; i < TicketGate::kMaxNonces + 10; ++i) {
    static_cast<void>(gate_.make_nonce({agent_, GrantId({1})}, mono_));
  }
  auto ticket = claims();
  ticket.nonce = gate_.make_nonce({agent_, ticket.grant}, mono_);
  EXPECT_TRUE(gate_.accept(mint(ticket), device_grant(), mono_)) << "the newest is there";
}

}  // namespace
}  // namespace latchkey::grant
