// The rules, over real records in SQLite.

#include "provider/registry.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "crypto/chain.h"
#include "crypto/hash.h"
#include "provider/roles.h"
#include "provider/tokens.h"
#include "provider/well_known.h"
#include "store/provider_store.h"
#include "store/test_support.h"

namespace latchkey::provider {
namespace {

using attest::ModelStatus;
using attest::OriginStatus;
using ::testing::HasSubstr;

constexpr WallTime kNow{1700000000};
const attest::Aaguid kAaguid = attest::parse_aaguid("00112233-4455-6677-8899-aabbccddeeff").value();

// What a web service serves.
class Page final : public WellKnown {
 public:
  Result<std::string> fetch(const Origin& origin) override {
    ++asked;
    last = origin.text();
    return text;
  }
  std::string text;
  std::string last;
  int asked = 0;
};

class RegistryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string database = "sqlite:" + folder_.file("p.db").string();
    ASSERT_TRUE(store::ProviderStore::init(database));
    records_ = std::move(store::ProviderStore::open(database).value());
    registry_.emplace(*records_, page_);
  }
  static Act as(const std::string& role, const std::string& why = "because") {
    return {"ada", role, why, kNow};
  }
  Bytes certificate(bool is_ca) {
    crypto::IssueFields fields{.common_name = is_ca ? "Acme Root" : "A device",
                               .organization = "Acme",
                               .not_before = kNow - seconds(86400),
                               .not_after = kNow + seconds(864000),
                               .ca_path_length = {},
                               .aaguid = {}};
    const auto key = crypto::PrivateKey::generate();
    if (is_ca) {
      fields.ca_path_length = 1;
      return crypto::issue_root(fields, key, random_).value();
    }
    crypto::IssueFields root_fields = fields;
    root_fields.ca_path_length = 1;
    const Bytes root = crypto::issue_root(root_fields, key, random_).value();
    return crypto::issue_certificate(fields, crypto::PrivateKey::generate().public_key(),
                                     {key, root}, random_)
        .value();
  }
  Vendor acme() {
    return registry_
        ->add_vendor({"Acme", "mailto:a@acme.example", {certificate(true)}}, as("admin"))
        .value();
  }
  static ModelWish cache_of(const Vendor& vendor) {
    return {kAaguid, vendor.id, "MC 200", "media-cache", {}, ModelStatus::kCertified};
  }

  store::testing::TempFolder folder_;
  Page page_;
  store::testing::CountingRandom random_;
  std::unique_ptr<Records> records_;
  std::optional<Registry> registry_;
  const Origin origin_ = Origin::parse("https://video.example").value();
};

TEST_F(RegistryTest, RolesMayWhatTheyMay) {
  for (const auto action :
       {Action::kRead, Action::kVendors, Action::kModels, Action::kOrigins, Action::kOriginStatus,
        Action::kModelStatus, Action::kDevices, Action::kPublish, Action::kTokens}) {
    EXPECT_TRUE(may("admin", action) && may("local", action));
    EXPECT_EQ(may("auditor", action), action == Action::kRead);
    EXPECT_FALSE(may("", action) || may("Admin", action) || may("root", action));
  }
  EXPECT_FALSE(may("registrar", Action::kOriginStatus) || may("registrar", Action::kTokens));
  EXPECT_FALSE(may("reviewer", Action::kVendors) || may("reviewer", Action::kTokens));
  EXPECT_FALSE(is_token_role("local"));
}

