// Every operation, on both databases.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "store/provider_connection.h"
#include "store/provider_store_fixture.h"

namespace latchkey::store {
namespace {

using attest::ModelStatus;
using attest::OriginStatus;
using provider::ErrorCode;
using provider::Model;
using provider::Vendor;

const attest::Aaguid kAaguid = attest::parse_aaguid("00112233-4455-6677-8899-aabbccddeeff").value();

Vendor acme() {
  return {0, "Acme", "mailto:a@acme.example", {{1, 2, 3}, {4, 5}}, {1700000000}};
}
Model cache_of(std::int64_t vendor) {
  return {kAaguid,       vendor,         "MC 200",
          "media-cache", {Digest256{7}}, {{ModelStatus::kCertified, {1690000000}, "tested"}}};
}

TEST_P(ProviderStoreTest, VendorsComeBackAsTheyWere) {
  const auto added = store_->add_vendor(acme(), kAct).value();
  EXPECT_EQ(added.id, 1);
  const auto found = store_->vendor(1).value().value();
  EXPECT_EQ(found.name, "Acme");
  EXPECT_EQ(found.roots, acme().roots);
  EXPECT_EQ(found.created, WallTime{1700000000});
  EXPECT_EQ(store_->add_vendor(acme(), kAct).error().code, ErrorCode::kConflict);

  Vendor changed = found;
  changed.name = "Acme Ltd. \xc3\xa4 '; DROP TABLE vendor; --";
  changed.roots = {{9}};
  ASSERT_TRUE(store_->change_vendor(changed, kAct));
  EXPECT_EQ(store_->vendor_named(changed.name).value().value().roots, changed.roots);
  EXPECT_FALSE(store_->vendor_named("Acme").value());
  changed.id = 17;
  EXPECT_EQ(store_->change_vendor(changed, kAct).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store_->vendors().value().size(), 1U);
}

TEST_P(ProviderStoreTest, ModelsKeepTheirHistory) {
  EXPECT_EQ(store_->add_model(cache_of(1), kAct).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(store_->add_vendor(acme(), kAct));
  ASSERT_TRUE(store_->add_model(cache_of(1), kAct));
  EXPECT_EQ(store_->add_model(cache_of(1), kAct).error().code, ErrorCode::kConflict);
  ASSERT_TRUE(store_->report_model(kAaguid, {ModelStatus::kRevoked, {1700000005}, "keys"}, kAct));
  for (const Model& model :
       {store_->model(kAaguid).value().value(), store_->models({}).value().at(0)}) {
    EXPECT_EQ(model.name, "MC 200");
    EXPECT_EQ(model.roots, cache_of(1).roots);
    ASSERT_EQ(model.reports.size(), 2U);
    EXPECT_EQ(model.reports[0].reason, "tested");
    EXPECT_EQ(model.status(), ModelStatus::kRevoked);
  }
  const auto other = attest::Aaguid(ByteArray<16>{9});
  EXPECT_EQ(store_->report_model(other, {ModelStatus::kRevoked, {1}, "x"}, kAct).error().code,
            ErrorCode::kNotFound);
}

TEST_P(ProviderStoreTest, ManyModelsAreReadPageByPage) {
  ASSERT_TRUE(store_->add_vendor(acme(), kAct));
  for (std::uint8_t i = 0; i < 25; ++i) {
    Model model = cache_of(1);
    model.aaguid = attest::Aaguid(ByteArray<16>{static_cast<std::uint8_t>(200 - i)});
    ASSERT_TRUE(store_->add_model(model, kAct));
    ASSERT_TRUE(
        store_->report_model(model.aaguid, {ModelStatus::kUpdateAvailable, {1}, "u"}, kAct));
  }
  const auto first = store_->models({.after = "", .limit = 10}).value();
  const auto rest = store_->models({.after = first.back().aaguid.hex(), .limit = 1000}).value();
  ASSERT_EQ(first.size(), 10U);
  ASSERT_EQ(rest.size(), 15U);
  EXPECT_EQ(first.back().reports.size(), 2U);
  std::vector<attest::Aaguid> seen;
  ASSERT_TRUE(store_->each_model([&](const Model& model) { seen.push_back(model.aaguid); }));
  EXPECT_EQ(seen.size(), 25U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST_P(ProviderStoreTest, OriginsChangeTheirStatusWithTheReason) {
  ASSERT_TRUE(store_->add_origin(registered("video.example"), kAct));
  EXPECT_EQ(store_->add_origin(registered("video.example"), kAct).error().code,
            ErrorCode::kConflict);
  provider::Act act = kAct;
  act.why = "spreads malware";
  act.when = {1700000900};
  const Origin origin = origin_named("video.example");
  ASSERT_TRUE(store_->set_origin_status(origin, OriginStatus::kRevoked, act));
  auto found = store_->origin(origin).value().value();
  EXPECT_EQ(found.status, OriginStatus::kRevoked);
  EXPECT_EQ(found.reason, "spreads malware");
  EXPECT_EQ(found.since, act.when);
  // What a new look at the web service finds never changes the status.
  found.status = OriginStatus::kActive;
  found.name = "New name";
  ASSERT_TRUE(store_->update_origin(found, kAct));
  EXPECT_EQ(store_->origin(origin).value()->status, OriginStatus::kRevoked);
  EXPECT_EQ(store_->origin(origin).value()->name, "New name");
  EXPECT_EQ(store_->set_origin_status(origin_named("x.example"), OriginStatus::kRevoked, act)
                .error()
                .code,
            ErrorCode::kNotFound);
}

TEST_P(ProviderStoreTest, OriginsAreInTheOrderOfTheirBytes) {
  // A language would sort "a-b" after "aa", and skip the punctuation.
  for (const char* host : {"aa.example", "a-b.example", "b.example", "a_c.example", "9.example"}) {
    ASSERT_TRUE(store_->add_origin(registered(host), kAct));
  }
  std::vector<std::string> seen;
  ASSERT_TRUE(store_->each_origin([&](const Origin& origin, OriginStatus, const std::string&) {
    seen.push_back(origin.text());
  }));
  EXPECT_EQ(seen.size(), 5U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  std::vector<std::string> paged;
  for (std::string after;;) {
    const auto page = store_->origins({.after = after, .limit = 2}).value();
    if (page.empty()) {
      break;
    }
    for (const auto& origin : page) {
      paged.push_back(origin.origin.text());
    }
    after = paged.back();
  }
  EXPECT_EQ(paged, seen);
}

TEST_P(ProviderStoreTest, DevicesAreRevokedOneByOneAndRestored) {
  const provider::RevokedDevice device{key_numbered(1), "leaked", {1700000000}};
  ASSERT_TRUE(store_->revoke_device(device, kAct));
  EXPECT_EQ(store_->revoke_device(device, kAct).error().code, ErrorCode::kConflict);
  EXPECT_EQ(store_->device(device.key).value()->reason, "leaked");
  ASSERT_TRUE(store_->restore_device(device.key, kAct));
  EXPECT_FALSE(store_->device(device.key).value());
  EXPECT_EQ(store_->restore_device(device.key, kAct).error().code, ErrorCode::kNotFound);
  ASSERT_EQ(log().size(), 2U);  // what failed left no line
  EXPECT_EQ(log()[1].action, "device.restore");
}

TEST_P(ProviderStoreTest, DevicesAreRevokedByTheThousand) {
  constexpr std::uint32_t kCount = 25000;
  std::vector<provider::RevokedDevice> devices;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    devices.push_back({key_numbered(i), "batch 7", {1700000000}});
  }
  ASSERT_TRUE(store_->revoke_device(devices[77], kAct));
  devices.push_back(devices[5]);
  EXPECT_EQ(store_->revoke_devices(devices, kAct).value(), kCount - 1);
  EXPECT_EQ(store_->revoke_devices(devices, kAct).value(), 0U);
  std::vector<SpkiHash> seen;
  ASSERT_TRUE(store_->each_device([&](const SpkiHash& key) { seen.push_back(key); }));
  EXPECT_EQ(seen.size(), kCount);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(store_->last_seq().value(), kCount);  // one line in the log for each
  EXPECT_EQ(store_->audit(kCount - 1, 10).value().at(0).seq, kCount);
  EXPECT_EQ(store_->devices({.after = "", .limit = 3}).value().size(), 3U);
}

TEST_P(ProviderStoreTest, TokensAreFoundByTheirHash) {
  provider::Token token{0, "ci", "registrar", Digest256{5}, {1700000000}, WallTime{1800000000}};
  ASSERT_TRUE(store_->add_token(token, kAct));
  EXPECT_EQ(store_->add_token(token, kAct).error().code, ErrorCode::kConflict);
  const auto found = store_->token_by_hash(Digest256{5}).value().value();
  EXPECT_EQ(found.name, "ci");
  EXPECT_EQ(found.role, "registrar");
  EXPECT_EQ(found.expires, WallTime{1800000000});
  EXPECT_FALSE(store_->token_by_hash(Digest256{6}).value());
  EXPECT_EQ(store_->tokens().value().size(), 1U);
  ASSERT_TRUE(store_->remove_token("ci", kAct));
  EXPECT_FALSE(store_->token_by_hash(Digest256{5}).value());
  EXPECT_EQ(store_->remove_token("ci", kAct).error().code, ErrorCode::kNotFound);
  // Neither the token nor its hash is in the log.
  EXPECT_THAT(log()[0].detail, ::testing::Not(::testing::HasSubstr(hex_encode(Digest256{5}))));
}

TEST_P(ProviderStoreTest, TheLogSaysWhoWhenWhatAndWhy) {
  ASSERT_TRUE(store_->add_origin(registered("video.example"), kAct));
  const auto entry = log().at(0);
  EXPECT_EQ(entry.seq, 1U);
  EXPECT_EQ(entry.act.who, "ada");
  EXPECT_EQ(entry.act.role, "admin");
  EXPECT_EQ(entry.act.why, "because");
  EXPECT_EQ(entry.act.when, kAct.when);
  EXPECT_EQ(entry.action, "origin.add");
  EXPECT_EQ(entry.subject, "https://video.example");
  EXPECT_EQ(nlohmann::json::parse(entry.detail).at("status"), "active");
}

TEST_P(ProviderStoreTest, WhatChangedIsNamedOnce) {
  ASSERT_TRUE(store_->add_origin(registered("a.example"), kAct));
  const std::uint64_t before = store_->last_seq().value();
  ASSERT_TRUE(store_->add_origin(registered("b.example"), kAct));
  for (const auto status : {OriginStatus::kSuspended, OriginStatus::kActive}) {
    ASSERT_TRUE(store_->set_origin_status(origin_named("a.example"), status, kAct));
  }
  const auto changed = store_->changed_since(before).value();
  ASSERT_EQ(changed.size(), 2U);
  EXPECT_EQ(changed[1].subject, "https://a.example");
  EXPECT_EQ(changed[1].seq, 4U);
  EXPECT_TRUE(store_->changed_since(4).value().empty());
}

TEST_P(ProviderStoreTest, PublicationsOnlyWithTheLeaseAndUpwards) {
  const provider::Publication first{7, 3, {1700000100}, "a.b.c"};
  EXPECT_EQ(store_->add_publication(first, "one").error().code, ErrorCode::kConflict);
  ASSERT_TRUE(store_->take_lease("one", {1700000000}, seconds(300)).value());
  EXPECT_FALSE(store_->take_lease("two", {1700000299}, seconds(300)).value());
  EXPECT_EQ(store_->add_publication(first, "two").error().code, ErrorCode::kConflict);
  ASSERT_TRUE(store_->add_publication(first, "one"));
  EXPECT_EQ(store_->add_publication(first, "one").error().code, ErrorCode::kConflict);
  // The lease has run out at that time, though nobody took it.
  EXPECT_EQ(store_->add_publication({8, 4, {1700000300}, "d.e.f"}, "one").error().code,
            ErrorCode::kConflict);
  ASSERT_TRUE(store_->take_lease("two", {1700000300}, seconds(300)).value());
  ASSERT_TRUE(store_->add_publication({8, 4, {1700000310}, "d.e.f"}, "two"));
  const auto all = store_->publications(10).value();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].jws, "d.e.f");
  EXPECT_EQ(all[1].no, 7U);
  EXPECT_EQ(all[1].jws, "");
  ASSERT_TRUE(store_->give_up_lease("one"));  // not its own any more
  EXPECT_EQ(store_->lease().value()->holder, "two");
  ASSERT_TRUE(store_->give_up_lease("two"));
  EXPECT_FALSE(store_->lease().value());
}

TEST_P(ProviderStoreTest, PagesOfOneLineAreRight) {
  const provider::Page one{.after = "", .limit = 1};
  EXPECT_TRUE(store_->origins(one).value().empty());
  EXPECT_TRUE(store_->devices(one).value().empty());
  EXPECT_TRUE(store_->models(one).value().empty());
  EXPECT_TRUE(store_->audit(0, 1).value().empty());
  EXPECT_TRUE(store_->publications(1).value().empty());
  ASSERT_TRUE(store_->add_vendor(acme(), kAct));
  ASSERT_TRUE(store_->add_model(cache_of(1), kAct));
  ASSERT_TRUE(store_->add_origin(registered("a.example"), kAct));
  ASSERT_TRUE(store_->add_origin(registered("b.example"), kAct));
  const provider::RevokedDevice device{key_numbered(1), "leaked", {1700000000}};
  ASSERT_TRUE(store_->revoke_device(device, kAct));
  ASSERT_EQ(store_->origins(one).value().size(), 1U);
  EXPECT_EQ(store_->origins(one).value()[0].origin.text(), "https://a.example");
  EXPECT_EQ(store_->devices(one).value().at(0).key, device.key);
  EXPECT_EQ(store_->models(one).value().at(0).aaguid, kAaguid);
  EXPECT_EQ(store_->audit(1, 1).value().at(0).seq, 2U);
  // One key that is known already is known, not a collision.
  EXPECT_EQ(store_->revoke_devices({device}, kAct).value(), 0U);
}

TEST_P(ProviderStoreTest, RefusesWhatIsTooLongOrNoText) {
  provider::Act act = kAct;
  act.who = "";
  EXPECT_EQ(store_->add_origin(registered("a.example"), act).error().code, ErrorCode::kInvalid);
  auto origin = registered("a.example");
  origin.name = std::string(2000, 'x');
  EXPECT_EQ(store_->add_origin(origin, kAct).error().code, ErrorCode::kInvalid);
  for (const std::string& name : {std::string("a\0b", 3), std::string("\xff")}) {
    origin.name = name;
    EXPECT_EQ(store_->add_origin(origin, kAct).error().code, ErrorCode::kInvalid);
  }
  EXPECT_EQ(store_->origins({.after = "", .limit = 1001}).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(store_->last_seq().value(), 0U);
}

TEST_P(ProviderStoreTest, InitIsSafeToRepeat) {
  ASSERT_TRUE(store_->add_origin(registered("a.example"), kAct));
  EXPECT_EQ(ProviderStore::init(database_).value(), 1);
  EXPECT_EQ(store_->last_seq().value(), 1U);
}

TEST(ProviderConnection, OtherMachinesAreSpokenToWithTheirCertificateChecked) {
  const auto remote = read_connection("postgresql://ada@db.example:5432/provider").value();
  EXPECT_THAT(remote.text, ::testing::HasSubstr("sslmode='verify-full'"));
  const auto local = read_connection("postgresql://ada@localhost/provider").value();
  EXPECT_THAT(local.text, ::testing::Not(::testing::HasSubstr("sslmode")));
  const auto said = read_connection("host=db.example sslmode=require").value();
  EXPECT_THAT(said.text, ::testing::HasSubstr("sslmode='require'"));
}

TEST(ProviderConnection, NoPasswordInAMessage) {
  const auto broken = read_connection("postgresql://ada:hunter2@db.example:x:y/%zz");
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().detail, ::testing::Not(::testing::HasSubstr("hunter2")));
  EXPECT_FALSE(read_connection("sqlite:relative.db"));
  EXPECT_FALSE(read_connection(""));
}

TEST(ProviderConnection, TheFileIsOursAlone) {
  const testing::TempFolder home;
  const std::string path = (home.path() / "sub/p.db").string();
  EXPECT_EQ(ProviderStore::open("sqlite:" + path).error().code, ErrorCode::kUnreachable);
  ASSERT_TRUE(ProviderStore::init("sqlite:" + path));
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  // Whoever can put a journal beside the file can change what is in it.
  ASSERT_EQ(::chmod((home.path() / "sub").c_str(), 0777), 0);
  EXPECT_EQ(ProviderStore::open("sqlite:" + path).error().code, ErrorCode::kInvalid);
}

INSTANTIATE_TEST_SUITE_P(Both, ProviderStoreTest, ::testing::Values(Kind::kSqlite, Kind::kPostgres),
                         kind_name);

}  // namespace
}  // namespace latchkey::store
