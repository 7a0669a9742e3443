// What providers and the administrator say, and what the agent does about it (threats 19 to 24,
// 32).
#include "agent/sentinel.h"

#include <gtest/gtest.h>

#include "agent/upkeep.h"
#include "support/memory_records.h"
#include "support/standing_trust.h"
#include "support/trust_maker.h"

namespace latchkey::agent {
namespace {

using attest::OriginStatus;
using grant::Hold;
using grant::State;
using testing::Maker;
using testing::Provider;
using wire::ErrorCode;

const Origin kVideo = Origin::parse("https://video.example").value();
const Origin kPhotos = Origin::parse("https://photos.example").value();
const ProfileId kProfile{{1}};

class SentinelTest : public ::testing::Test {
 protected:
  void say(attest::Policy policy = {}, seconds validity = seconds(7 * 86400)) {
    trust_.value =
        attest::Trust({{"p", provider_.snapshot(clock_.wall, validity), {}}}, std::move(policy));
  }
  static Wish wish(const Origin& origin = kVideo) { return {kProfile, origin, "media-cache", {}}; }

  wire::Result<GrantId> make(const Origin& origin, std::optional<attest::Evidence> evidence) {
    auto planned = desk_.plan(wish(origin), device_);
    if (!planned) {
      return fail(planned.error());
    }
    const auto key = crypto::PrivateKey::generate();
    const wire::CsrMessage message{.csr = {},
                                   .boot_spki = {1},
                                   .boot_signature = {},
                                   .attestation = {},
                                   .name = {},
                                   .type = {},
                                   .model = {},
                                   .firmware = {},
                                   .discovery_key = {}};
    const enroll::AcceptedCsr accepted{key.public_key(),   "Cache", "media-cache", "M", "1",
                                       std::move(evidence)};
    auto issued = desk_.issue(planned->offer.grant, message, accepted);
    if (!issued) {
      desk_.revoke(planned->offer.grant);
      return fail(issued.error());
    }
    EXPECT_TRUE(desk_.installed(planned->offer.grant, 443));
    (void)desk_.delivered(planned->offer.grant, 8443);
    return planned->offer.grant;
  }
  ErrorCode refusal_of(const Origin& origin, std::optional<attest::Evidence> evidence) {
    const auto made = make(origin, std::move(evidence));
    EXPECT_FALSE(made);
    return made ? ErrorCode::kInternal : made.error().code;
  }
  grant::AgentGrant stored(const GrantId& id) { return *records_.grant(id); }

