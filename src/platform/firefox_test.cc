// Firefox's places, profiles and anchors, against certutil (libnss3-tools).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "crypto/hash.h"
#include "platform/firefox_profiles.h"
#include "platform/native_messaging.h"
#include "platform/nss_anchors.h"
#include "platform/temp_home.h"

namespace fs = std::filesystem;

namespace latchkey::platform {
namespace {

using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> paths(std::string_view ini) {
  std::vector<std::string> paths;
  for (const ListedProfile& one : parse_profiles(ini)) {
    paths.push_back((one.relative ? "~/" : "") + one.path);
  }
  return paths;
}

TEST(ParseProfiles, ReadsProfilesAndInstallations) {
  EXPECT_THAT(
      paths("[Install4F96D1932A9F858E]\r\nDefault=abc.default-esr\r\nLocked=1\r\n\r\n"
            "[Profile1]\r\nName=default\r\nIsRelative=1\r\nPath=def.default\r\nDefault=1\r\n"
            "\r\n[Profile0]\nName=default-esr\nIsRelative=1\nPath=abc.default-esr\n"
            "[Profile2]\nName=disk\nIsRelative=0\nPath=/media/disk/fox\n"
            "[General]\nStartWithLastProfile=1\nVersion=2\n"),
      ElementsAre("~/abc.default-esr", "~/def.default", "/media/disk/fox"));
  EXPECT_THAT(paths("[X]\nDefault=/abs/one\n"), ElementsAre("/abs/one"));
  EXPECT_THAT(paths("; nothing\n[P]\nPath\n=x\nPath=\n[P]\nDefault=1\n"), IsEmpty());
  EXPECT_THAT(paths("Path=first"), ElementsAre("~/first"));
}

TEST(ParseProfiles, IsBounded) {
  std::string many;
  for (int i = 0; i < 1000; ++i) {
    many += "[Profile" + std::to_string(i) + "]\nPath=p" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(parse_profiles(many).size(), kMaxProfiles);
  EXPECT_THAT(paths("[P]\nPath=" + std::string(2000, 'x') + "\n"), IsEmpty());
  EXPECT_THAT(paths(std::string("[P]\nPath=a\0b\n", 13)), IsEmpty());
}

class FirefoxPlaces : public testing::Test {
 protected:
  fs::path make(const fs::path& folder) {
    fs::create_directories(home_.path() / folder);
    return home_.path() / folder;
  }
  void list(const fs::path& folder, const std::string& text) {
    std::ofstream(make(folder) / "profiles.ini") << text;
  }
  std::vector<fs::path> found(const std::vector<fs::path>& extra = {}) {
    return firefox_profiles(home_.environment(), extra);
  }
  TempHome home_;
};

TEST_F(FirefoxPlaces, AllKnownPlacesAreRead) {
  EXPECT_THAT(found(), IsEmpty());
  std::vector<fs::path> expected;
  for (const char* place :
       {".mozilla/firefox", ".config/mozilla/firefox", "snap/firefox/common/.mozilla/firefox",
        "snap/firefox/common/.config/mozilla/firefox",
        ".var/app/org.mozilla.firefox/.mozilla/firefox",
        ".var/app/org.mozilla.firefox/config/mozilla/firefox",
        ".var/app/org.mozilla.firefox/.config/mozilla/firefox"}) {
    list(place, "[Profile0]\nIsRelative=1\nPath=a.default\n[Profile1]\nPath=gone\n");
    expected.push_back(make(fs::path(place) / "a.default"));
  }
  EXPECT_EQ(found(), expected);
  EXPECT_EQ(firefox_folders(home_.environment()).size(), expected.size()) << "one is not tried";
}

TEST_F(FirefoxPlaces, NamedFoldersAreProfilesOrListThem) {
  const fs::path one = make("one");
  list("two", "[Profile0]\nPath=inside\n");
  const fs::path inside = make("two/inside");
  EXPECT_THAT(found({one, home_.path() / "two", one, "relative"}), ElementsAre(one, inside));
}

TEST_F(FirefoxPlaces, WhatIsNotThisUsersOwnIsPassedOver) {
  const fs::path open = make(".mozilla/firefox/open");
  ::chmod(open.c_str(), 0777);
  const fs::path linked = make(".mozilla/firefox/linked");
  fs::create_symlink("/etc/passwd", linked / "cert9.db");
  const fs::path good = make("disk/good");
  fs::create_symlink(good, home_.path() / ".mozilla/firefox/link");
  make("outside");
  list(".mozilla/firefox",
       "[P]\nPath=open\n[P]\nPath=linked\n[P]\nPath=link\n[P]\nPath=../../outside\n"
       "[P]\nIsRelative=1\nPath=/etc\n[P]\nIsRelative=0\nPath=disk/good\n");
  EXPECT_THAT(found(), ElementsAre(good));
}

TEST_F(FirefoxPlaces, TheManifestLetsTheAddOnIn) {
  const auto folders = firefox_manifest_folders(home_.environment());
  ASSERT_THAT(folders, ElementsAre(home_.path() / ".mozilla/native-messaging-hosts"));
  const fs::path& folder = folders.front();
  const std::string add_on = "extension@latchkey.org";
  EXPECT_EQ(check_firefox_manifest(folder, add_on), ManifestState::kMissing);
  ASSERT_TRUE(write_firefox_manifest(folder, "/bin/true", add_on));
  ASSERT_TRUE(write_firefox_manifest(folder, "/bin/true", add_on));
  const std::string text = contents_of(folder / "org.latchkey.agent.json");
  EXPECT_THAT(text, HasSubstr("\"allowed_extensions\": [\n    \"extension@latchkey.org\"\n  ]"));
  EXPECT_THAT(text, Not(HasSubstr("allowed_origins")));
  EXPECT_EQ(check_firefox_manifest(folder, add_on), ManifestState::kGood);
  EXPECT_EQ(check_firefox_manifest(folder, "other@x"), ManifestState::kOtherExtension);
  ASSERT_TRUE(remove_firefox_manifest(folder));
  ASSERT_TRUE(remove_firefox_manifest(folder));
  EXPECT_EQ(check_firefox_manifest(folder, add_on), ManifestState::kMissing);
  std::ofstream(folder / "org.latchkey.agent.json") << "{}";
  EXPECT_FALSE(write_firefox_manifest(folder, "/bin/true", add_on));
  EXPECT_FALSE(remove_firefox_manifest(folder));
  make(".config/mozilla");
  EXPECT_EQ(firefox_manifest_folders(home_.environment()).size(), 2U);
}

// --- anchors ---

WantedAnchor want(const std::string& nickname, std::uint8_t n,
                  const std::vector<std::uint8_t>& also = {}) {
  WantedAnchor one{nickname, Digest256{n}, {}};
  for (const std::uint8_t other : also) {
    one.also.push_back(Digest256{other});
  }
  return one;
}

TEST(PlanAnchors, IsTheDifference) {
  const std::vector<WantedAnchor> wanted{want("a", 1), want("b", 2), want("c", 3, {30}),
                                         want("d", 4)};
  const auto plan = plan_anchors(wanted, {{"b", Digest256{2}, true},
                                          {"c", Digest256{30}, true},
                                          {"c", Digest256{31}, true},
                                          {"d", Digest256{4}, false},
                                          {"e", Digest256{5}, true}});
  EXPECT_THAT(plan.add, ElementsAre(&wanted[0], &wanted[2], &wanted[3]));
  EXPECT_THAT(plan.remove, ElementsAre(Digest256{31}, Digest256{5}));
  EXPECT_TRUE(plan_anchors({}, {}).add.empty());
  EXPECT_TRUE(plan_anchors({want("a", 1)}, {{"a", Digest256{1}, true}}).add.empty());
  EXPECT_THAT(plan_anchors({}, {{"a", Digest256{1}, true}}).remove, ElementsAre(Digest256{1}));
}

class FirefoxAnchors : public testing::Test {
 protected:
  FirefoxAnchors() {
    fs::create_directories(folder_);
    certutil("-N --empty-password");
  }
  // A CA with a key of its own; all have one subject, as grant CAs do.
  Digest256 make_ca(const std::string& subject = "/CN=Latchkey grant") {
    const fs::path file = home_.path() / "ca.der";
    const std::string log = output_of(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null "
        "-days 10 -subj '" +
        subject + "' -addext basicConstraints=critical,CA:TRUE -outform DER -out " + file.string());
    const Bytes der = to_bytes(as_bytes(contents_of(file)));
    EXPECT_FALSE(der.empty()) << log;
    const Digest256 digest = crypto::sha256(der);
    made_[digest] = der;
    return digest;
  }
  std::string certutil(const std::string& arguments) {
    return output_of("certutil -d sql:" + folder_.string() + " " + arguments);
  }
  Result<AnchorOutcome, Error> reconcile(const std::vector<WantedAnchor>& wanted,
                                         std::size_t limit = kMaxAnchorChanges) {
    return reconcile_anchors(
        folder_, "Latchkey grant ", wanted,
        [this](const Digest256& digest) -> std::optional<Bytes> {
          const auto found = made_.find(digest);
          return found == made_.end() ? std::nullopt : std::optional(found->second);
        },
        limit);
  }
  void has_password() {
    std::ofstream(home_.path() / "password") << "secret123\n";
    std::ofstream(home_.path() / "none") << "\n";
    certutil("-W -f " + (home_.path() / "none").string() + " -@ " +
             (home_.path() / "password").string());
  }

  TempHome home_;
  fs::path folder_ = home_.path() / "abc.default-esr";
  std::map<Digest256, Bytes> made_;
};

TEST_F(FirefoxAnchors, AreAddedReplacedAndTakenOut) {
  make_ca("/CN=Company");
  certutil("-A -n Company -t C,, -i " + (home_.path() / "ca.der").string());
  const WantedAnchor one{"Latchkey grant 1", make_ca(), {}};
  const WantedAnchor two{"Latchkey grant 2", make_ca(), {}};
  auto outcome = reconcile({one, two});
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->added, 2U);
  EXPECT_FALSE(outcome->more || outcome->password);
  const std::string listed = certutil("-L");
  EXPECT_THAT(listed, ContainsRegex("Latchkey grant 1 +C,,"));
  EXPECT_THAT(listed, ContainsRegex("Latchkey grant 2 +C,,"));
  EXPECT_EQ(read_anchors(folder_, "Latchkey grant ").value().size(), 2U);

  outcome = reconcile({one, two});
  EXPECT_EQ(outcome->added + outcome->removed, 0U);

  // One ends; the other's authority is replaced, and stays until the new one is in use.
  WantedAnchor next{"Latchkey grant 2", make_ca(), {two.digest}};
  outcome = reconcile({next});
  EXPECT_EQ(outcome->added, 1U);
  EXPECT_EQ(outcome->removed, 1U);
  EXPECT_THAT(certutil("-L"), Not(HasSubstr("Latchkey grant 1")));
  EXPECT_EQ(read_anchors(folder_, "Latchkey grant ").value().size(), 2U);
  next.also.clear();
  EXPECT_EQ(reconcile({next})->removed, 1U);
  const auto left = read_anchors(folder_, "Latchkey grant ").value();
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].digest, next.digest);
  EXPECT_TRUE(left[0].trusted);

