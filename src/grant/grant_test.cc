#include "grant/grant.h"

#include <gtest/gtest.h>

#include <set>

namespace latchkey::grant {
namespace {

// threats.md rows 16 and 48: pairwise everything.
TEST(Names, Row48EveryPartChangesHostAndSubject) {
  const Bytes secret(32, 1);
  const Bytes other_secret(32, 2);
  const ProfileId profile({1});
  const ProfileId other_profile({2});
  const DeviceId device(Digest256{1});
  const DeviceId other_device(Digest256{2});
  const auto origin = *Origin::parse("https://video.example");
  const auto other_origin = *Origin::parse("https://video.example:444");
  std::set<std::string> hosts;
  std::set<std::string> subjects;
  const auto add = [&](const Bytes& s, const ProfileId& p, const Origin& o, const DeviceId& d) {
    const auto host = pairwise_host(s, "media-cache", p, o, d);
    EXPECT_TRUE(host.has_pairwise_shape());
    EXPECT_TRUE(host.text().starts_with("media-cache-"));
    hosts.insert(host.text());
    subjects.insert(pairwise_subject(s, p, o, d));
  };
  add(secret, profile, origin, device);
  add(secret, profile, origin, device);  // the same again
  add(other_secret, profile, origin, device);
  add(secret, other_profile, origin, device);
  add(secret, profile, other_origin, device);
  add(secret, profile, origin, other_device);
  EXPECT_EQ(hosts.size(), 5U);
  EXPECT_EQ(subjects.size(), 5U);
  for (const auto& subject : subjects) {
    EXPECT_EQ(subject.size(), 22U);
  }
}

TEST(Names, DirectTag) {
  const Bytes secret(32, 1);
  EXPECT_EQ(direct_tag(secret, DeviceId(Digest256{1})).size(), 6U);
  EXPECT_NE(direct_tag(secret, DeviceId(Digest256{1})), direct_tag(secret, DeviceId(Digest256{2})));
}

TEST(State, NamesRoundTrip) {
  for (const auto state : {State::kPending, State::kActive, State::kSuspended, State::kRevoked}) {
    EXPECT_EQ(state_from(name_of(state)), state);
  }
}

AgentGrant active_grant() {
  const auto key = crypto::PrivateKey::generate();
  return {.id = GrantId({1}),
          .profile = ProfileId({1}),
          .device = DeviceId(Digest256{1}),
          .origin = Origin::parse("https://video.example"),
          .host = HostName::parse("media-cache-k3f7x2m7q4ab.local").value(),
          .sub = {},
          .ca_key = key,
          .ca_certificate = {},
          .ticket_key = key,
          .offer = {},
          .leaf = {},
          .not_after = {},
          .renew_at = {},
          .port = 0,
          .state = State::kActive,
          .created = {},
          .last_used = {},
          .block_until = {}};
}

// Whichever of the two comes first and goes first: the grant is active when neither is there.
TEST(Holds, ThePersonAndTheProviderDoNotUndoEachOther) {
  for (const bool person_first : {true, false}) {
    for (const bool person_leaves_first : {true, false}) {
      AgentGrant grant = active_grant();
      const auto pause = [&](bool on) { EXPECT_TRUE(set_paused(grant, on)); };
      const auto provider = [&](bool on) {
        EXPECT_TRUE(on ? hold_back(grant, Hold::kOriginRevoked) : lift_hold(grant));
      };
      person_first ? pause(true) : provider(true);
      EXPECT_EQ(grant.state, State::kSuspended);
      person_first ? provider(true) : pause(true);
      EXPECT_EQ(grant.hold, Hold::kOriginRevoked) << "the stronger reason is the one that is told";
      person_leaves_first ? pause(false) : provider(false);
      EXPECT_EQ(grant.state, State::kSuspended);
      EXPECT_EQ(grant.hold, person_leaves_first ? Hold::kOriginRevoked : Hold::kPaused);
      person_leaves_first ? provider(false) : pause(false);
      EXPECT_EQ(grant.state, State::kActive);
      EXPECT_FALSE(grant.hold);
    }
  }
}

TEST(Holds, WhatADeviceHasForgottenOrWhatEndedIsNeitherPausedNorResumed) {
  AgentGrant grant = active_grant();
  ASSERT_TRUE(set_paused(grant, true));
  ASSERT_TRUE(hold_back(grant, Hold::kDeviceReset));
  EXPECT_FALSE(grant.paused);
  EXPECT_FALSE(set_paused(grant, false));
  EXPECT_FALSE(lift_hold(grant));
  EXPECT_FALSE(hold_back(grant, Hold::kOriginRevoked));
  EXPECT_EQ(grant.hold, Hold::kDeviceReset);
  for (const State state : {State::kPending, State::kRevoked}) {
    AgentGrant other = active_grant();
    other.state = state;
    EXPECT_FALSE(set_paused(other, true));
    EXPECT_FALSE(lift_hold(other));
    EXPECT_EQ(other.state, state);
  }
}

}  // namespace
}  // namespace latchkey::grant