  testing::FakeRandom random_;
  testing::FixedClock clock_;
  testing::MemoryRecords records_{random_, clock_};
  testing::StandingTrust trust_;
  GrantDesk desk_{records_, random_, clock_, trust_};
  Maker maker_{clock_.wall, attest::Aaguid({7})};
  Maker stranger_{clock_.wall, attest::Aaguid({7})};
  Provider provider_{clock_.wall};
  DeviceId device_{ByteArray<32>{9}};
};

TEST_F(SentinelTest, WithoutProvidersNothingIsRefusedAndNothingRests) {
  const auto id = make(kVideo, maker_.evidence());
  ASSERT_TRUE(id);
  EXPECT_TRUE(make(kPhotos, maker_.evidence()));
  EXPECT_TRUE(enforce(desk_).empty());
}

TEST_F(SentinelTest, Threat23ARevokedWebServiceRestsAndComesBack) {
  provider_.set_origin(kVideo, OriginStatus::kActive, "Video");
  say();
  const auto id = make(kVideo, {});
  const auto other = make(kPhotos, {});
  ASSERT_TRUE(id && other);
  provider_.set_origin(kVideo, OriginStatus::kRevoked, "Video");
  say();
  // Before the sentinel ran, too.
  EXPECT_EQ(desk_.mint(*id, kVideo, {}).error().code, ErrorCode::kOriginRevoked);
  EXPECT_FALSE(desk_.existing(wish(), device_));
  const auto held = enforce(desk_);
  ASSERT_EQ(held.size(), 1U);
  EXPECT_EQ(held[0].state, State::kSuspended);
  EXPECT_EQ(held[0].hold, Hold::kOriginRevoked);
  EXPECT_EQ(desk_.mint(*id, kVideo, {}).error().code, ErrorCode::kOriginRevoked);
  EXPECT_EQ(refusal_of(kVideo, {}), ErrorCode::kOriginRevoked);
  EXPECT_EQ(stored(*id).state, State::kSuspended) << "a new wish does not put the held one away";
  EXPECT_TRUE(desk_.mint(*other, kPhotos, {}));
  EXPECT_TRUE(enforce(desk_).empty()) << "once is enough";

  provider_.set_origin(kVideo, OriginStatus::kSuspended, "Video");
  say();
  ASSERT_EQ(enforce(desk_).size(), 1U);
  EXPECT_EQ(stored(*id).hold, Hold::kOriginSuspended);

  provider_.set_origin(kVideo, OriginStatus::kActive, "Video");
  say();
  ASSERT_EQ(enforce(desk_).size(), 1U);
  EXPECT_EQ(stored(*id).state, State::kActive);
  EXPECT_FALSE(stored(*id).hold);
  EXPECT_TRUE(desk_.mint(*id, kVideo, {}));
}

TEST_F(SentinelTest, Threat20ALeakedBatchKeyHoldsAllGrantsOfTheDevice) {
  provider_.add_model(maker_, "media-cache");
  say();
  const auto first = make(kVideo, maker_.evidence());
  const auto second = make(kPhotos, maker_.evidence());
  ASSERT_TRUE(first && second);
  const auto shown = evidence_of(*records_.binding(device_));
  ASSERT_TRUE(shown);
  EXPECT_EQ(trust_.value.device(&*shown).state, attest::DeviceState::kProven);
  provider_.revoke_device(maker_.evidence().key);
  say();
  EXPECT_EQ(enforce(desk_).size(), 2U);
  EXPECT_EQ(stored(*first).hold, Hold::kDeviceRevoked);
  EXPECT_EQ(desk_.mint(*second, kPhotos, {}).error().code, ErrorCode::kDeviceRevoked);
  EXPECT_EQ(refusal_of(Origin::parse("https://a.example").value(), maker_.evidence()),
            ErrorCode::kDeviceRevoked);
  device_ = DeviceId(ByteArray<32>{10});
  EXPECT_EQ(refusal_of(kVideo, maker_.evidence()), ErrorCode::kDeviceRevoked)
      << "another device with the same key";
  provider_.devices.clear();
  say();
  EXPECT_EQ(enforce(desk_).size(), 2U);
}

TEST_F(SentinelTest, WhatWasLostFromTheDiskLiftsNothing) {
  provider_.set_origin(kVideo, OriginStatus::kActive, "");
  say();
  const auto id = make(kVideo, {});
  provider_.set_origin(kVideo, OriginStatus::kRevoked, "");
  say();
  ASSERT_EQ(enforce(desk_).size(), 1U);
  trust_.value = attest::Trust({{"p", nullptr, {}}}, {});
  EXPECT_TRUE(enforce(desk_).empty());
  EXPECT_EQ(stored(*id).state, State::kSuspended);
}

TEST_F(SentinelTest, WhatCannotBeStoredIsRefusedAllTheSame) {
  say();
  const auto id = make(kVideo, {});
  provider_.set_origin(kVideo, OriginStatus::kRevoked, "");
  say();
  records_.broken = true;
  EXPECT_TRUE(enforce(desk_).empty());
  EXPECT_EQ(stored(*id).state, State::kActive);
  EXPECT_EQ(desk_.mint(*id, kVideo, {}).error().code, ErrorCode::kOriginRevoked);
  EXPECT_EQ(desk_.certificate_again(*id).error().code, ErrorCode::kOriginRevoked);
  records_.broken = false;
  EXPECT_EQ(enforce(desk_).size(), 1U) << "tried again";
}

TEST_F(SentinelTest, AResetDeviceStaysForgotten) {
  say();
  const auto id = make(kVideo, {});
  ASSERT_TRUE(id);
  ASSERT_EQ(desk_.device_forgot(device_).size(), 1U);
  EXPECT_EQ(stored(*id).hold, Hold::kDeviceReset);
  provider_.set_origin(kVideo, OriginStatus::kRevoked, "");
  say();
  EXPECT_TRUE(enforce(desk_).empty());
  provider_.set_origin(kVideo, OriginStatus::kActive, "");
  say();
  EXPECT_TRUE(enforce(desk_).empty());
  EXPECT_EQ(desk_.mint(*id, kVideo, {}).error().code, ErrorCode::kNotGranted);
}

TEST_F(SentinelTest, HalfMadeGrantsOfARevokedWebServiceGo) {
  say();
  const auto planned = desk_.plan(wish(), device_);
  ASSERT_TRUE(planned);
  provider_.set_origin(kVideo, OriginStatus::kRevoked, "");
  say();
  EXPECT_EQ(desk_.plan_again(stored(planned->offer.grant)).error().code, ErrorCode::kOriginRevoked);
  enforce(desk_);
  EXPECT_FALSE(records_.grant(planned->offer.grant));
}

TEST_F(SentinelTest, Threat24StaleMetadataRefusesNewGrantsOnly) {
  say();
  const auto id = make(kVideo, {});
  ASSERT_TRUE(id);
  clock_.pass(seconds(9 * 86400));
  EXPECT_TRUE(make(kPhotos, {})) << "late, within the grace";
  clock_.pass(seconds(14 * 86400));
  const Origin third = Origin::parse("https://c.example").value();
  EXPECT_EQ(refusal_of(third, {}), ErrorCode::kMetadataStale);
  EXPECT_TRUE(enforce(desk_).empty());
  EXPECT_EQ(stored(*id).state, State::kActive);
}

TEST_F(SentinelTest, AProviderThatWasNeverReadRefusesNewGrants) {
  trust_.value = attest::Trust({{"p", nullptr, {}}}, {});
  EXPECT_EQ(refusal_of(kVideo, {}), ErrorCode::kMetadataStale);
}

TEST_F(SentinelTest, Threat19UnprovenDevicesAreRefusedWherePolicySaysSo) {
  provider_.add_model(maker_, "media-cache");
  attest::Policy policy;
  policy.only_attested_devices = true;
  say(policy);
  EXPECT_EQ(refusal_of(kVideo, {}), ErrorCode::kAttestationFailed);
  EXPECT_EQ(refusal_of(kVideo, stranger_.evidence()), ErrorCode::kAttestationFailed);
  EXPECT_TRUE(make(kVideo, maker_.evidence()));
}

TEST_F(SentinelTest, OnlyRegisteredWebServicesWherePolicySaysSo) {
  provider_.set_origin(kVideo, OriginStatus::kActive, "");
  attest::Policy policy;
  policy.only_registered_origins = true;
  say(policy);
  EXPECT_TRUE(make(kVideo, {}));
  EXPECT_EQ(refusal_of(kPhotos, {}), ErrorCode::kNotAllowed);
}

TEST_F(SentinelTest, AModelIsOfOneType) {
  provider_.add_model(maker_, "printer");
  say();
  EXPECT_EQ(refusal_of(kVideo, maker_.evidence()), ErrorCode::kAttestationFailed);
}

TEST_F(SentinelTest, Threat32ADeviceNeverShowsLessThanBefore) {
  provider_.add_model(maker_, "media-cache");
  say();
  ASSERT_TRUE(make(kVideo, maker_.evidence()));
  EXPECT_EQ(refusal_of(kPhotos, {}), ErrorCode::kAttestationFailed);
  EXPECT_EQ(refusal_of(kPhotos, stranger_.evidence()), ErrorCode::kAttestationFailed);
  EXPECT_TRUE(make(kPhotos, maker_.evidence()));
}

TEST_F(SentinelTest, DevicesAreToldUntilTheyHeard) {
  say();
  const auto id = make(kVideo, {});
  Upkeep upkeep;
  upkeep.checked_in(device_, clock_.wall + seconds(1));
  EXPECT_FALSE(upkeep.due_for(records_, device_, clock_.wall));
  provider_.set_origin(kVideo, OriginStatus::kRevoked, "");
  say();
  enforce(desk_);
  const auto due = upkeep.due_for(records_, device_, clock_.wall);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->hold, std::vector<GrantId>{*id});
  EXPECT_TRUE(due->release.empty() && due->renew.empty());
  ASSERT_TRUE(records_.told_held(*id, true));
  // No renewal for what rests, however late.
  clock_.pass(seconds(30 * 86400));
  EXPECT_FALSE(upkeep.due_for(records_, device_, clock_.wall));

