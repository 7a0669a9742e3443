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

}  // namespace
}  // namespace latchkey::grant
