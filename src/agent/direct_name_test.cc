#include "agent/direct_name.h"

#include <gtest/gtest.h>

#include "agent/desk.h"

namespace latchkey::agent {
namespace {

const ProfileId kMine{ByteArray<16>{1}};
const ProfileId kOther{ByteArray<16>{2}};
const DeviceId kDevice{ByteArray<32>{3}};
const DeviceId kTwin{ByteArray<32>{4}};
const WallTime kNow{1800000000};
const HostName kAttic = *HostName::direct("attic");

grant::AgentGrant grant_of(const ProfileId& profile, const DeviceId& device, grant::State state,
                           std::optional<Origin> origin = std::nullopt) {
  return {.id = GrantId{ByteArray<16>{9}},
          .profile = profile,
          .device = device,
          .origin = std::move(origin),
          .host = kAttic,
          .sub = {},
          .ca_key = crypto::PrivateKey::generate(),
          .ca_certificate = {},
          .ticket_key = crypto::PrivateKey::generate(),
          .offer = {},
          .leaf = {1},
          .not_after = kNow + seconds(60),
          .renew_at = {},
          .port = 443,
          .state = state,
          .created = kNow,
          .last_used = {},
          .block_until = {}};
}

std::optional<NameTrouble> trouble(const std::vector<grant::AgentGrant>& grants,
                                   const DeviceId& device = kDevice, WallTime now = kNow) {
  return name_trouble(kAttic, {kMine, device}, "desktop", grants, now);
}

TEST(DirectName, IsMadeOfTheDevicesName) {
  EXPECT_EQ(proposed_slug("Living room cache", "media-cache"), "living-room-cache");
  EXPECT_EQ(proposed_slug("居間", "media-cache"), "media-cache");
  EXPECT_EQ(proposed_slug("localhost", "nas"), "nas");
  EXPECT_EQ(proposed_slug("", ""), "device");
  EXPECT_EQ(proposed_slug(std::string(500, 'x'), "nas").size(), 40U);
}

// threats.md row 50: what looks pairwise is neither taken nor proposed.
TEST(DirectName, NeverLooksAsIfMadeForAWebService) {
  EXPECT_FALSE(HostName::direct("kitchen-refrigerator"));
  EXPECT_EQ(proposed_slug("Kitchen refrigerator", "nas"), "kitchenrefrigerator");
  EXPECT_EQ(proposed_slug("my kitchen refrigerator", "nas"), "my-kitchenrefrigerator");
  EXPECT_EQ(proposed_slug("media-cache-k3f7x2m7q4ab", "nas"), "media-cachek3f7x2m7q4ab");
  for (const std::string slug :
       {"attic", "kitchenrefrigerator", "a", "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r"}) {
    for (const HostName& name : name_candidates(slug, "abcdef")) {
      EXPECT_FALSE(name.has_pairwise_shape()) << name.text();
      EXPECT_LE(name.label().size(), 40U);
    }
  }
}

TEST(DirectName, IsFollowedByOnesWithATag) {
  const auto names = name_candidates("attic", "abcdef");
  ASSERT_EQ(names.size(), 4U);
  EXPECT_EQ(names[0].text(), "attic.local");
  EXPECT_EQ(names[1].text(), "attic-abcdef.local");
  EXPECT_EQ(names[2].text(), "attic-2-abcdef.local");
  EXPECT_EQ(name_candidates(std::string(40, 'x'), "abcdef")[3].label().size(), 40U);
}

TEST(DirectName, OfThisComputerIsRefused) {
  EXPECT_EQ(name_trouble(*HostName::direct("desktop"), {kMine, kDevice}, "desktop", {}, kNow),
            NameTrouble::kThisComputer);
  EXPECT_FALSE(trouble({}));
}

// threats.md rows 3 and 50: a second device of the same name never gets the first one's.
TEST(DirectName, HasOneOwnerUntilItsLastCertificateIsDead) {
  using grant::State;
  EXPECT_EQ(trouble({grant_of(kMine, kTwin, State::kActive)}), NameTrouble::kYours);
  EXPECT_EQ(trouble({grant_of(kMine, kTwin, State::kSuspended)}), NameTrouble::kYours);
  EXPECT_EQ(trouble({grant_of(kMine, kTwin, State::kRevoked)}), NameTrouble::kYours);
  EXPECT_FALSE(trouble({grant_of(kMine, kTwin, State::kRevoked)}, kDevice, kNow + seconds(61)));
  EXPECT_EQ(trouble({grant_of(kMine, kTwin, State::kActive)}, kDevice, kNow + seconds(61)),
            NameTrouble::kYours)
      << "renewal may only be late";
  EXPECT_EQ(trouble({grant_of(kOther, kDevice, State::kActive)}), NameTrouble::kYours);
  EXPECT_EQ(trouble({grant_of(kMine, kDevice, State::kActive, Origin::parse("https://a.example"))}),
            NameTrouble::kYours);
}

TEST(DirectName, OnesOwnIsNoTrouble) {
  using grant::State;
  EXPECT_FALSE(trouble({grant_of(kMine, kDevice, State::kPending)}));
  EXPECT_FALSE(trouble({grant_of(kMine, kDevice, State::kRevoked)}));
  const NameOwner me{kMine, kDevice};
  EXPECT_TRUE(had_name(kAttic, me, std::vector{grant_of(kMine, kDevice, State::kRevoked)}));
  EXPECT_FALSE(had_name(kAttic, me, std::vector{grant_of(kMine, kTwin, State::kRevoked)}));
  EXPECT_FALSE(had_name(kAttic, me, std::vector{grant_of(kOther, kDevice, State::kRevoked)}));
  EXPECT_FALSE(had_name(kAttic, me, {}));
}

}  // namespace
}  // namespace latchkey::agent
