// Section 7, judged request by request.
#include "front/management.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "support/device_grant.h"
#include "support/fake_random.h"
#include "support/memory_device_ledger.h"
#include "wire/cbor.h"

namespace latchkey::front {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kWall{1'800'000'000};
constexpr MonoTime kNow{1'000'000};

class MemoryRecords final : public ManagementRecords {
 public:
  explicit MemoryRecords(testing::MemoryDeviceLedger& ledger) : ledger_(ledger) {}
  std::optional<grant::BoundAgent> agent(const SpkiHash& key) override {
    const auto at = ledger_.agents.find(key);
    return at == ledger_.agents.end() ? std::nullopt : std::optional(at->second);
  }
  std::vector<grant::BoundAgent> agents() override {
    std::vector<grant::BoundAgent> out;
    for (const auto& [key, agent] : ledger_.agents) {
      out.push_back(agent);
    }
    return out;
  }
  bool seen(const SpkiHash& key, WallTime now) override {
    auto& last = ledger_.agents.at(key).last_seen;
    last = std::max(last, now);
    return !broken;
  }
  std::vector<grant::DeviceGrant> grants_of(const SpkiHash& key) override {
    std::vector<grant::DeviceGrant> out;
    for (const auto& [id, grant] : ledger_.grants) {
      if (id.first == key) {
        out.push_back(grant);
      }
    }
    return out;
  }
  bool confirm(const SpkiHash& key, const GrantId& id) override {
    ledger_.grants.at({key, id}).confirmed = true;
    return true;
  }
  bool set_suspended(const SpkiHash& key, const GrantId& id, bool suspended) override {
    if (broken_writes) {
      return false;
    }
    ledger_.grants.at({key, id}).suspended = suspended;
    return true;
  }
  bool set_sign_in(const SpkiHash& key, const GrantId& id, const SignInOffer& sso) override {
    if (broken_writes) {
      return false;
    }
    ledger_.grants.at({key, id}).sso = sso;
    return true;
  }
  bool delete_grant(const SpkiHash& key, const GrantId& id) override {
    ledger_.grants.erase({key, id});
    return true;
  }
  bool delete_agent(const SpkiHash& key) override {
    std::erase_if(ledger_.grants, [&](const auto& entry) { return entry.first.first == key; });
    ledger_.agents.erase(key);
    return true;
  }
  std::vector<AuditLine> audit(std::size_t at_most) override {
    return {lines.begin(),
            lines.begin() + static_cast<std::ptrdiff_t>(std::min(at_most, lines.size()))};
  }
  std::uint64_t number(const SpkiHash& key) override { return people.number(key); }
  People people;
  std::vector<AuditLine> lines;
  bool broken = false;
  bool broken_writes = false;

 private:
  testing::MemoryDeviceLedger& ledger_;
};

class ManagementTest : public ::testing::Test {
 protected:
  ManagementTest() {
    for (const auto& agent : {mine_, other_}) {
      ledger_.agents.emplace(agent, grant::BoundAgent{agent, {}, kWall, kWall});
    }
  }
  GrantId hold(const SpkiHash& agent, std::string_view host) {
    const auto grant =
        testing::active_grant(random_, agent, Origin::parse("https://video.example"), host, kWall);
    ledger_.grants.emplace(std::pair(agent, grant.id), grant);
    return grant.id;
  }
  ManagementOutcome ask(std::string method, std::string target,
                        std::optional<std::string> time = "1800000000",
                        std::optional<SpkiHash> agent = std::nullopt, ByteSpan body = {}) {
    wire::HttpRequestHead head{std::move(method), std::move(target), 1, {}};
    if (time) {
      head.fields.add("Latchkey-Time", *time);
    }
    return desk_.handle({head, body, agent.value_or(mine_), {}}, kWall, kNow);
  }
  static std::string code(const ManagementOutcome& outcome) {
    return wire::decode_cbor(as_bytes(outcome.answer.body))->value("code", "");
  }