  ASSERT_TRUE(reconcile({}));
  EXPECT_THAT(certutil("-L"), Not(HasSubstr("Latchkey")));
  EXPECT_THAT(certutil("-L"), ContainsRegex("Company +C,,"));
}

TEST_F(FirefoxAnchors, TrustThatWasTakenAwayComesBack) {
  const WantedAnchor one{"Latchkey grant 1", make_ca(), {}};
  ASSERT_TRUE(reconcile({one}));
  certutil("-M -n 'Latchkey grant 1' -t ,,");
  EXPECT_EQ(reconcile({one})->added, 1U);
  EXPECT_THAT(certutil("-L"), ContainsRegex("Latchkey grant 1 +C,,"));
}

TEST_F(FirefoxAnchors, WhatIsNotAtHandIsAskedFor) {
  const WantedAnchor one{"Latchkey grant 1", Digest256{1}, {}};
  const auto outcome = reconcile({one});
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_THAT(outcome->missing, ElementsAre(Digest256{1}));
}

TEST_F(FirefoxAnchors, APrimaryPasswordKeepsThemOutAndLetsThemGo) {
  const WantedAnchor one{"Latchkey grant 1", make_ca(), {}};
  const WantedAnchor two{"Latchkey grant 2", make_ca(), {}};
  ASSERT_TRUE(reconcile({one}));
  has_password();
  auto outcome = reconcile({one, two});
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_TRUE(outcome->password);
  EXPECT_EQ(outcome->added, 0U);
  EXPECT_THAT(certutil("-L"), Not(HasSubstr("Latchkey grant 2")));
  outcome = reconcile({});
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->removed, 1U);
  EXPECT_THAT(certutil("-L"), Not(HasSubstr("Latchkey")));
}