  provider_.set_origin(kVideo, OriginStatus::kActive, "");
  say();
  enforce(desk_);
  const auto back = upkeep.due_for(records_, device_, clock_.wall);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->release, std::vector<GrantId>{*id});
  EXPECT_EQ(back->renew, std::vector<GrantId>{*id}) << "its leaf ran out meanwhile";
  ASSERT_TRUE(records_.told_held(*id, false));
  EXPECT_TRUE(upkeep.due_for(records_, device_, clock_.wall)->release.empty());
}

// What the person paused is the person's to let go on; what a provider holds, the provider's.
TEST_F(SentinelTest, WhatIsPausedStaysPausedWhenAProvidersHoldLifts) {
  say();
  const auto id = make(kVideo, {});
  ASSERT_TRUE(id);
  const auto paused = desk_.set_paused(*id, true);
  ASSERT_TRUE(paused);
  EXPECT_EQ(paused->state, State::kSuspended);
  EXPECT_EQ(paused->hold, Hold::kPaused);
  EXPECT_EQ(desk_.mint(*id, kVideo, {}).error().code, ErrorCode::kNotGranted);
  EXPECT_TRUE(enforce(desk_).empty()) << "no provider lifts what none has asked for";
  EXPECT_EQ(stored(*id).state, State::kSuspended);

  provider_.set_origin(kVideo, OriginStatus::kRevoked, "");
  say();
  ASSERT_EQ(enforce(desk_).size(), 1U);
  EXPECT_EQ(stored(*id).hold, Hold::kOriginRevoked);
  EXPECT_EQ(desk_.mint(*id, kVideo, {}).error().code, ErrorCode::kOriginRevoked);
  provider_.set_origin(kVideo, OriginStatus::kActive, "");
  say();
  ASSERT_EQ(enforce(desk_).size(), 1U);
  EXPECT_EQ(stored(*id).state, State::kSuspended);
  EXPECT_EQ(stored(*id).hold, Hold::kPaused);
  EXPECT_TRUE(enforce(desk_).empty());
  ASSERT_TRUE(desk_.set_paused(*id, false));
  EXPECT_TRUE(desk_.mint(*id, kVideo, {}));
}

