#include "store/agent_store.h"

#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "grant/renewal_time.h"
#include "store/test_support.h"

namespace latchkey::store {
namespace {

using testing::describe;
using testing::host_of;
using testing::id_of;
using testing::issued;
using testing::key_of;
using testing::make_binding;
using testing::make_grant;

constexpr WallTime kNow{4000};
constexpr Ending kEnding{{6000}, {96400}};

class AgentStoreTest : public ::testing::Test {
 protected:
  AgentStoreTest() { reopen(); }
  void reopen() {
    store_.reset();
    auto opened = AgentStore::open(folder_.path(), sealer_, random_);
    if (!opened) {
      FAIL() << opened.error().detail;
    }
    store_ = *std::move(opened);
  }
  AgentStore& store() { return *store_; }
  // An active grant `n` on device `device`.
  void make_active(std::uint8_t n, std::uint8_t device) {
    ASSERT_TRUE(store().save_pending(make_binding(device), make_grant(n, device), kNow));
    ASSERT_TRUE(store().save_issued(make_binding(device), issued(make_grant(n, device)), kNow));
    ASSERT_TRUE(store().activate(id_of<GrantId>(n), 8443));
  }
  grant::AgentGrant stored(std::uint8_t n) {
    return store().grant(Scope::everything(), id_of<GrantId>(n)).value().value();
  }
  testing::TempFolder folder_;
  testing::BoundSealer sealer_;
  testing::CountingRandom random_;
  std::optional<AgentStore> store_;
};

TEST_F(AgentStoreTest, KeepsTheUser) {
  EXPECT_FALSE(store().user().value().has_value());
  ASSERT_TRUE(
      store().create_user({SecretBytes::copy_of(Bytes(32, 9)), key_of(5), Bytes{1, 2, 3}, {77}}));
  EXPECT_EQ(store().create_user({SecretBytes(32), key_of(6), {}, {}}).error().code,
            ErrorCode::kConflict);
  ASSERT_TRUE(store().replace_root(key_of(6), Bytes{4}));
  reopen();
  const User user = store().user().value().value();
  EXPECT_EQ(to_bytes(user.secret.span()), Bytes(32, 9));
  EXPECT_EQ(user.root_key.public_key(), key_of(6).public_key());
  EXPECT_EQ(user.root_certificate, Bytes{4});
  EXPECT_EQ(user.created, WallTime{77});
}

TEST_F(AgentStoreTest, KeepsSettings) {
  EXPECT_FALSE(store().root_installed_at().value().has_value());
  ASSERT_TRUE(store().set_root_installed_at(WallTime{123}));
  ASSERT_TRUE(store().set_setting({"a", "b"}));
  reopen();
  EXPECT_EQ(store().root_installed_at().value(), WallTime{123});
  EXPECT_EQ(store().setting("a").value(), "b");
  ASSERT_TRUE(store().set_root_installed_at(std::nullopt));
  EXPECT_FALSE(store().root_installed_at().value().has_value());
  EXPECT_FALSE(store().set_setting({"a", std::string(5000, 'x')})) << "bounded";
}

TEST_F(AgentStoreTest, KeepsAGrantThroughItsLife) {
  grant::AgentGrant grant = make_grant(1, 7);
  ASSERT_TRUE(store().save_pending(make_binding(7), grant, kNow));
  reopen();
  EXPECT_EQ(describe(stored(1)), describe(grant));
  EXPECT_EQ(describe(store().binding(id_of<DeviceId>(7)).value().value()),
            describe(make_binding(7)));
  EXPECT_EQ(store().pending_grants().value().size(), 1U);
  EXPECT_EQ(store().activate(grant.id, 1).error().code, ErrorCode::kConflict)
      << "nothing was issued";

  grant = issued(grant);
  ASSERT_TRUE(store().save_issued(make_binding(7), grant, kNow));
  EXPECT_EQ(describe(stored(1)), describe(grant));
  ASSERT_TRUE(store().activate(grant.id, 8443));
  ASSERT_TRUE(store().activate(grant.id, 8443)) << "repeating it is harmless";
  reopen();
  grant.state = grant::State::kActive;
  grant.port = 8443;
  grant.offer.clear();
  EXPECT_EQ(describe(stored(1)), describe(grant));
  EXPECT_TRUE(store().pending_grants().value().empty());

  grant.leaf.push_back(1);
  grant.not_after = {20000};
  grant.renew_at = {15000};
  ASSERT_TRUE(store().save_renewed(grant));
  reopen();
  EXPECT_EQ(describe(stored(1)), describe(grant));
  EXPECT_EQ(store().save_pending(make_binding(7), make_grant(1, 7), kNow).error().code,
            ErrorCode::kConflict)
      << "an active grant does not become pending again";

  ASSERT_TRUE(store().suspend(grant.id, grant::Hold::kOriginSuspended));
  ASSERT_TRUE(store().suspend(grant.id, grant::Hold::kOriginRevoked));
  EXPECT_EQ(store().grant(Scope::everything(), grant.id).value()->hold,
            grant::Hold::kOriginRevoked);
  ASSERT_TRUE(store().set_told_held(grant.id, true));
  EXPECT_TRUE(store().grant(Scope::everything(), grant.id).value()->told_held);
  EXPECT_EQ(stored(1).state, grant::State::kSuspended);
  ASSERT_TRUE(store().resume(grant.id));
  ASSERT_TRUE(store().revoke(grant.id, kEnding));
  reopen();
  EXPECT_EQ(stored(1).state, grant::State::kRevoked);
  EXPECT_EQ(stored(1).block_until, kEnding.block_until);
  EXPECT_EQ(store().resume(grant.id).error().code, ErrorCode::kConflict);
  EXPECT_EQ(store().save_renewed(grant).error().code, ErrorCode::kConflict);
}

TEST_F(AgentStoreTest, RemembersWhatARenewalReplacedUntilItArrived) {
  grant::AgentGrant grant = issued(make_grant(1, 7));
  ASSERT_TRUE(store().save_pending(make_binding(7), make_grant(1, 7), kNow));
  ASSERT_TRUE(store().save_issued(make_binding(7), grant, kNow));
  ASSERT_TRUE(store().activate(grant.id, 443));
  const Bytes before = grant.ca_certificate;
  grant.ca_certificate.push_back(1);
  ASSERT_TRUE(store().save_renewed(grant));
  reopen();
  EXPECT_EQ(store().unconfirmed(grant.id).value().authorities, std::vector{crypto::sha256(before)});
  grant.renew_at = grant.renew_at + seconds(1000);
  ASSERT_TRUE(store().save_renewed(grant));
  EXPECT_TRUE(store().unconfirmed(grant.id).value().empty());

  grant.ca_certificate.push_back(2);
  ASSERT_TRUE(store().save_renewed(grant));
  EXPECT_FALSE(store().unconfirmed(grant.id).value().empty());
  ASSERT_TRUE(store().revoke(grant.id, kEnding));
  EXPECT_TRUE(store().unconfirmed(grant.id).value().empty());
}

TEST_F(AgentStoreTest, ADirectGrantHasNoOrigin) {
  grant::AgentGrant grant = make_grant(1, 7);
  grant.origin.reset();
  grant.host = HostName::direct("media-cache").value();
  ASSERT_TRUE(store().save_pending(make_binding(7), grant, kNow));
  EXPECT_EQ(describe(stored(1)), describe(grant));
}

TEST_F(AgentStoreTest, ProfilesAreSeparate) {
  make_active(1, 7);
  grant::AgentGrant other = make_grant(2, 7);
  other.profile = id_of<ProfileId>(2);
  ASSERT_TRUE(store().save_pending(make_binding(7), other, kNow));

  const Scope first = Scope::of(id_of<ProfileId>(1));
  const Scope second = Scope::of(id_of<ProfileId>(2));
  const Scope nobody = Scope::of(id_of<ProfileId>(3));
  EXPECT_TRUE(store().grant(first, id_of<GrantId>(1)).value());
  EXPECT_FALSE(store().grant(second, id_of<GrantId>(1)).value());
  EXPECT_FALSE(store().grant(first, id_of<GrantId>(2)).value());
  EXPECT_FALSE(store().grant_of_host(second, host_of(1)).value());
  EXPECT_TRUE(store().grant_of_host(second, host_of(2)).value());
  EXPECT_EQ(store().grants(first).value().size(), 1U);
  EXPECT_EQ(store().grants(second).value().size(), 1U);
  EXPECT_TRUE(store().grants(nobody).value().empty());
  EXPECT_EQ(store().grants(Scope::everything()).value().size(), 2U);
}

TEST_F(AgentStoreTest, AHostBelongsToOneDeviceAndOriginUntilItsLastLeafExpired) {
  make_active(1, 7);  // notAfter 10000
  grant::AgentGrant thief = make_grant(2, 8);
  thief.host = host_of(1);
  EXPECT_EQ(store().save_pending(make_binding(8), thief, kNow).error().code, ErrorCode::kConflict);
  EXPECT_FALSE(store().binding(id_of<DeviceId>(8)).value()) << "nothing of it was stored";

  grant::AgentGrant other_origin = make_grant(2, 7);
  other_origin.host = host_of(1);
  other_origin.origin = Origin::parse("https://other.example");
  ASSERT_TRUE(store().revoke(id_of<GrantId>(1), kEnding));
  EXPECT_EQ(store().save_pending(make_binding(7), other_origin, {9999}).error().code,
            ErrorCode::kConflict);
  EXPECT_TRUE(store().save_pending(make_binding(7), other_origin, {10000}));
  thief.id = id_of<GrantId>(3);
  EXPECT_EQ(store().save_pending(make_binding(8), thief, {20000}).error().code,
            ErrorCode::kConflict)
      << "held by a grant that is alive, though without a leaf";
}

TEST_F(AgentStoreTest, APendingGrantIsChangedByItsOwnerOnly) {
  ASSERT_TRUE(store().save_pending(make_binding(7), make_grant(1, 7), kNow));
  EXPECT_EQ(store().save_pending(make_binding(8), make_grant(1, 8), kNow).error().code,
            ErrorCode::kConflict);
  grant::AgentGrant other = make_grant(1, 7);
  other.profile = id_of<ProfileId>(2);
  EXPECT_EQ(store().save_pending(make_binding(7), other, kNow).error().code, ErrorCode::kConflict);
  EXPECT_EQ(describe(stored(1)), describe(make_grant(1, 7)));
}

TEST_F(AgentStoreTest, OneLiveGrantPerHost) {
  make_active(1, 7);
  grant::AgentGrant again = make_grant(2, 7);
  again.host = host_of(1);
  EXPECT_EQ(store().save_pending(make_binding(7), again, kNow).error().code, ErrorCode::kConflict);
  ASSERT_TRUE(store().revoke(id_of<GrantId>(1), kEnding));
  EXPECT_TRUE(store().save_pending(make_binding(7), again, kNow));
  EXPECT_EQ(store().grant_of_host(Scope::everything(), host_of(1)).value()->id, again.id)
      << "the one that lives";
}

TEST_F(AgentStoreTest, RevokingOwesADeletion) {
  make_active(1, 7);
  ASSERT_TRUE(store().revoke(id_of<GrantId>(1), kEnding));
  ASSERT_TRUE(store().revoke(id_of<GrantId>(1), {{9000}, {1}}));
  reopen();
  auto owed = store().deletions().value();
  ASSERT_EQ(owed.size(), 1U) << "the second time owes nothing";
  EXPECT_EQ(owed[0].grant, id_of<GrantId>(1));
  EXPECT_EQ(describe(owed[0].binding), describe(make_binding(7)));
  EXPECT_EQ(stored(1).block_until, kEnding.block_until);

  ASSERT_TRUE(store().deletion_tried(owed[0].id, {7000}));
  grant::Binding moved = make_binding(7);
  moved.address = "192.168.1.99";
  ASSERT_TRUE(store().update_binding(moved));
  reopen();
  owed = store().deletions().value();
  EXPECT_EQ(owed[0].tries, 1U);
  EXPECT_EQ(owed[0].last_try, WallTime{7000});
  EXPECT_EQ(owed[0].binding.address, "192.168.1.99") << "where it was seen last";
  ASSERT_TRUE(store().deletion_done(owed[0].id));
  ASSERT_TRUE(store().deletion_done(owed[0].id));
  EXPECT_TRUE(store().deletions().value().empty());
}

TEST_F(AgentStoreTest, ForgettingADeviceEndsEverythingOnIt) {
  make_active(1, 7);
  make_active(2, 7);
  make_active(3, 8);
  ASSERT_TRUE(store().revoke(id_of<GrantId>(1), kEnding));
  ASSERT_TRUE(store().forget_device(id_of<DeviceId>(7), kEnding));
  reopen();
  EXPECT_FALSE(store().binding(id_of<DeviceId>(7)).value());
  EXPECT_EQ(stored(2).state, grant::State::kRevoked);
  EXPECT_EQ(stored(3).state, grant::State::kActive);
  const auto owed = store().deletions().value();
  ASSERT_EQ(owed.size(), 1U) << "the whole takes the place of the part";
  EXPECT_FALSE(owed[0].grant);
  EXPECT_EQ(describe(owed[0].binding), describe(make_binding(7))) << "with the key to say it";
}

TEST_F(AgentStoreTest, AResetDeviceIsOwedNothing) {
  make_active(1, 7);
  ASSERT_TRUE(store().mark_reset(id_of<DeviceId>(7)));
  EXPECT_EQ(stored(1).state, grant::State::kSuspended);
  EXPECT_TRUE(store().binding(id_of<DeviceId>(7)).value()->reset);
  ASSERT_TRUE(store().revoke(id_of<GrantId>(1), kEnding));
  ASSERT_TRUE(store().forget_device(id_of<DeviceId>(7), kEnding));
  EXPECT_TRUE(store().deletions().value().empty());
}

TEST_F(AgentStoreTest, DiscardLeavesNoTrace) {
  const std::string before = testing::dump_rows(folder_.file("agent.db"));
  grant::Binding unbound = make_binding(7);
  unbound.bound_at = {};
  ASSERT_TRUE(store().save_pending(unbound, make_grant(1, 7), kNow));
  ASSERT_TRUE(store().discard(id_of<GrantId>(1)));
  reopen();
  EXPECT_EQ(testing::dump_rows(folder_.file("agent.db")), before);
  make_active(2, 7);
  EXPECT_EQ(store().discard(id_of<GrantId>(2)).error().code, ErrorCode::kConflict);
  EXPECT_EQ(store().discard(id_of<GrantId>(9)).error().code, ErrorCode::kNotFound);
}

TEST_F(AgentStoreTest, FindsRenewalsByTime) {
  EXPECT_FALSE(store().next_renewal().value());
  make_active(1, 7);  // 5001
  make_active(2, 7);  // 5002
  make_active(3, 8);  // 5003
  ASSERT_TRUE(store().suspend(id_of<GrantId>(1), grant::Hold::kDeviceRevoked));
  EXPECT_EQ(store().next_renewal().value(), WallTime{5002});
  EXPECT_TRUE(store().renewals_due({5001}).value().empty());
  const auto due = store().renewals_due({6000}).value();
  ASSERT_EQ(due.size(), 2U);
  EXPECT_EQ(due[0].id, id_of<GrantId>(2));
}

TEST_F(AgentStoreTest, Row34WhatWasRenewedWhileTheClockWasAheadIsDue) {
  make_active(1, 7);  // 5001
  const WallTime before = WallTime{5001} - grant::kLongestWait;
  EXPECT_TRUE(store().renewals_due(before).value().empty());
  ASSERT_EQ(store().renewals_due(before - std::chrono::seconds(1)).value().size(), 1U);
}

TEST_F(AgentStoreTest, NextRenewalPassesOverWhatIsOverdue) {
  make_active(1, 7);  // 5001
  make_active(2, 7);  // 5002
  EXPECT_EQ(store().next_renewal({5001}).value(), WallTime{5002});
  EXPECT_FALSE(store().next_renewal({5002}).value());
}

TEST_F(AgentStoreTest, PagesFollowEachOther) {
  for (std::uint8_t i = 1; i <= 7; ++i) {
    make_active(i, 7);
  }
  std::vector<GrantId> seen;
  AgentStore::Page page{std::nullopt, 3};
  for (const std::size_t size : {3U, 3U, 1U, 0U}) {
    const auto grants = store().grants_page(Scope::everything(), page).value();
    ASSERT_EQ(grants.size(), size);
    for (const auto& grant : grants) {
      seen.push_back(grant.id);
      page.after = grant.id;
    }
  }
  std::vector<GrantId> all;
  const auto grants = store().grants(Scope::everything()).value();
  for (const auto& grant : grants) {
    all.push_back(grant.id);
  }
  EXPECT_EQ(seen, all);
  EXPECT_EQ(store().grant_count().value(), 7U);
  page.after = id_of<GrantId>(99);
  EXPECT_EQ(store().grants_page(Scope::everything(), page).error().code, ErrorCode::kNotFound);
}

TEST_F(AgentStoreTest, NewsIsWhatDevicesHaveNotHeard) {
  make_active(1, 7);
  make_active(2, 7);
  const WallTime later = stored(2).created + std::chrono::seconds(1);
  EXPECT_EQ(store().news({0}).value().size(), 2U) << "made since";
  EXPECT_TRUE(store().news(later).value().size() <= 2U);
  reopen();
  EXPECT_TRUE(store().news(later).value().empty());
  ASSERT_TRUE(store().suspend(id_of<GrantId>(1), grant::Hold::kOriginRevoked));
  ASSERT_EQ(store().news(later).value().size(), 1U);
  EXPECT_EQ(store().news(later).value()[0].hold, grant::Hold::kOriginRevoked);
  ASSERT_TRUE(store().set_told_held(id_of<GrantId>(1), true));
  EXPECT_TRUE(store().news(later).value().empty());
  ASSERT_TRUE(store().resume(id_of<GrantId>(1)));
  ASSERT_EQ(store().news(later).value().size(), 1U);
  EXPECT_TRUE(store().news(later).value()[0].told_held);
  ASSERT_TRUE(store().suspend(id_of<GrantId>(2), grant::Hold::kDeviceReset));
  EXPECT_EQ(store().news(later).value().size(), 1U) << "a reset device is told nothing";
  ASSERT_TRUE(store().set_told_held(id_of<GrantId>(1), false));
  ASSERT_TRUE(store().set_paused(id_of<GrantId>(1), true));
  ASSERT_EQ(store().news(later).value().size(), 1U) << "paused by the person";
  EXPECT_EQ(store().news(later).value()[0].hold, grant::Hold::kPaused);
  EXPECT_EQ(store().standings().value()[0].hold, grant::Hold::kPaused);
  ASSERT_TRUE(store().set_told_held(id_of<GrantId>(1), true));
  EXPECT_TRUE(store().news(later).value().empty());
  ASSERT_TRUE(store().set_paused(id_of<GrantId>(1), false));
  ASSERT_EQ(store().news(later).value().size(), 1U) << "and let go on";
  const auto standings = store().standings().value();
  ASSERT_EQ(standings.size(), 2U);
  EXPECT_EQ(standings[0].renew_at, WallTime{5001});
  EXPECT_EQ(standings[1].state, grant::State::kSuspended);
  EXPECT_EQ(standings[0].origin, stored(1).origin);
}

TEST_F(AgentStoreTest, TouchIsSeenAtOnceAndWrittenLater) {
  make_active(1, 7);
  store().touch(id_of<GrantId>(1), {4444});
  store().touch(id_of<GrantId>(9), {4444});  // unknown: ignored
  EXPECT_EQ(stored(1).last_used, WallTime{4444});
  reopen();
  EXPECT_EQ(stored(1).last_used, WallTime{4444});
  store().touch(id_of<GrantId>(1), {5555});
  ASSERT_TRUE(store().flush());
  reopen();
  EXPECT_EQ(stored(1).last_used, WallTime{5555});
}

TEST_F(AgentStoreTest, PurgeKeepsBlockedHosts) {
  make_active(1, 7);
  make_active(2, 7);
  store().touch(id_of<GrantId>(1), {4444});
  ASSERT_TRUE(store().revoke(id_of<GrantId>(1), kEnding));
  ASSERT_TRUE(store().purge(kEnding.block_until - seconds(1)));
  EXPECT_EQ(store().grants(Scope::everything()).value().size(), 2U);
  ASSERT_TRUE(store().purge(kEnding.block_until));
  reopen();
  EXPECT_EQ(store().grants(Scope::everything()).value().size(), 1U);
  EXPECT_EQ(store().deletions().value().size(), 1U) << "still owed";
}

TEST_F(AgentStoreTest, SecretsOfGrantsCannotBeSwapped) {
  make_active(1, 7);
  make_active(2, 7);
  store_.reset();
  testing::tamper(folder_.file("agent.db"),
                  "UPDATE agent_grant SET ca_key = (SELECT ca_key FROM agent_grant WHERE id = "
                  "x'01010101010101010101010101010101')");
  const auto opened = AgentStore::open(folder_.path(), sealer_, random_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
}

TEST_F(AgentStoreTest, APauseIsKeptBesideWhatProvidersSay) {
  make_active(1, 7);
  const GrantId id = id_of<GrantId>(1);
  ASSERT_TRUE(store().set_paused(id, true));
  ASSERT_TRUE(store().set_paused(id, true)) << "repeating it is harmless";
  reopen();
  EXPECT_EQ(stored(1).state, grant::State::kSuspended);
  EXPECT_EQ(stored(1).hold, grant::Hold::kPaused);
  ASSERT_TRUE(store().suspend(id, grant::Hold::kOriginRevoked));
  reopen();
  EXPECT_EQ(stored(1).hold, grant::Hold::kOriginRevoked);
  EXPECT_TRUE(stored(1).paused);
  ASSERT_TRUE(store().resume(id));
  reopen();
  EXPECT_EQ(stored(1).hold, grant::Hold::kPaused) << "the provider's word is not the person's";
  ASSERT_TRUE(store().suspend(id, grant::Hold::kDeviceRevoked));
  ASSERT_TRUE(store().set_paused(id, false));
  reopen();
  EXPECT_EQ(stored(1).hold, grant::Hold::kDeviceRevoked);
  ASSERT_TRUE(store().resume(id));
  reopen();
  EXPECT_EQ(stored(1).state, grant::State::kActive);
  EXPECT_FALSE(stored(1).hold || stored(1).paused);
}

TEST_F(AgentStoreTest, NothingOfAPauseOutlivesTheGrant) {
  make_active(1, 7);
  make_active(2, 7);
  make_active(3, 8);
  for (std::uint8_t n = 1; n <= 3; ++n) {
    ASSERT_TRUE(store().set_paused(id_of<GrantId>(n), true));
  }
  const auto kept = [&](std::uint8_t n) {
    return store().setting("paused." + id_of<GrantId>(n).hex()).value().has_value();
  };
  EXPECT_TRUE(kept(1) && kept(2) && kept(3));
  ASSERT_TRUE(store().revoke(id_of<GrantId>(1), kEnding));
  ASSERT_TRUE(store().forget_device(id_of<DeviceId>(7), kEnding));
  ASSERT_TRUE(store().mark_reset(id_of<DeviceId>(8)));
  EXPECT_FALSE(kept(1) || kept(2) || kept(3));
  EXPECT_EQ(stored(3).hold, grant::Hold::kDeviceReset);
  EXPECT_EQ(store().set_paused(id_of<GrantId>(3), false).error().code, ErrorCode::kConflict);
  EXPECT_EQ(store().set_paused(id_of<GrantId>(1), true).error().code, ErrorCode::kConflict);
}

}  // namespace
}  // namespace latchkey::store
