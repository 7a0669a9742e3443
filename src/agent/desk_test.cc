// The agent's desk against the device's real core, in memory.
#include "agent/desk.h"

#include <gtest/gtest.h>

#include <deque>

#include "agent/listing.h"
#include "agent/upkeep.h"
#include "crypto/x509.h"
#include "enroll/device.h"
#include "enroll/session.h"
#include "support/fake_random.h"
#include "support/memory_device_ledger.h"
#include "support/memory_records.h"
#include "support/memory_window_ledger.h"
#include "support/standing_trust.h"

namespace latchkey::agent {
namespace {

using namespace std::chrono_literals;
using wire::ErrorCode;

const Origin kVideo = *Origin::parse("https://video.example");
const Origin kPhotos = *Origin::parse("https://photos.example");
const ProfileId kProfile = *ProfileId::parse("00112233445566778899aabbccddeeff");
// By then every grant is due, whatever its own time.
constexpr seconds kRenewalDue = pki::kLeafValidity - pki::kRenewBefore + kRenewSpread;
const ProfileId kOther = *ProfileId::parse("ff112233445566778899aabbccddeeff");

class DeskTest : public ::testing::Test {
 protected:
  DeskTest() : window_(window_ledger_, clock_.mono) {}

  Wish wish(const Origin& origin = kVideo, const ProfileId& profile = kProfile) {
    return {profile, origin, "media-cache", std::nullopt};
  }

  // A whole pairing with a code, frame by frame.
  std::optional<GrantId> pair(const Wish& what) {
    EXPECT_TRUE(window_.open(testing::window_secret(code_), 10min, clock_.mono));
    PairingDesk desk(desk_, what);
    enroll::AgentSession agent(desk, random_, channel_, device_id(), std::nullopt);
    enroll::DeviceSession device(window_, device_grants_, identity_, random_, channel_,
                                 clock_.mono);
    std::optional<GrantId> made;
    std::deque<std::pair<bool, Bytes>> frames;
    const std::function<void(std::vector<enroll::AgentEffect>)> take =
        [&](std::vector<enroll::AgentEffect> effects) {
          for (auto& effect : effects) {
            if (auto* send = std::get_if<enroll::SendBytes>(&effect)) {
              frames.emplace_back(true, std::move(send->bytes));
            } else if (auto* needed = std::get_if<enroll::CodeNeeded>(&effect)) {
              take(agent.on_password_key(
                  clock_.mono,
                  pairing::derive_password_key(code_, needed->salt, needed->iterations)));
            } else if (auto* enrolled = std::get_if<enroll::Enrolled>(&effect)) {
              made = enrolled->grant;
            } else if (auto* failed = std::get_if<enroll::Failed>(&effect)) {
              last_error_ = failed->error;
            }
          }
        };
    take(agent.start(clock_.mono));
    while (!frames.empty()) {
      const auto [to_device, bytes] = std::move(frames.front());
      frames.pop_front();
      if (!to_device) {
        take(agent.on_bytes(clock_.mono, bytes));
        continue;
      }
      for (auto& effect : device.on_bytes(clock_.mono, clock_.wall, bytes)) {
        if (auto* send = std::get_if<enroll::SendBytes>(&effect)) {
          frames.emplace_back(false, std::move(send->bytes));
        }
      }
    }
    return made;
  }

  // A further web service over the management channel, as it would be carried by HTTP.
  wire::Result<GrantId> offer(const Wish& what) {
    auto planned = desk_.plan(what, device_id());
    return planned ? carry_offer(*planned) : wire::Result<GrantId>(fail(planned.error()));
  }
  wire::Result<GrantId> carry_offer(const enroll::AgentDesk::Planned& planned) {
    const Bytes offer = wire::encode(planned.offer);
    auto message = enrollment_.on_offer(offer, channel_, agent_key(), clock_.wall);
    if (!message) {
      return fail(message.error());
    }
    auto accepted = enroll::check_csr_message(*message, offer, channel_, device_id(), planned.type,
                                              planned.forbidden, clock_.wall);
    if (!accepted) {
      return fail(accepted.error());
    }
    auto certificate = desk_.issue(planned.offer.grant, *message, *accepted);
    if (!certificate) {
      return fail(certificate.error());
    }
    return carry_certificate(*certificate);
  }
  wire::Result<GrantId> carry_certificate(const wire::CertMessage& certificate) {
    auto done = enrollment_.on_certificate(wire::encode(certificate), agent_key(), clock_.wall);
    if (!done) {
      return fail(done.error());
    }
    if (records_.grant(certificate.grant)->state == grant::State::kPending) {
      EXPECT_TRUE(desk_.installed(certificate.grant, done->port));
    }
    return certificate.grant;
  }
  wire::Result<wire::CertMessage> renewal(const GrantId& id) {
    auto reply = enrollment_.on_renew(wire::encode(wire::RenewRequest{id}), agent_key(), channel_);
    return reply ? desk_.renew(id, *reply, channel_)
                 : wire::Result<wire::CertMessage>(fail(reply.error()));
  }