TEST_F(FirefoxAnchors, AFolderWithoutADatabaseAndADamagedOneAreSaid) {
  const WantedAnchor one{"Latchkey grant 1", make_ca(), {}};
  folder_ = home_.path() / "empty";
  fs::create_directories(folder_);
  EXPECT_EQ(reconcile({one}).error().code, Error::Code::kMissing);
  EXPECT_FALSE(fs::exists(folder_ / "cert9.db"));
  std::ofstream(folder_ / "cert9.db") << "this is no database, however long it is";
  const auto damaged = reconcile({one});
  ASSERT_FALSE(damaged);
  EXPECT_FALSE(damaged.error().hint.empty());
  EXPECT_EQ(read_anchors(home_.path() / "gone", "x").error().code, Error::Code::kMissing);
}

TEST_F(FirefoxAnchors, ManyAreDoneInSteps) {
  std::vector<WantedAnchor> wanted;
  for (int i = 0; i < 5; ++i) {
    wanted.push_back({"Latchkey grant " + std::to_string(i), make_ca(), {}});
  }
  auto outcome = reconcile(wanted, 3);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->added, 3U);
  EXPECT_TRUE(outcome->more);
  outcome = reconcile(wanted, 3);
  EXPECT_EQ(outcome->added, 2U);
  EXPECT_FALSE(outcome->more);
  EXPECT_EQ(read_anchors(folder_, "Latchkey grant ").value().size(), 5U);
  EXPECT_TRUE(reconcile({}, 3)->more);
  EXPECT_EQ(reconcile({}, 3)->removed, 2U);
  EXPECT_TRUE(read_anchors(folder_, "Latchkey grant ").value().empty());
}

}  // namespace
}  // namespace latchkey::platform
