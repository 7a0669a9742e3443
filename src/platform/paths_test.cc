#include "platform/paths.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/peer_credentials.h"
#include "platform/system_clock.h"
#include "platform/system_random.h"
#include "platform/temp_home.h"

namespace fs = std::filesystem;

namespace latchkey::platform {
namespace {

mode_t mode_of(const fs::path& path) {
  struct stat state{};
  EXPECT_EQ(::lstat(path.c_str(), &state), 0) << path;
  return state.st_mode & 07777U;
}

TEST(Paths, FollowTheEnvironment) {
  Environment environment;
  environment.home = "/home/ada";
  EXPECT_EQ(agent_socket_path(environment), "/home/ada/.local/state/latchkey/run/agent.sock");
  EXPECT_EQ(agent_state_folder(environment), "/home/ada/.local/state/latchkey");
  EXPECT_EQ(device_state_folder(environment), "/home/ada/.local/state/latchkey-device");
  EXPECT_EQ(config_folder(environment), "/home/ada/.config");
  environment.runtime_dir = "/run/user/1000";
  environment.state_home = "/state";
  environment.config_home = "/config";
  EXPECT_EQ(agent_socket_path(environment), "/run/user/1000/latchkey/agent.sock");
  EXPECT_EQ(agent_state_folder(environment), "/state/latchkey");
  EXPECT_EQ(device_state_folder(environment), "/state/latchkey-device");
  EXPECT_EQ(config_folder(environment), "/config");
  environment.agent_socket = "/tmp/a.sock";
  environment.root = true;
  EXPECT_EQ(agent_socket_path(environment), "/tmp/a.sock");
  EXPECT_EQ(device_state_folder(environment), "/var/lib/latchkey-device");
}

TEST(Threat29Folders, AreMadePrivate) {
  const TempHome home;
  const fs::path folder = home.path() / "a" / "b";
  ASSERT_TRUE(make_private_folder(folder));
  EXPECT_EQ(mode_of(home.path() / "a"), 0700U);
  EXPECT_EQ(mode_of(folder), 0700U);
  ASSERT_TRUE(make_private_folder(folder));
  fs::permissions(folder, fs::perms(0755));
  ASSERT_TRUE(make_private_folder(folder));
  EXPECT_EQ(mode_of(folder), 0700U);
}

TEST(Threat29Folders, ThatOthersCouldPlantThingsInAreRefused) {
  const TempHome home;
  const fs::path folder = home.path() / "state";
  for (const unsigned mode : {0770U, 0707U, 0777U, 01777U}) {
    fs::create_directory(folder);
    ASSERT_EQ(::chmod(folder.c_str(), mode), 0);
    const auto made = make_private_folder(folder);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Error::Code::kUnsafe);
    EXPECT_EQ(mode_of(folder), mode);
  }
  const fs::path link = home.path() / "link";
  ASSERT_TRUE(make_private_folder(home.path() / "real"));
  fs::create_directory_symlink(home.path() / "real", link);
  EXPECT_EQ(make_private_folder(link).error().code, Error::Code::kUnsafe);
  std::ofstream(home.path() / "file") << "x";
  EXPECT_FALSE(make_private_folder(home.path() / "file"));
  EXPECT_FALSE(make_private_folder(home.path() / "file" / "below"));
  EXPECT_EQ(make_private_folder("relative").error().code, Error::Code::kMisuse);
}

TEST(Threat29Folders, OfAnotherUserAreRefused) {
  if (::geteuid() == 0) {
    const TempHome home;
    const fs::path folder = home.path() / "theirs";
    ASSERT_TRUE(make_private_folder(folder));
    ASSERT_EQ(::chown(folder.c_str(), 1, 1), 0);
    EXPECT_EQ(make_private_folder(folder).error().code, Error::Code::kUnsafe);
  } else {
    EXPECT_EQ(make_private_folder("/usr").error().code, Error::Code::kUnsafe);
  }
}

TEST(Files, AreReplacedAsAWhole) {
  const TempHome home;
  const fs::path path = home.path() / "file";
  ASSERT_TRUE(write_file(path, as_bytes("one")));
  EXPECT_EQ(mode_of(path), 0600U);
  ASSERT_TRUE(write_file(path, as_bytes("two"), 0644));
  EXPECT_EQ(mode_of(path), 0644U);
  EXPECT_EQ(contents_of(path), "two");
  EXPECT_EQ(std::distance(fs::directory_iterator(home.path()), {}), 1);
}

TEST(Files, ReplaceALinkAndDoNotFollowIt) {
  const TempHome home;
  std::ofstream(home.path() / "target") << "precious";
  fs::create_symlink(home.path() / "target", home.path() / "file");
  ASSERT_TRUE(write_file(home.path() / "file", as_bytes("mine")));
  EXPECT_EQ(contents_of(home.path() / "target"), "precious");
  EXPECT_FALSE(fs::is_symlink(home.path() / "file"));
}

TEST(Files, WhatCannotBeWrittenLeavesNothingBehind) {
  const TempHome home;
  EXPECT_EQ(write_file(home.path() / "none" / "file", as_bytes("x")).error().code,
            Error::Code::kMissing);
  fs::create_directories(home.path() / "file" / "inside");
  EXPECT_FALSE(write_file(home.path() / "file", as_bytes("x")));
  EXPECT_EQ(std::distance(fs::directory_iterator(home.path()), {}), 1);
}

TEST(Files, AreReadWithinALimit) {
  const TempHome home;
  const fs::path path = home.path() / "file";
  ASSERT_TRUE(write_file(path, Bytes(10000, 7)));
  EXPECT_EQ(read_file(path, 10000).value(), Bytes(10000, 7));
  EXPECT_EQ(read_file(path, 9999).error().code, Error::Code::kForeign);
  EXPECT_EQ(read_file(home.path(), 10).error().code, Error::Code::kForeign);
  EXPECT_EQ(read_file(home.path() / "none", 10).error().code, Error::Code::kMissing);
  EXPECT_EQ(read_file("/dev/zero", 10).error().code, Error::Code::kForeign);
  EXPECT_EQ(read_file("/proc/self/status", 10).error().code, Error::Code::kForeign);
  EXPECT_TRUE(read_file("/proc/self/status", 100000));
}

TEST(Threat29PeerCredentials, AreThoseOfTheOtherEnd) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  const auto peer = peer_credentials(pair[0]);
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->uid, ::geteuid());
  EXPECT_EQ(peer->pid, ::getpid());
  EXPECT_TRUE(peer_is_this_user(pair[0]));
  ::close(pair[0]);
  ::close(pair[1]);
  const int unconnected = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const int internet = ::socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_FALSE(peer_is_this_user(unconnected));
  EXPECT_FALSE(peer_is_this_user(internet));
  EXPECT_FALSE(peer_is_this_user(-1));
  ::close(unconnected);
  ::close(internet);
}

TEST(System, RandomAndClocks) {
  SystemRandom random;
  EXPECT_NE(random.bytes<32>(), random.bytes<32>());
  random.fill({});
  const SystemClock clock;
  EXPECT_GT(clock.wall_now().unix_seconds, 1700000000);
  const MonoTime before = clock.mono_now();
  EXPECT_LE(before, clock.mono_now());
}

}  // namespace
}  // namespace latchkey::platform