TEST_F(RegistryTest, EveryChangeAsksForTheRole) {
  const Vendor vendor = acme();
  ASSERT_TRUE(registry_->add_model(cache_of(vendor), as("admin")));
  const SpkiHash key(Digest256{1});
  const Act nobody = as("auditor");
  EXPECT_EQ(registry_->add_vendor({"B", "mailto:a@b.c", vendor.roots}, nobody).error().code,
            ErrorCode::kForbidden);
  EXPECT_EQ(registry_->add_vendor_roots(1, {}, nobody).error().code, ErrorCode::kForbidden);
  EXPECT_EQ(registry_->add_model(cache_of(vendor), nobody).error().code, ErrorCode::kForbidden);
  EXPECT_EQ(registry_->set_model_status(kAaguid, ModelStatus::kRevoked, {}, nobody).error().code,
            ErrorCode::kForbidden);
  EXPECT_EQ(registry_->register_origin(origin_, nobody).error().code, ErrorCode::kForbidden);
  EXPECT_EQ(registry_->check_origin(origin_, nobody).error().code, ErrorCode::kForbidden);
  EXPECT_EQ(registry_->set_origin_status(origin_, OriginStatus::kRevoked, nobody).error().code,
            ErrorCode::kForbidden);
  EXPECT_EQ(registry_->revoke_device(key, nobody).error().code, ErrorCode::kForbidden);
  EXPECT_EQ(registry_->revoke_devices({key}, nobody).error().code, ErrorCode::kForbidden);
  EXPECT_EQ(registry_->restore_device(key, nobody).error().code, ErrorCode::kForbidden);
  EXPECT_EQ(make_token(*records_, random_, {"x", "admin", {}}, as("registrar")).error().code,
            ErrorCode::kForbidden);
  EXPECT_EQ(page_.asked, 0);
  // One who registers does not certify.
  ModelWish wish = cache_of(vendor);
  wish.aaguid = attest::Aaguid(ByteArray<16>{5});
  EXPECT_EQ(registry_->add_model(wish, as("registrar")).error().code, ErrorCode::kForbidden);
  wish.status = ModelStatus::kSelfAssertionSubmitted;
  EXPECT_TRUE(registry_->add_model(wish, as("registrar")));
}

TEST_F(RegistryTest, RootsAreCertificatesOfCas) {
  EXPECT_THAT(registry_->add_vendor({"B", "mailto:a@b.c", {certificate(false)}}, as("admin"))
                  .error()
                  .detail,
              HasSubstr("CA"));
  EXPECT_FALSE(registry_->add_vendor({"B", "mailto:a@b.c", {{1, 2, 3}}}, as("admin")));
  EXPECT_FALSE(registry_->add_vendor({"B", "mailto:a@b.c", {}}, as("admin")));
  const Vendor vendor = acme();
  EXPECT_FALSE(registry_->add_vendor_roots(vendor.id, {certificate(false)}, as("admin")));
  EXPECT_EQ(registry_->add_vendor_roots(vendor.id, {certificate(true)}, as("admin"))->roots.size(),
            2U);
}

TEST_F(RegistryTest, NamesAreWhatOneSees) {
  for (const std::string& name :
       {std::string(), std::string(65, 'x'), std::string("Ac\xe2\x80\x8bme"), std::string("A\nB"),
        std::string("A  B"), std::string("\xff")}) {
    EXPECT_FALSE(registry_->add_vendor({name, "mailto:a@b.c", {certificate(true)}}, as("admin")))
        << name;
  }
  for (const char* contact :
       {"", "javascript:alert(1)", "mailto:x", "https://", "a b@c", "x:a@b"}) {
    EXPECT_FALSE(registry_->add_vendor({"A", contact, {certificate(true)}}, as("admin")));
  }
  // As latchkey-maker's users write it.
  const auto mail =
      registry_->add_vendor({"Mail", "pki@acme.example", {certificate(true)}}, as("admin"));
  ASSERT_TRUE(mail) << mail.error().detail;
  EXPECT_EQ(mail->contact, "mailto:pki@acme.example");
}

TEST_F(RegistryTest, ModelsHaveRootsOfTheirVendorOnly) {
  const Vendor vendor = acme();
  ModelWish wish = cache_of(vendor);
  wish.roots = {Digest256{9}};
  EXPECT_EQ(registry_->add_model(wish, as("admin")).error().code, ErrorCode::kInvalid);
  wish.roots = {crypto::sha256(vendor.roots[0])};
  wish.type = "Media Cache";
  EXPECT_EQ(registry_->add_model(wish, as("admin")).error().code, ErrorCode::kInvalid);
  wish.type = "media-cache";
  ASSERT_TRUE(registry_->add_model(wish, as("admin")));
  EXPECT_EQ(registry_->add_model(wish, as("admin")).error().code, ErrorCode::kConflict);
  wish.aaguid = attest::Aaguid(ByteArray<16>{});
  EXPECT_EQ(registry_->add_model(wish, as("admin")).error().code, ErrorCode::kInvalid);
}

