#include "agent/listing.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "agent/neighbours.h"
#include "agent/reply.h"
#include "support/fake_random.h"
#include "support/memory_records.h"
#include "support/standing_trust.h"
#include "wire/names.h"

namespace latchkey::agent {
namespace {

TEST(Listing, TenThousandGrantsComeInPagesThatFit) {
  testing::FakeRandom random;
  testing::FixedClock clock;
  testing::MemoryRecords records(random, clock);
  const auto key = crypto::PrivateKey::generate();
  const ProfileId mine = ProfileId::make(random);
  // As long as they come.
  grant::AgentGrant grant{
      .id = GrantId::make(random),
      .profile = mine,
      .device = DeviceId(ByteArray<32>{1}),
      .origin = Origin::parse("https://" + std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                              std::string(63, 'c') + ".example"),
      .host = *HostName::direct("a"),
      .sub = {},
      .ca_key = key,
      .ca_certificate = Bytes(700, 1),
      .ticket_key = key,
      .offer = {},
      .leaf = Bytes(700, 1),
      .not_after = clock.wall,
      .renew_at = clock.wall,
      .port = 65535,
      .state = grant::State::kActive,
      .created = clock.wall,
      .last_used = {},
      .block_until = {}};
  for (int i = 0; i < 10'050; ++i) {
    grant.id = GrantId::make(random);
    grant.host = *HostName::direct("device-" + std::to_string(i));
    grant.profile = i % 201 == 0 ? ProfileId::make(random) : mine;
    records.add(grant);
  }
  testing::StandingTrust trust;
  std::set<GrantId> seen;
  ListQuery query{std::nullopt, true,
                  [&](const grant::AgentGrant& one) { return one.profile == mine; }};
  std::size_t pages = 0;
  do {
    const auto page = list_page(records, query, clock.wall);
    ASSERT_TRUE(page);
    auto list = nlohmann::json::array();
    for (const auto& one : page->grants) {
      EXPECT_TRUE(seen.insert(one.id).second);
      list.push_back(grant_json(one, std::nullopt, trust.trust()));
    }
    EXPECT_LT(reply_text(1, {{"grants", list}}).size(), wire::kMaxAgentMessage / 2);
    query.after = page->more;
    ++pages;
  } while (query.after);
  EXPECT_EQ(seen.size(), 10'000U);
  EXPECT_EQ(pages, 51U);
  // Its device was forgotten; a reader that refuses what has no type would see nothing any more.
  const auto forgotten = grant_json(grant, std::nullopt, trust.trust());
  EXPECT_EQ(forgotten["type"], kUnknownType);
  query.after = GrantId::make(random);
  EXPECT_FALSE(list_page(records, query, clock.wall)) << "begins after what is gone";
}

}  // namespace
}  // namespace latchkey::agent