  std::vector<grant::AgentGrant> list(bool all) {
    return list_page(records_, {std::nullopt, all, [](const auto&) { return true; }}, clock_.wall)
        ->grants;
  }
  const grant::DeviceGrant& on_device(const GrantId& id) {
    return device_grants_.grants.at({agent_key(), id});
  }
  DeviceId device_id() { return DeviceId(identity_.boot_key.public_key().spki_hash().bytes()); }
  SpkiHash agent_key() {
    return records_.binding(device_id())->management_key.public_key().spki_hash();
  }
  void expect_served(const GrantId& id) {
    const auto mine = *records_.grant(id);
    const auto its = device_grants_.find(agent_key(), id);
    ASSERT_TRUE(its);
    EXPECT_EQ(its->leaf, mine.leaf);
    EXPECT_TRUE(crypto::verify_server_chain(
        its->leaf, its->grant_ca, records_.user_root().certificate, mine.host.text(), clock_.wall));
    EXPECT_EQ(crypto::certificate_key(its->leaf)->spki(), its->key.public_key().spki());
  }

  testing::FakeRandom random_;
  testing::FixedClock clock_;
  testing::MemoryRecords records_{random_, clock_};
  testing::StandingTrust trust_;
  GrantDesk desk_{records_, random_, clock_, trust_};
  testing::MemoryWindowLedger window_ledger_;
  pairing::PairingWindow window_;
  testing::MemoryDeviceLedger device_grants_;
  enroll::DeviceIdentity identity_{
      crypto::PrivateKey::generate(), "Cache", "media-cache", "M1", "1.0", {3}, 8443};
  enroll::DeviceEnrollment enrollment_{device_grants_, identity_};
  pairing::PairingCode code_ = pairing::PairingCode::make(wire::CodeKind::kDigits8, random_);
  Digest256 channel_{5};
  std::optional<wire::Error> last_error_;
};

TEST_F(DeskTest, ACodeMakesABindingAndAGrant) {
  const auto id = pair(wish());
  ASSERT_TRUE(id) << (last_error_ ? last_error_->detail : "");
  expect_served(*id);
  const auto grant = *records_.grant(*id);
  EXPECT_EQ(grant.state, grant::State::kActive);
  EXPECT_TRUE(grant.host.has_pairwise_shape());
  EXPECT_EQ(url_of(grant), "https://" + grant.host.text() + ":8443");
  const auto binding = *records_.binding(device_id());
  EXPECT_EQ(binding.name, "Cache");
  EXPECT_EQ(binding.bound_at, clock_.wall);
  EXPECT_EQ(binding.boot_spki, identity_.boot_key.public_key().spki());
}

TEST_F(DeskTest, AnotherWebServiceNeedsNoCodeAndGetsAnotherHost) {
  const auto first = pair(wish());
  const auto second = offer(wish(kPhotos));
  ASSERT_TRUE(second) << second.error().detail;
  expect_served(*second);
  EXPECT_NE(records_.grant(*first)->host, records_.grant(*second)->host);
  EXPECT_NE(records_.grant(*first)->sub, records_.grant(*second)->sub);
  EXPECT_EQ(records_.bindings().size(), 1U);
}

TEST_F(DeskTest, ProfilesGetHostsOfTheirOwn) {
  const auto first = pair(wish());
  const auto second = offer(wish(kVideo, kOther));
  ASSERT_TRUE(second);
  EXPECT_NE(records_.grant(*first)->host, records_.grant(*second)->host);
  EXPECT_EQ(desk_.existing(wish(), device_id())->id, *first);
  EXPECT_EQ(desk_.existing(wish(kVideo, kOther), device_id())->id, *second);
}

TEST_F(DeskTest, AnOfferWhoseEndWasLostIsRepeatedAndCompleted) {
  ASSERT_TRUE(pair(wish()));
  auto planned = desk_.plan(wish(kPhotos), device_id());
  ASSERT_TRUE(planned);
  // The device answered; nobody heard it.
  ASSERT_TRUE(
      enrollment_.on_offer(wire::encode(planned->offer), channel_, agent_key(), clock_.wall));
  clock_.pass(3600s);
  Upkeep upkeep;
  const auto visit = upkeep.due_for(records_, device_id(), clock_.wall);
  ASSERT_TRUE(visit);
  ASSERT_EQ(visit->complete.size(), 1U);
  auto again = desk_.plan_again(*records_.grant(visit->complete.front()));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->offer.grant, planned->offer.grant);
  EXPECT_EQ(again->offer.host, planned->offer.host);
  EXPECT_NE(again->offer.nonce, planned->offer.nonce);
  ASSERT_TRUE(carry_offer(*again));
  expect_served(again->offer.grant);
}

TEST_F(DeskTest, WhatAWebServiceNamedReachesTheDeviceAndStays) {
  ASSERT_TRUE(pair(wish()));
  Wish named = wish(kPhotos);
  named.sso = SignInOffer::make("https://accounts.example", "photos");
  const auto id = offer(named);
  ASSERT_TRUE(id);
  EXPECT_EQ(on_device(*id).sso, named.sso);
  // A renewal is about the certificate alone.
  clock_.pass(seconds(4 * 86400));
  const auto certificate = renewal(*id);
  ASSERT_TRUE(certificate);
  ASSERT_TRUE(carry_certificate(*certificate));
  EXPECT_EQ(on_device(*id).sso, named.sso);
}

TEST_F(DeskTest, AnEarlierTryIsRepeatedAsItWasWhateverIsNamedNow) {
  ASSERT_TRUE(pair(wish()));
  Wish named = wish(kPhotos);
  named.sso = SignInOffer::make("https://accounts.example", "photos");
  const auto first = desk_.plan(named, device_id());
  ASSERT_TRUE(first);
  // The device may have it, and takes no offer of that grant that differs: it is told afterwards.
  const auto before = named.sso;
  named.sso = SignInOffer::make("https://other.example", "photos");
  const auto second = desk_.plan(named, device_id());
  ASSERT_TRUE(second);
  EXPECT_EQ(second->offer.grant, first->offer.grant);
  EXPECT_EQ(second->offer.sso, before);
}

TEST_F(DeskTest, ACertificateThatWasLostIsCompletedToo) {
  ASSERT_TRUE(pair(wish()));
  auto planned = desk_.plan(wish(kPhotos), device_id());
  const Bytes offer = wire::encode(planned->offer);
  auto message = enrollment_.on_offer(offer, channel_, agent_key(), clock_.wall);
  auto accepted = enroll::check_csr_message(*message, offer, channel_, device_id(), "media-cache",
                                            planned->forbidden, clock_.wall);
  ASSERT_TRUE(desk_.issue(planned->offer.grant, *message, *accepted));
  auto again = desk_.plan_again(*records_.grant(planned->offer.grant));
  ASSERT_TRUE(again);
  const auto carried = carry_offer(*again);
  ASSERT_TRUE(carried) << carried.error().detail;
  expect_served(planned->offer.grant);
}

TEST_F(DeskTest, PendingGrantsAreDroppedAfterADay) {
  ASSERT_TRUE(pair(wish()));
  const auto planned = desk_.plan(wish(kPhotos), device_id());
  clock_.pass(kPendingLife + 1s);
  desk_.sweep();
  EXPECT_FALSE(records_.grant(planned->offer.grant));
}

TEST_F(DeskTest, RenewsWithANewKey) {
  const auto id = *pair(wish());
  const Bytes before = records_.grant(id)->leaf;
  Upkeep upkeep;
  upkeep.checked_in(device_id(), clock_.wall + 1s);
  EXPECT_TRUE(upkeep.due(records_, clock_.wall, clock_.mono).empty());
  clock_.pass(kRenewalDue);
  ASSERT_EQ(upkeep.due(records_, clock_.wall, clock_.mono).size(), 1U);
  const auto certificate = renewal(id);
  ASSERT_TRUE(certificate) << certificate.error().detail;
  ASSERT_TRUE(carry_certificate(*certificate));
  ASSERT_TRUE(desk_.delivered(id, 8443));
  expect_served(id);
  EXPECT_NE(crypto::certificate_key(records_.grant(id)->leaf)->spki(),
            crypto::certificate_key(before)->spki());
  EXPECT_TRUE(upkeep.due(records_, clock_.wall, clock_.mono).empty());
}

TEST_F(DeskTest, ARenewalThatWasLostStaysDueAndIsMadeUp) {
  const auto id = *pair(wish());
  clock_.pass(kRenewalDue);
  ASSERT_TRUE(renewal(id));  // signed and stored, never delivered
  Upkeep upkeep;
  const auto visit = upkeep.due_for(records_, device_id(), clock_.wall);
  ASSERT_TRUE(visit);
  EXPECT_EQ(visit->renew.size(), 1U);
  // The device still has the old key: its proof does not fit the stored leaf.
  EXPECT_FALSE(renewal(id));
  // ... but it installs a certificate for the key it made before.
  const auto again = desk_.certificate_again(id);
  ASSERT_TRUE(again);
  const auto carried = carry_certificate(*again);
  if (carried) {
    ASSERT_TRUE(desk_.delivered(id, 8443));
    expect_served(id);
  }
  const auto renewed = renewal(id);
  ASSERT_TRUE(renewed) << renewed.error().detail;
  ASSERT_TRUE(carry_certificate(*renewed));
  expect_served(id);
}

TEST_F(DeskTest, GrantsMadeTogetherAreNotRenewedTogether) {
  const pki::LeafInfo leaf{crypto::PrivateKey::generate().public_key(), clock_.wall,
                           clock_.wall + pki::kLeafValidity};
  std::vector<WallTime> times;
  for (int i = 0; i < 10'000; ++i) {
    const auto id = GrantId::make(random_);
    times.push_back(renewal_time(id, leaf));
    ASSERT_EQ(renewal_time(id, leaf), times.back()) << "the same each time";
    ASSERT_GE(times.back(), pki::renew_at(leaf));
    ASSERT_LT(times.back(), pki::renew_at(leaf) + kRenewSpread);
  }
  std::sort(times.begin(), times.end());
  // In no minute more than four times their share.
  for (std::size_t i = 0; i + 56 < times.size(); ++i) {
    ASSERT_GE(times[i + 56] - times[i], 60s) << i;
  }
}

TEST_F(DeskTest, GrantsFollowADeviceToAnotherPort) {
  const auto id = *pair(wish());
  const auto other = *offer(wish(kPhotos));
  const std::uint16_t port = records_.grant(id)->port;
  EXPECT_TRUE(desk_.seen_at(device_id(), "192.0.2.7", port).empty());
  auto elsewhere = *records_.grant(other);
  elsewhere.port = 5555;
  ASSERT_TRUE(records_.save_renewed(elsewhere));
  const auto moved = desk_.seen_at(device_id(), "192.0.2.9", 9443);
  ASSERT_EQ(moved.size(), 1U);
  EXPECT_EQ(moved.front().id, id);
  EXPECT_TRUE(desk_.mint(id, kVideo, std::nullopt)->url.ends_with(".local:9443"));
  EXPECT_EQ(records_.grant(other)->port, 5555);
  EXPECT_EQ(records_.binding(device_id())->address, "192.0.2.9");
}

TEST_F(DeskTest, AGrantsCaIsReplacedBeforeItEnds) {
  const auto id = *pair(wish());
  const Bytes first = records_.grant(id)->ca_certificate;
  const auto first_key = records_.grant(id)->ca_key;
  const WallTime born = clock_.wall;
  while (clock_.wall - born < pki::kGrantCaValidity + 30 * 86400s) {
    clock_.pass(kRenewalDue);
    const auto certificate = renewal(id);
    ASSERT_TRUE(certificate) << certificate.error().detail;
    ASSERT_TRUE(carry_certificate(*certificate));
    ASSERT_TRUE(desk_.delivered(id, 8443));
    expect_served(id);
    const auto ca = crypto::parse_certificate(records_.grant(id)->ca_certificate);
    ASSERT_GE(ca->fields.not_after - clock_.wall, kRollOverBefore) << "never near its end";
  }
  EXPECT_NE(records_.grant(id)->ca_certificate, first);
  EXPECT_FALSE(records_.grant(id)->ca_key.public_key() == first_key.public_key());
}

TEST_F(DeskTest, ANewCaThatDidNotArriveIsSentAgain) {
  const auto id = *pair(wish());
  const Bytes first = records_.grant(id)->ca_certificate;
  clock_.pass(pki::kGrantCaValidity - kRollOverBefore + 86400s);  // asleep for months
  ASSERT_TRUE(renewal(id));  // stored, and then the agent was killed
  const Bytes second = records_.grant(id)->ca_certificate;
  ASSERT_NE(second, first);
  EXPECT_EQ(on_device(id).grant_ca, first) << "the device goes on with the old one";
  Upkeep upkeep;
  ASSERT_TRUE(upkeep.due_for(records_, device_id(), clock_.wall)) << "and it stays due";
  const auto again = desk_.certificate_again(id);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->grant_ca, second) << "not a third one";
  ASSERT_TRUE(carry_certificate(*again));
  ASSERT_TRUE(desk_.delivered(id, 8443));
  expect_served(id);
  EXPECT_EQ(on_device(id).grant_ca, second);
}

