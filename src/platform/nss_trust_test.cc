// Against certutil (libnss3-tools), which reads and writes the same databases.
#include "platform/nss_trust.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "platform/temp_home.h"

namespace fs = std::filesystem;

namespace latchkey::platform {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class NssTrust : public testing::Test {
 protected:
  // A self-signed CA; all have one subject, as user roots do.
  Bytes make_root(const std::string& subject = "/CN=Latchkey user root") {
    const fs::path file = home_.path() / ("root" + std::to_string(++count_) + ".der");
    const std::string log = output_of(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null "
        "-days 10 -subj '" +
        subject + "' -addext basicConstraints=critical,CA:TRUE -outform DER -out " + file.string());
    const std::string der = contents_of(file);
    EXPECT_FALSE(der.empty()) << log;
    return to_bytes(as_bytes(der));
  }
  std::string certutil(const std::string& arguments) {
    return output_of("certutil -d sql:" + folder_.string() + " " + arguments);
  }
  RootState state(const Bytes& root) {
    const auto result = query_root(folder_, root);
    EXPECT_TRUE(result) << result.error().message;
    return result.value_or(RootState::kNoDatabase);
  }

  TempHome home_;
  fs::path folder_ = home_.path() / ".pki" / "nssdb";
  int count_ = 0;
};

TEST_F(NssTrust, MakesTheDatabaseAndTrustsTheRoot) {
  const Bytes root = make_root();
  EXPECT_EQ(state(root), RootState::kNoDatabase);
  EXPECT_FALSE(fs::exists(folder_));
  const auto installed = install_root(folder_, root, "Latchkey root");
  ASSERT_TRUE(installed) << installed.error().message;
  EXPECT_EQ(state(root), RootState::kTrusted);
  struct stat mode{};
  ASSERT_EQ(::stat(folder_.c_str(), &mode), 0);
  EXPECT_EQ(mode.st_mode & 0777U, 0700U);
  EXPECT_THAT(certutil("-L"), testing::ContainsRegex("Latchkey root +C,,"));
  EXPECT_THAT(certutil("-L -n 'Latchkey root' -a"), HasSubstr("BEGIN CERTIFICATE"));

  ASSERT_TRUE(install_root(folder_, root, "Latchkey root"));
  EXPECT_EQ(roots_named(folder_, "Latchkey root").value(), std::vector<Bytes>{root});

  const auto removed = remove_root(folder_, root);
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_EQ(state(root), RootState::kAbsent);
  EXPECT_THAT(certutil("-L"), Not(HasSubstr("Latchkey")));
  ASSERT_TRUE(remove_root(folder_, root));
}

TEST_F(NssTrust, UsesADatabaseThatABrowserMadeAndLeavesTheRestAlone) {
  fs::create_directories(folder_);
  fs::permissions(folder_, fs::perms(0755));
  certutil("-N --empty-password");
  const Bytes other = make_root("/CN=Company");
  certutil("-A -n Company -t C,, -i " + (home_.path() / "root1.der").string());
  const Bytes root = make_root();
  const auto installed = install_root(folder_, root, "Latchkey root");
  ASSERT_TRUE(installed) << installed.error().message;
  EXPECT_EQ(state(root), RootState::kTrusted);
  EXPECT_EQ(state(other), RootState::kTrusted);
  ASSERT_TRUE(remove_root(folder_, root));
  EXPECT_EQ(state(other), RootState::kTrusted);
  EXPECT_THAT(certutil("-L"), testing::ContainsRegex("Company +C,,"));
}

TEST_F(NssTrust, RepairsLostTrust) {
  const Bytes root = make_root();
  ASSERT_TRUE(install_root(folder_, root, "Latchkey root"));
  certutil("-M -n 'Latchkey root' -t ,,");
  EXPECT_EQ(state(root), RootState::kUntrusted);
  ASSERT_TRUE(install_root(folder_, root, "Latchkey root"));
  EXPECT_EQ(state(root), RootState::kTrusted);
}

TEST_F(NssTrust, TellsRootsWithOneSubjectApart) {
  const Bytes first = make_root();
  const Bytes second = make_root();
  ASSERT_TRUE(install_root(folder_, first, "Latchkey root"));
  const auto installed = install_root(folder_, second, "Latchkey root");
  ASSERT_TRUE(installed) << installed.error().message;
  EXPECT_EQ(roots_named(folder_, "Latchkey root").value().size(), 2U);
  ASSERT_TRUE(remove_root(folder_, first));
  EXPECT_EQ(state(first), RootState::kAbsent);
  EXPECT_EQ(state(second), RootState::kTrusted);
}

TEST_F(NssTrust, SeveralDatabasesOneAfterTheOther) {
  const Bytes root = make_root();
  std::vector<fs::path> folders;
  for (const char* name : {"a", "b", "c o'd\\e"}) {
    folders.push_back(home_.path() / name / "nssdb");
    const auto installed = install_root(folders.back(), root, "Latchkey root");
    ASSERT_TRUE(installed) << installed.error().message;
  }
  for (const fs::path& folder : folders) {
    EXPECT_EQ(query_root(folder, root).value(), RootState::kTrusted) << folder;
    EXPECT_TRUE(fs::exists(folder / "cert9.db")) << folder;
  }
}

TEST_F(NssTrust, RefusesWhatIsNoCertificateAndUnreadableFolders) {
  EXPECT_FALSE(install_root(folder_, Bytes{1, 2, 3}, "Latchkey root"));
  EXPECT_FALSE(install_root(folder_, {}, "Latchkey root"));
  EXPECT_EQ(install_root("relative", make_root(), "x").error().code, Error::Code::kMisuse);
  fs::create_directories(home_.path() / "broken");
  std::ofstream(home_.path() / "broken" / "cert9.db") << "this is no database, however long it is";
  const auto broken = install_root(home_.path() / "broken", make_root(), "Latchkey root");
  ASSERT_FALSE(broken);
  EXPECT_FALSE(broken.error().hint.empty());
}

TEST_F(NssTrust, ADatabaseWithAPasswordSaysSo) {
  fs::create_directories(folder_);
  std::ofstream(home_.path() / "password") << "secret123\n";
  certutil("-N -f " + (home_.path() / "password").string());
  const Bytes root = make_root();
  const auto installed = install_root(folder_, root, "Latchkey root");
  ASSERT_FALSE(installed);
  EXPECT_EQ(installed.error().code, Error::Code::kLocked) << installed.error().message;
  EXPECT_THAT(installed.error().hint, HasSubstr("certutil -W"));
  EXPECT_EQ(state(root), RootState::kAbsent);
}

TEST_F(NssTrust, ListsTheFoldersOfConfinedBrowsersThatWereUsed) {
  EXPECT_THAT(chromium_databases(home_.environment()), ElementsAre(folder_));
  fs::create_directories(home_.path() / "snap/chromium/current");
  fs::create_directories(home_.path() / ".var/app/org.chromium.Chromium");
  EXPECT_THAT(chromium_databases(home_.environment()),
              ElementsAre(folder_, home_.path() / "snap/chromium/current/.pki/nssdb",
                          home_.path() / ".var/app/org.chromium.Chromium/.pki/nssdb"));
}

}  // namespace
}  // namespace latchkey::platform