TEST_F(SentinelTest, NobodyResumesWhatAProviderHolds) {
  say();
  const auto id = make(kVideo, {});
  ASSERT_TRUE(id && desk_.set_paused(*id, true));
  provider_.set_origin(kVideo, OriginStatus::kRevoked, "");
  say();
  // Before the sentinel ran, too.
  const auto resumed = desk_.set_paused(*id, false);
  ASSERT_TRUE(resumed);
  EXPECT_EQ(resumed->state, State::kSuspended);
  EXPECT_EQ(resumed->hold, Hold::kOriginRevoked);
  EXPECT_FALSE(desk_.unpause(wish(), device_)) << "nor by allowing it anew";
  provider_.set_origin(kVideo, OriginStatus::kActive, "");
  say();
  ASSERT_EQ(enforce(desk_).size(), 1U);
  EXPECT_EQ(stored(*id).state, State::kActive) << "the person had let it go on meanwhile";
}

TEST_F(SentinelTest, WhatCannotBeStoredIsNeitherPausedNorResumed) {
  say();
  const auto id = make(kVideo, {});
  ASSERT_TRUE(id);
  records_.broken = true;
  EXPECT_EQ(desk_.set_paused(*id, true).error().code, ErrorCode::kInternal);
  records_.broken = false;
  EXPECT_EQ(stored(*id).state, State::kActive);
  ASSERT_TRUE(desk_.set_paused(*id, true));
  records_.broken = true;
  EXPECT_EQ(desk_.set_paused(*id, false).error().code, ErrorCode::kInternal);
  records_.broken = false;
  EXPECT_EQ(stored(*id).hold, Hold::kPaused);
}

TEST_F(SentinelTest, AResetDeviceIsNotPaused) {
  say();
  const auto id = make(kVideo, {});
  ASSERT_TRUE(id && desk_.set_paused(*id, true));
  ASSERT_TRUE(records_.mark_reset(device_));
  EXPECT_EQ(desk_.set_paused(*id, false).error().code, ErrorCode::kNotGranted);
  EXPECT_EQ(stored(*id).hold, Hold::kDeviceReset);
}

TEST_F(SentinelTest, AllowingAPausedWebServiceAnewLetsItGoOn) {
  say();
  const auto id = make(kVideo, {});
  ASSERT_TRUE(id && desk_.set_paused(*id, true));
  EXPECT_FALSE(desk_.existing(wish(), device_));
  EXPECT_FALSE(desk_.unpause(wish(kPhotos), device_));
  const auto back = desk_.unpause(wish(), device_);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->id, *id);
  EXPECT_TRUE(desk_.existing(wish(), device_));
}

TEST_F(SentinelTest, ThePausedIsToldToItsDeviceAndSoIsItsReturn) {
  say();
  const auto id = make(kVideo, {});
  Upkeep upkeep;
  upkeep.checked_in(device_, clock_.wall + seconds(1));
  ASSERT_TRUE(desk_.set_paused(*id, true));
  auto due = upkeep.due_for(records_, device_, clock_.wall);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->hold, std::vector<GrantId>{*id});
  ASSERT_TRUE(records_.told_held(*id, true));
  clock_.pass(seconds(30 * 86400));
  EXPECT_FALSE(upkeep.due_for(records_, device_, clock_.wall)) << "no renewal while it is paused";
  ASSERT_TRUE(desk_.set_paused(*id, false));
  due = upkeep.due_for(records_, device_, clock_.wall);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->release, std::vector<GrantId>{*id});
  EXPECT_EQ(due->renew, std::vector<GrantId>{*id});
}

}  // namespace
}  // namespace latchkey::agent