TEST_F(DeskTest, AfterAYearOfSleepTheGrantIsAlive) {
  const auto id = *pair(wish());
  clock_.pass(2 * pki::kGrantCaValidity);
  EXPECT_EQ(desk_.mint(id, kVideo, std::nullopt).error().code, ErrorCode::kExpired);
  const auto certificate = renewal(id);
  ASSERT_TRUE(certificate) << certificate.error().detail;
  ASSERT_TRUE(carry_certificate(*certificate));
  ASSERT_TRUE(desk_.delivered(id, 8443));
  expect_served(id);
  EXPECT_TRUE(desk_.mint(id, kVideo, std::nullopt));
}

// Row 39: whoever has a leaf's key can play that host until the grant is revoked, and nothing else.
TEST_F(DeskTest, Threat39AStolenLeafKeyIsOneGrant) {
  const auto stolen = *pair(wish());
  const auto other = *offer(wish(kPhotos));
  const auto thiefs = crypto::PrivateKey::generate();
  const auto key = on_device(stolen).key;
  // It proves no renewal of another grant.
  wire::RenewReply forged{crypto::make_csr(thiefs), {}, {}};
  forged.proof = key.sign(enroll::renew_statement(other, forged.csr, channel_));
  EXPECT_FALSE(desk_.renew(other, forged, channel_));
  // Nor is it signed for another.
  forged.csr = crypto::make_csr(key);
  forged.proof = on_device(other).key.sign(enroll::renew_statement(other, forged.csr, channel_));
  EXPECT_FALSE(desk_.renew(other, forged, channel_));
  const auto before = *records_.grant(other);
  ASSERT_TRUE(desk_.revoke(stolen));
  // With the grant its renewals end, also for one who has the key.
  wire::RenewReply again{crypto::make_csr(thiefs), {}, {}};
  again.proof = key.sign(enroll::renew_statement(stolen, again.csr, channel_));
  EXPECT_FALSE(desk_.renew(stolen, again, channel_));
  EXPECT_FALSE(desk_.certificate_again(stolen));
  EXPECT_FALSE(desk_.mint(stolen, kVideo, std::nullopt));
  const auto after = *records_.grant(other);
  EXPECT_EQ(after.leaf, before.leaf);
  EXPECT_EQ(after.state, grant::State::kActive);
  EXPECT_TRUE(desk_.mint(other, kPhotos, std::nullopt));
  expect_served(other);
}