  testing::FakeRandom random_;
  SpkiHash mine_ = SpkiHash::make(random_);
  SpkiHash other_ = SpkiHash::make(random_);
  testing::MemoryDeviceLedger ledger_;
  MemoryRecords records_{ledger_};
  enroll::DeviceIdentity identity_{
      crypto::PrivateKey::generate(), "n", "media-cache", "m", "1", {}, 8443};
  enroll::DeviceEnrollment enrollment_{ledger_, identity_};
  grant::TicketGate gate_{random_};
  ManagementDesk desk_{records_, enrollment_, gate_};
};

TEST_F(ManagementTest, UnknownKeysGetNotGranted) {
  const auto outcome = ask("GET", "/grants", "1800000000", SpkiHash::make(random_));
  EXPECT_EQ(outcome.answer.status, 403);
  EXPECT_EQ(code(outcome), "not_granted");
}

TEST_F(ManagementTest, TimeIsRequired) {
  for (const std::optional<std::string>& time :
       {std::optional<std::string>{}, std::optional<std::string>{""},
        std::optional<std::string>{"-5"}, std::optional<std::string>{"1e9"},
        std::optional<std::string>{"99999999999999"}}) {
    EXPECT_EQ(code(ask("GET", "/grants", time)), "malformed");
  }
}

TEST_F(ManagementTest, Threat34AClockTurnedBackStaysAtItsFloor) {
  EXPECT_EQ(ask("GET", "/grants", "1800001000").answer.status, 200);
  EXPECT_EQ(ask("GET", "/grants", "1700000000").answer.status, 200);
  EXPECT_EQ(gate_.trusted_now(mine_, kNow)->unix_seconds, 1'800'001'000);
  EXPECT_FALSE(gate_.trusted_now(other_, kNow));
}

TEST_F(ManagementTest, ListsAndConfirmsOnlyItsOwn) {
  const GrantId id = hold(mine_, "media-cache-k3f7x2m7q4ab.local");
  const GrantId theirs = hold(other_, "media-cache-zzzzzzzzzzzz.local");
  const auto outcome = ask("GET", "/grants");
  const auto list = *wire::decode_cbor(as_bytes(outcome.answer.body));
  ASSERT_EQ(list.at("grants").size(), 1U);
  EXPECT_EQ(list.at("grants")[0].at("host"), "media-cache-k3f7x2m7q4ab.local");
  EXPECT_TRUE(ledger_.grants.at({mine_, id}).confirmed);
  EXPECT_FALSE(ledger_.grants.at({other_, theirs}).confirmed);
}

TEST_F(ManagementTest, AgreesOnAnotherProviderForItsOwnOnly) {
  const GrantId id = hold(mine_, "media-cache-k3f7x2m7q4ab.local");
  const GrantId theirs = hold(other_, "media-cache-zzzzzzzzzzzz.local");
  const auto agree = [this](const GrantId& grant, std::string_view issuer) {
    const Bytes body =
        wire::encode(wire::SignInRequest{grant, *SignInOffer::make(issuer, "video")});
    return ask("POST", "/sso", "1800000000", std::nullopt, body);
  };
  EXPECT_EQ(code(agree(theirs, "https://accounts.example")), "not_granted");
  EXPECT_FALSE(ledger_.grants.at({other_, theirs}).sso);
  const auto first = agree(id, "https://accounts.example");
  EXPECT_EQ(first.answer.status, 204);
  EXPECT_EQ(first.effects.signs_in_anew, id);
  EXPECT_EQ(ledger_.grants.at({mine_, id}).sso->issuer.text(), "https://accounts.example");
  // Said again it changes nothing: nobody is signed out for it.
  const auto again = agree(id, "https://accounts.example");
  EXPECT_EQ(again.answer.status, 204);
  EXPECT_FALSE(again.effects.signs_in_anew);
  records_.broken_writes = true;
  EXPECT_EQ(agree(id, "https://other.example").answer.status, 500);
  EXPECT_EQ(code(ask("POST", "/sso", "1800000000", std::nullopt, Bytes{0xa0})), "malformed");
  // Of a direct grant the device's owner decides.
  ledger_.grants.at({mine_, id}).origin.reset();
  EXPECT_EQ(code(agree(id, "https://other.example")), "malformed");
}

TEST_F(ManagementTest, DeletesItsOwnAndNothingElse) {
  const GrantId id = hold(mine_, "media-cache-k3f7x2m7q4ab.local");
  const GrantId theirs = hold(other_, "media-cache-zzzzzzzzzzzz.local");
  const auto foreign = ask("DELETE", "/grants/" + theirs.hex());
  EXPECT_EQ(foreign.answer.status, 204);
  EXPECT_TRUE(foreign.effects.ended.empty());
  EXPECT_EQ(ledger_.grants.size(), 2U);
  const auto own = ask("DELETE", "/grants/" + id.hex());
  EXPECT_EQ(own.effects.ended, std::vector<GrantId>{id});
  EXPECT_EQ(ask("DELETE", "/grants/" + id.hex()).answer.status, 204);
  EXPECT_EQ(code(ask("DELETE", "/grants/xyz")), "malformed");
}

TEST_F(ManagementTest, Threat55LeavingEndsEverything) {
  hold(mine_, "media-cache-k3f7x2m7q4ab.local");
  const auto outcome = ask("DELETE", "/agent");
  EXPECT_TRUE(outcome.effects.agent_ended);
  EXPECT_EQ(outcome.effects.ended.size(), 1U);
  EXPECT_EQ(code(ask("GET", "/grants")), "not_granted");
}

TEST_F(ManagementTest, AuditHidesWhoTheOthersAre) {
  const GrantId id = hold(mine_, "media-cache-k3f7x2m7q4ab.local");
  records_.lines = {{kWall, other_, "granted", GrantId::make(random_), "their.local"},
                    {kWall, mine_, "granted", id, "mine.local"},
                    {kWall, std::nullopt, "window_opened", std::nullopt, ""}};
  const auto outcome = ask("GET", "/audit");
  const auto events = wire::decode_cbor(as_bytes(outcome.answer.body))->at("events");
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].at("agent"), 1U);
  EXPECT_FALSE(events[0].contains("detail"));
  EXPECT_FALSE(events[0].contains("grant"));
  EXPECT_EQ(events[1].at("detail"), "mine.local");
  EXPECT_EQ(outcome.answer.body.find("their.local"), std::string::npos);
}

TEST_F(ManagementTest, AuditSaysWhoElseIsThereAndNoMore) {
  hold(mine_, "media-cache-k3f7x2m7q4ab.local");
  const auto outcome = ask("GET", "/audit");
  const auto people = wire::decode_cbor(as_bytes(outcome.answer.body))->at("people");
  ASSERT_EQ(people.size(), 2U);
  const auto& me = people[0].at("own") == true ? people[0] : people[1];
  const auto& other = people[0].at("own") == true ? people[1] : people[0];
  EXPECT_EQ(me.at("services"), 1U);
  EXPECT_EQ(other.at("own"), false);
  EXPECT_EQ(other.at("services"), 0U);
  EXPECT_NE(other.at("agent"), me.at("agent"));
  EXPECT_EQ(other.size(), 5U) << "more than when and how much: " << other;
}

// Whatever stands in it, an agent can take it: 64 KiB.
TEST_F(ManagementTest, AuditIsAnAnswerOfBoundedSize) {
  const GrantId id = hold(mine_, "media-cache-k3f7x2m7q4ab.local");
  records_.lines.assign(5000, {kWall, mine_, "granted", id, std::string(253, 'x')});
  EXPECT_LT(ask("GET", "/audit").answer.body.size(), 48U * 1024);
}

TEST_F(ManagementTest, SuspendsItsOwnAndBringsThemBack) {
  const GrantId id = hold(mine_, "media-cache-k3f7x2m7q4ab.local");
  const GrantId theirs = hold(other_, "media-cache-zzzzzzzzzzzz.local");
  const auto post = [&](const char* target, const GrantId& grant) {
    const Bytes body = wire::encode(wire::RenewRequest{grant});
    return ask("POST", target, "1800000000", std::nullopt, body);
  };
  EXPECT_EQ(code(post("/suspend", theirs)), "not_granted");
  EXPECT_FALSE(ledger_.grants.at({other_, theirs}).suspended);
  const auto first = post("/suspend", id);
  EXPECT_EQ(first.answer.status, 204);
  EXPECT_EQ(first.effects.suspended, id);
  EXPECT_TRUE(ledger_.grants.at({mine_, id}).suspended);
  const auto again = post("/suspend", id);
  EXPECT_EQ(again.answer.status, 204);
  EXPECT_FALSE(again.effects.suspended) << "repeated: nothing is cut twice, nothing audited twice";
  EXPECT_EQ(code(post("/renew", id)), "not_allowed") << "not_granted would say it is gone";
  const auto list = *wire::decode_cbor(as_bytes(ask("GET", "/grants").answer.body));
  EXPECT_EQ(list.at("grants")[0].at("state"), "suspended");
  const auto back = post("/resume", id);
  EXPECT_EQ(back.effects.resumed, id);
  EXPECT_FALSE(ledger_.grants.at({mine_, id}).suspended);
  EXPECT_FALSE(post("/resume", id).effects.resumed);
  EXPECT_EQ(post("/renew", id).answer.status, 200);
  EXPECT_EQ(code(ask("POST", "/suspend")), "malformed");
}

TEST_F(ManagementTest, ASuspensionThatIsNotStoredIsNotAnswered) {
  const GrantId id = hold(mine_, "media-cache-k3f7x2m7q4ab.local");
  records_.broken_writes = true;
  const Bytes body = wire::encode(wire::RenewRequest{id});
  const auto outcome = ask("POST", "/suspend", "1800000000", std::nullopt, body);
  EXPECT_EQ(code(outcome), "internal");
  EXPECT_FALSE(outcome.effects.suspended);
}

TEST_F(ManagementTest, UnknownRequestsAndBrokenBodies) {
  EXPECT_EQ(ask("GET", "/other").answer.status, 404);
  EXPECT_EQ(code(ask("POST", "/offer")), "malformed");
  EXPECT_EQ(code(ask("POST", "/renew")), "malformed");
  EXPECT_EQ(code(ask("POST", "/certificate")), "malformed");
  EXPECT_EQ(code(ask("POST", "/resume")), "malformed");
}

}  // namespace
}  // namespace latchkey::front
