#include "platform/native_messaging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "platform/temp_home.h"

namespace fs = std::filesystem;

namespace latchkey::platform {
namespace {

const std::string kId = "abcdefghijklmnopabcdefghijklmnop";
const std::string kOtherId = "ponmlkjihgfedcbaponmlkjihgfedcba";

class NativeMessaging : public testing::Test {
 protected:
  TempHome home_;
  fs::path user_data_ = home_.path() / "chromium";
  NativeHost host_{"/bin/sh", kId};
};

TEST_F(NativeMessaging, WritesWhatChromiumReads) {
  ASSERT_TRUE(write_manifest(user_data_, host_));
  const auto manifest = nlohmann::json::parse(
      contents_of(user_data_ / "NativeMessagingHosts" / "org.latchkey.agent.json"));
  EXPECT_EQ(manifest["name"], "org.latchkey.agent");
  EXPECT_EQ(manifest["path"], "/bin/sh");
  EXPECT_EQ(manifest["type"], "stdio");
  EXPECT_EQ(manifest["allowed_origins"],
            nlohmann::json::array({"chrome-extension://" + kId + "/"}));
  EXPECT_EQ(check_manifest(user_data_, kId), ManifestState::kGood);
  EXPECT_EQ(check_manifest(user_data_, kOtherId), ManifestState::kOtherExtension);
}

TEST_F(NativeMessaging, RepeatsChangesAndUndoes) {
  EXPECT_EQ(check_manifest(user_data_, kId), ManifestState::kMissing);
  ASSERT_TRUE(write_manifest(user_data_, host_));
  ASSERT_TRUE(write_manifest(user_data_, {"/no/such/program", kId}));
  EXPECT_EQ(check_manifest(user_data_, kId), ManifestState::kProgramMissing);
  ASSERT_TRUE(remove_manifest(user_data_));
  EXPECT_EQ(check_manifest(user_data_, kId), ManifestState::kMissing);
  ASSERT_TRUE(remove_manifest(user_data_));
}

TEST_F(NativeMessaging, LeavesWhatIsNotOurs) {
  fs::create_directories(manifest_path(user_data_).parent_path());
  for (const char* foreign : {"", "{}", "[1]", "not json", R"({"name":"org.other.agent"})",
                              R"({"name":["org.latchkey.agent"]})"}) {
    std::ofstream(manifest_path(user_data_)) << foreign;
    EXPECT_EQ(write_manifest(user_data_, host_).error().code, Error::Code::kForeign) << foreign;
    EXPECT_EQ(remove_manifest(user_data_).error().code, Error::Code::kForeign) << foreign;
    EXPECT_EQ(check_manifest(user_data_, kId), ManifestState::kForeign) << foreign;
    EXPECT_EQ(contents_of(manifest_path(user_data_)), foreign);
  }
  fs::remove(manifest_path(user_data_));
  fs::create_symlink("/etc/passwd", manifest_path(user_data_));
  EXPECT_EQ(write_manifest(user_data_, host_).error().code, Error::Code::kForeign);
}

TEST_F(NativeMessaging, LetsOneExtensionInAndNoOther) {
  std::ofstream file;
  ASSERT_TRUE(write_manifest(user_data_, host_));
  auto manifest = nlohmann::json::parse(contents_of(manifest_path(user_data_)));
  manifest["allowed_origins"].push_back("chrome-extension://" + kOtherId + "/");
  std::ofstream(manifest_path(user_data_)) << manifest;
  EXPECT_EQ(check_manifest(user_data_, kId), ManifestState::kOtherExtension);
}

TEST_F(NativeMessaging, RefusesHalfAnAddress) {
  for (const NativeHost& bad :
       {NativeHost{"sh", kId}, NativeHost{"/bin/sh", "short"}, NativeHost{"/bin/sh", kId + "/"},
        NativeHost{"/bin/sh", "zbcdefghijklmnopabcdefghijklmnop"}}) {
    EXPECT_EQ(write_manifest(user_data_, bad).error().code, Error::Code::kMisuse);
  }
  EXPECT_EQ(write_manifest("relative", host_).error().code, Error::Code::kMisuse);
}

TEST_F(NativeMessaging, FindsTheBrowsersThatAreThere) {
  fs::create_directories(home_.path() / ".config/google-chrome");
  fs::create_directories(home_.path() / ".config/BraveSoftware/Brave-Browser");
  const auto folders =
      user_data_folders(home_.environment(), {"/extra", home_.path() / ".config/google-chrome"});
  EXPECT_THAT(folders, testing::IsSupersetOf({home_.path() / ".config/google-chrome",
                                              home_.path() / ".config/BraveSoftware/Brave-Browser",
                                              fs::path("/extra")}));
  EXPECT_EQ(std::count(folders.begin(), folders.end(), home_.path() / ".config/google-chrome"), 1);
  EXPECT_THAT(folders, testing::Not(testing::Contains(home_.path() / ".config/vivaldi")));
}

}  // namespace
}  // namespace latchkey::platform