TEST_F(DeskTest, RevokedAndSuspendedGrantsAreNotRenewed) {
  const auto id = *pair(wish());
  const auto other = *offer(wish(kPhotos));
  ASSERT_TRUE(desk_.revoke(id));
  records_.suspend(other, grant::Hold::kOriginSuspended);
  clock_.pass(pki::kLeafValidity);
  Upkeep upkeep;
  const auto visit = upkeep.due_for(records_, device_id(), clock_.wall);
  ASSERT_TRUE(visit);
  EXPECT_TRUE(visit->renew.empty());
  EXPECT_EQ(visit->tell_ended.size(), 1U);
  EXPECT_FALSE(desk_.certificate_again(id));
  EXPECT_FALSE(desk_.mint(id, kVideo, std::nullopt));
  EXPECT_FALSE(desk_.mint(other, kPhotos, std::nullopt));
}

TEST_F(DeskTest, ARevokedHostStaysBlockedUntilItsLastCertificateIsGone) {
  const auto id = *pair(wish());
  const WallTime not_after = records_.grant(id)->not_after;
  const auto ended = desk_.revoke(id);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->block_until, not_after + kBlockAfter);
  EXPECT_TRUE(list(false).empty());
  EXPECT_EQ(list(true).size(), 1U);
  // Granted anew: the same host for the same people, no block any more.
  device_grants_.grants.clear();
  const auto again = offer(wish());
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(records_.grant(*again)->host, ended->host);
  const auto all = list(true);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all.front().id, *again);
}