TEST_F(RegistryTest, StatusesNeedAReasonAndFollowEachOther) {
  ASSERT_TRUE(registry_->add_model(cache_of(acme()), as("admin")));
  const Act reviewer = as("reviewer");
  for (const std::string& why : {std::string(), std::string("  \t"), std::string(301, 'x')}) {
    EXPECT_EQ(registry_->set_model_status(kAaguid, ModelStatus::kRevoked, {}, as("reviewer", why))
                  .error()
                  .code,
              ErrorCode::kInvalid);
  }
  EXPECT_EQ(registry_->set_model_status(kAaguid, ModelStatus::kRevoked, kNow + seconds(1), reviewer)
                .error()
                .code,
            ErrorCode::kInvalid);
  ASSERT_TRUE(registry_->set_model_status(kAaguid, ModelStatus::kRevoked, {}, reviewer));
  for (const auto next : {ModelStatus::kRevoked, ModelStatus::kUpdateAvailable}) {
    EXPECT_EQ(registry_->set_model_status(kAaguid, next, {}, reviewer).error().code,
              ErrorCode::kConflict);
  }
  EXPECT_TRUE(registry_->set_model_status(kAaguid, ModelStatus::kCertified, {}, reviewer));
}

TEST_F(RegistryTest, OriginsSpeakForThemselves) {
  page_.text = R"({"v":1,"origin":"https://video.example","name":"Video","icon":"/i.png",)"
               R"("contact":"mailto:a@video.example"})";
  const auto added = registry_->register_origin(origin_, as("registrar"));
  ASSERT_TRUE(added) << added.error().detail;
  EXPECT_EQ(page_.last, "https://video.example");
  EXPECT_EQ(added->icon, "https://video.example/i.png");
  EXPECT_EQ(registry_->register_origin(origin_, as("registrar")).error().code,
            ErrorCode::kConflict);
  const Act reviewer = as("reviewer", "malware");
  EXPECT_EQ(registry_->set_origin_status(origin_, OriginStatus::kRevoked, as("reviewer", ""))
                .error()
                .code,
            ErrorCode::kInvalid);
  ASSERT_TRUE(registry_->set_origin_status(origin_, OriginStatus::kRevoked, reviewer));
  EXPECT_EQ(registry_->set_origin_status(origin_, OriginStatus::kSuspended, reviewer).error().code,
            ErrorCode::kConflict);
  // A revoked one can neither register again nor check itself back.
  EXPECT_FALSE(registry_->register_origin(origin_, as("registrar")));
  ASSERT_TRUE(registry_->check_origin(origin_, as("registrar")));
  EXPECT_EQ(records_->origin(origin_).value()->status, OriginStatus::kRevoked);
  EXPECT_TRUE(registry_->set_origin_status(origin_, OriginStatus::kActive, reviewer));
}

