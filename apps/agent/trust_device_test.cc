// What providers say of devices and web services, as far as the device: it is told to refuse what
// is revoked, and to serve it again (threats 20 and 23).
#include "trust_house.h"

namespace latchkey::programs {
namespace {

using attest::ModelStatus;
using attest::OriginStatus;
using nlohmann::json;

class TrustDeviceTest : public TrustHouse {
 protected:
  TrustDeviceTest() {
    start_proven_device(maker_);
    provider_.add_model(maker_, "media-cache");
    publish();
    start_agent();
    EXPECT_EQ(refreshed()["state"], "fresh");
  }
  void expect_rests(const json& grant, const std::string& hold) {
    const auto stored = stored_grant();
    EXPECT_EQ(stored["state"], "suspended");
    EXPECT_EQ(stored["hold"], hold);
    EXPECT_TRUE(device_comes_to("suspended")) << "the device was not told";
    EXPECT_FALSE(is_served(grant)) << "the device does not refuse it";
    EXPECT_NE(fetch(grant).exit, 0);
  }
  void expect_back(const json& grant) {
    const auto stored = stored_grant();
    EXPECT_EQ(stored["state"], "active");
    EXPECT_TRUE(stored["hold"].is_null());
    EXPECT_TRUE(device_comes_to("active")) << "the device was not told";
    EXPECT_TRUE(is_served(grant));
    EXPECT_EQ(fetch(grant).json()["body"], "hello");
  }

  testing::Maker maker_{clock_.wall_now(), attest::Aaguid({1, 2, 3})};
};

TEST_F(TrustDeviceTest, Threat20ARevokedKeyRestsAtTheDeviceTooAndComesBack) {
  const auto grant = granted();
  EXPECT_EQ(grant["device"]["standing"], "proven");
  EXPECT_EQ(grant["device"]["maker"], "Acme");
  EXPECT_EQ(grant["device"]["model"], "Cache One");
  ASSERT_EQ(fetch(grant).exit, 0);
  ASSERT_TRUE(is_served(grant));
  provider_.revoke_device(maker_.key->public_key().spki_hash());
  publish();
  ASSERT_EQ(refreshed()["no"], provider_.metadata.no);
  expect_rests(grant, "device_revoked");
  EXPECT_EQ(stored_grant()["device"]["standing"], "revoked");
  EXPECT_EQ(refusal_of(kPhotos), "device_revoked");
  provider_.devices.clear();
  publish();
  ASSERT_EQ(refreshed()["no"], provider_.metadata.no);
  expect_back(grant);
  EXPECT_EQ(stored_grant()["device"]["standing"], "proven");
}

TEST_F(TrustDeviceTest, Threat23ARevokedWebServiceRestsAtTheDeviceTooAndComesBack) {
  const auto grant = granted();
  ASSERT_EQ(fetch(grant).exit, 0);
  provider_.set_origin(kOrigin, OriginStatus::kRevoked, "Video");
  publish();
  ASSERT_EQ(refreshed()["no"], provider_.metadata.no);
  expect_rests(grant, "origin_revoked");
  provider_.set_origin(kOrigin, OriginStatus::kActive, "Video");
  publish();
  ASSERT_EQ(refreshed()["no"], provider_.metadata.no);
  expect_back(grant);
}

TEST_F(TrustDeviceTest, Threat20ARevokedModelDoesNotWaitForTheTables) {
  const auto grant = granted();
  ASSERT_EQ(fetch(grant).exit, 0);
  provider_.add_model(maker_, "media-cache", ModelStatus::kRevoked);
  provider_.metadata.entries = {
      {maker_.aaguid, ModelStatus::kRevoked, "Cache One", clock_.wall_now()}};
  publish();
  serve({{std::string(attest::kMetadataFile), files_.at(std::string(attest::kMetadataFile))}});
  const auto half = refreshed();
  EXPECT_TRUE(half["error"].is_string());
  EXPECT_EQ(half["no"], 2) << "its tables are not there";
  expect_rests(grant, "device_revoked");
  // It does not come back by starting anew.
  start_agent();
  EXPECT_EQ(stored_grant()["hold"], "device_revoked");
  provider_.add_model(maker_, "media-cache");
  provider_.metadata.entries.insert(
      provider_.metadata.entries.begin(),
      {maker_.aaguid, ModelStatus::kCertified, "Cache One", clock_.wall_now()});
  publish();
  ASSERT_EQ(refreshed()["no"], provider_.metadata.no);
  expect_back(grant);
}

}  // namespace
}  // namespace latchkey::programs