TEST_F(DeskTest, ADeviceThatWasResetSuspendsItsGrants) {
  const auto first = *pair(wish());
  const auto second = *offer(wish(kPhotos));
  ASSERT_TRUE(desk_.revoke(second));
  const auto suspended = desk_.device_forgot(device_id());
  ASSERT_EQ(suspended.size(), 1U);
  EXPECT_EQ(suspended.front().id, first);
  EXPECT_EQ(records_.grant(first)->state, grant::State::kSuspended);
  EXPECT_TRUE(records_.owed().empty()) << "there is nobody to be told";
  Upkeep upkeep;
  EXPECT_FALSE(upkeep.due_for(records_, device_id(), clock_.wall));
  // Paired again with a code, the same web service gets its host back.
  device_grants_.grants.clear();
  device_grants_.agents.clear();
  const auto again = pair(wish());
  ASSERT_TRUE(again) << last_error_->detail;
  EXPECT_EQ(records_.grant(*again)->host, records_.grant(first)->host);
  EXPECT_FALSE(records_.binding(device_id())->reset);
}

TEST_F(DeskTest, ADirectNameHasOneOwner) {
  Wish mine{kProfile, std::nullopt, "media-cache", HostName::direct("attic")};
  ASSERT_TRUE(pair(mine));
  ByteArray<32> other{9};
  const auto taken = desk_.plan(mine, DeviceId(other));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kNameConflict);
}