TEST_F(RegistryTest, WellKnownFilesAreReadInOneWayOnly) {
  const auto with = [](const std::string& changed) {
    return "{\"v\":1,\"origin\":\"https://"
           "video.example\",\"name\":\"V\",\"contact\":\"mailto:a@b.c\"" +
           changed + "}";
  };
  EXPECT_TRUE(parse_well_known(with(""), origin_));
  EXPECT_TRUE(parse_well_known(with(R"(,"icon":"https://video.example/i.png")"), origin_));
  for (const std::string& text :
       {std::string("[]"), std::string(""), with(",\"name\":\"W\""), with("") + "x",
        with(R"(,"icon":"//evil.example/i.png")"), with(R"(,"icon":"/\\evil.example")"),
        with(R"(,"icon":"https://video.example.evil.example/")"),
        with(R"(,"icon":"https://video.example@evil.example/")"), with(R"(,"icon":7)"),
        with(R"(,"icon":"javascript:x")"), with(",\"x\":\"" + std::string(17000, 'x') + "\""),
        std::string(
            R"({"v":2,"origin":"https://video.example","name":"V","contact":"mailto:a@b.c"})"),
        std::string(
            R"({"v":1.0,"origin":"https://video.example","name":"V","contact":"mailto:a@b.c"})"),
        std::string(
            R"({"v":1,"origin":"https://evil.example","name":"V","contact":"mailto:a@b.c"})"),
        std::string(R"({"v":1,"origin":"https://video.example","contact":"mailto:a@b.c"})"),
        std::string(R"({"v":1,"origin":"https://video.example","name":"V"})")}) {
    EXPECT_FALSE(parse_well_known(text, origin_)) << text.substr(0, 120);
  }
}

TEST_F(RegistryTest, TokensLetInUntilTheyEnd) {
  const auto made = make_token(*records_, random_, {"ci", "registrar", seconds(60)}, as("admin"));
  ASSERT_TRUE(made);
  EXPECT_EQ(made->secret.size(), 47U);
  EXPECT_EQ(authenticate(*records_, made->secret, kNow).value()->name, "ci");
  EXPECT_FALSE(authenticate(*records_, made->secret, kNow + seconds(60)).value());
  for (std::string other : {made->secret + "A", made->secret.substr(1), std::string(),
                            "lkp_" + std::string(43, 'A'), "lkp_" + std::string(100000, 'A')}) {
    EXPECT_FALSE(authenticate(*records_, other, kNow).value());
  }
  // The hash, which somebody may have read from the database, is no token.
  EXPECT_FALSE(authenticate(*records_, hex_encode(made->record.hash), kNow).value());
  ASSERT_TRUE(remove_token(*records_, "ci", as("admin")));
  EXPECT_FALSE(authenticate(*records_, made->secret, kNow).value());
  EXPECT_FALSE(make_token(*records_, random_, {"a b", "admin", {}}, as("admin")));
  EXPECT_FALSE(make_token(*records_, random_, {"ab", "local", {}}, as("admin")));
}

TEST_F(RegistryTest, ImportsAMakersFileAgainAndAgain) {
  const Bytes root = certificate(true);
  nlohmann::json file = {{"v", 1},
                         {"vendor", {{"name", "Acme"}, {"contact", "mailto:a@acme.example"}}},
                         {"roots", {crypto::certificates_to_pem(std::vector<Bytes>{root})}},
                         {"models",
                          {{{"aaguid", attest::aaguid_text(kAaguid)},
                            {"name", "MC 200"},
                            {"type", "media-cache"},
                            {"roots", {hex_encode(crypto::sha256(root))}}}}}};
  const auto first = registry_->import_vendor(file.dump(), false, as("registrar"));
  ASSERT_TRUE(first) << first.error().detail;
  EXPECT_TRUE(first->vendor_is_new);
  EXPECT_EQ(first->models_added, 1U);
  const auto again = registry_->import_vendor(file.dump(), false, as("registrar"));
  EXPECT_EQ(again->models_known, 1U);
  EXPECT_EQ(again->roots_added, 0U);
  // Somebody else's root under a name that is known.
  file["roots"] = {crypto::certificates_to_pem(std::vector<Bytes>{certificate(true)})};
  EXPECT_EQ(registry_->import_vendor(file.dump(), false, as("registrar")).error().code,
            ErrorCode::kConflict);
  EXPECT_EQ(records_->vendor(1).value()->roots.size(), 1U);
  EXPECT_EQ(registry_->import_vendor(file.dump(), true, as("registrar"))->roots_added, 1U);
  // Another vendor that claims the model.
  file["vendor"]["name"] = "Eve";
  file["models"][0].erase("roots");
  EXPECT_EQ(registry_->import_vendor(file.dump(), false, as("registrar")).error().code,
            ErrorCode::kConflict);
  for (const char* text :
       {"", "[]", "{}", R"({"v":1})", R"({"v":1,"vendor":7,"roots":[],"models":[]})",
        R"({"v":1,"vendor":{"name":"x","contact":"y"},"roots":[7],"models":[]})"}) {
    EXPECT_EQ(registry_->import_vendor(text, false, as("registrar")).error().code,
              ErrorCode::kInvalid);
  }
  EXPECT_EQ(registry_->import_vendor(file.dump(), true, as("reviewer")).error().code,
            ErrorCode::kForbidden);
}

}  // namespace
}  // namespace latchkey::provider