TEST_F(DeskTest, TicketsAreForTheGrantsOwnOrigin) {
  const auto id = *pair(wish());
  const auto ticket = desk_.mint(id, kVideo, std::nullopt);
  ASSERT_TRUE(ticket);
  const auto grant = *records_.grant(id);
  const auto claims = grant::verify_ticket(ticket->ticket, grant.ticket_key.public_key());
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->origin, kVideo);
  EXPECT_EQ(claims->host, grant.host);
  EXPECT_LE(claims->expires - claims->issued, grant::kTicketLife);
  EXPECT_EQ(records_.grant(id)->last_used, clock_.wall);
  const auto foreign = desk_.mint(id, kPhotos, std::nullopt);
  const auto nobodys = desk_.mint(GrantId::make(random_), kPhotos, std::nullopt);
  ASSERT_FALSE(foreign);
  ASSERT_FALSE(nobodys);
  EXPECT_EQ(foreign.error().code, nobodys.error().code);
  EXPECT_EQ(foreign.error().message, nobodys.error().message);
  EXPECT_FALSE(desk_.mint(id, std::nullopt, std::nullopt));
  clock_.pass(pki::kLeafValidity + 1s);
  EXPECT_EQ(desk_.mint(id, kVideo, std::nullopt).error().code, ErrorCode::kExpired);
}

TEST_F(DeskTest, ADiskThatIsFullMakesNothing) {
  records_.broken = true;
  EXPECT_FALSE(pair(wish()));
  EXPECT_TRUE(records_.grants().empty());
}

TEST_F(DeskTest, NoKeyOfOursIsSigned) {
  ASSERT_TRUE(pair(wish()));
  const auto keys = desk_.forbidden_keys(device_id());
  const auto holds = [&](const SpkiHash& key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  const auto grant = records_.grants().front();
  EXPECT_TRUE(holds(records_.user_root().key.public_key().spki_hash()));
  EXPECT_TRUE(holds(grant.ca_key.public_key().spki_hash()));
  EXPECT_TRUE(holds(grant.ticket_key.public_key().spki_hash()));
  EXPECT_TRUE(holds(agent_key()));
  EXPECT_TRUE(holds(identity_.boot_key.public_key().spki_hash()));
  EXPECT_TRUE(holds(crypto::certificate_key(grant.leaf)->spki_hash()));
}

}  // namespace
}  // namespace latchkey::agent
