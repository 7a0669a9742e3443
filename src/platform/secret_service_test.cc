// The keyring, against a real gnome-keyring on a bus and in a home of its own.
#include "platform/secret_service.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace latchkey::platform {
namespace {

// Runs to the end; what it wrote, without the line's end.
std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> buffer{};
  while (pipe != nullptr && std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
    text += buffer.data();
  }
  if (pipe != nullptr) {
    ::pclose(pipe);
  }
  text.erase(text.find_last_not_of('\n') + 1);
  return text;
}

class SecretServiceTest : public ::testing::Test {
 protected:
  SecretServiceTest() {
    std::string name =
        (std::filesystem::temp_directory_path() / "latchkey-keyring-XXXXXX").string();
    home_ = ::mkdtemp(name.data());
    for (const char* folder : {"run", "data", "config"}) {
      std::filesystem::create_directory(home_ / folder);
      std::filesystem::permissions(home_ / folder, std::filesystem::perms::owner_all);
    }
    ::setenv("HOME", home_.c_str(), 1);
    ::setenv("XDG_RUNTIME_DIR", (home_ / "run").c_str(), 1);
    ::setenv("XDG_DATA_HOME", (home_ / "data").c_str(), 1);
    ::setenv("XDG_CONFIG_HOME", (home_ / "config").c_str(), 1);
    ::unsetenv("DISPLAY");
    ::unsetenv("WAYLAND_DISPLAY");
    ::setenv("DBUS_SESSION_BUS_ADDRESS", ("unix:path=" + (home_ / "none").string()).c_str(), 1);
  }
  ~SecretServiceTest() override {
    stop_keyring();
    if (bus_ > 0) {
      ::kill(bus_, SIGTERM);
    }
    std::filesystem::remove_all(home_);
  }
  void start_bus() {
    const std::string address = "unix:path=" + (home_ / "bus").string();
    bus_ = std::atoi(
        output_of("dbus-daemon --session --nopidfile --fork --print-pid --address=" + address)
            .c_str());
    ASSERT_GT(bus_, 0);
    ::setenv("DBUS_SESSION_BUS_ADDRESS", address.c_str(), 1);
  }
  void start_keyring() {
    // It says its process's id nowhere, so it stays in the foreground as a child of ours.
    std::array<int, 2> in{};
    ASSERT_EQ(::pipe(in.data()), 0);
    keyring_ = ::fork();
    if (keyring_ == 0) {
      ::dup2(in[0], STDIN_FILENO);
      ::close(in[0]);
      ::close(in[1]);
      ::execlp("gnome-keyring-daemon", "gnome-keyring-daemon", "--foreground", "--unlock",
               "--components=secrets", nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ASSERT_EQ(::write(in[1], "login", 5), 5);
    ::close(in[1]);
    output_of("gdbus wait --session --timeout 30 org.freedesktop.secrets");
  }
  void stop_keyring() {
    if (keyring_ > 0) {
      ::kill(keyring_, SIGTERM);
      ::waitpid(keyring_, nullptr, 0);
      keyring_ = -1;
    }
  }
  static void lock() {
    output_of(
        "gdbus call --session --dest org.freedesktop.secrets --object-path "
        "/org/freedesktop/secrets --method org.freedesktop.Secret.Service.Lock "
        "\"['/org/freedesktop/secrets/collection/login']\" 2>&1");
  }
  std::filesystem::path home_;
  pid_t bus_ = -1;
  pid_t keyring_ = -1;
  SecretService service_{std::chrono::seconds(20)};
  const ByteArray<16> name_{1, 2, 3};
  const Bytes key_ = Bytes(32, 0xab);
};

TEST_F(SecretServiceTest, WithoutABusThereIsNone) {
  EXPECT_EQ(service_.ready().error().code, Error::Code::kSystem);
  EXPECT_EQ(service_.get(name_).error().code, Error::Code::kSystem);
  EXPECT_EQ(service_.put(name_, "x", key_).error().code, Error::Code::kSystem);
}

TEST_F(SecretServiceTest, KeepsAKeyAndTellsItsStatesApart) {
  start_bus();
  start_keyring();
  const auto ready = service_.ready();
  ASSERT_TRUE(ready) << ready.error().message;
  EXPECT_EQ(service_.get(name_).error().code, Error::Code::kMissing);
  const auto put = service_.put(name_, "Latchkey: test", key_);
  ASSERT_TRUE(put) << put.error().message;
  const auto got = service_.get(name_);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(to_bytes(got->span()), key_);
  // A tool that is not ours finds the same.
  std::string hex;
  for (int i = 0; i < 32; ++i) {
    hex += "ab";
  }
  EXPECT_EQ(output_of("secret-tool lookup latchkey-key 01020300000000000000000000000000"), hex);
  // Replaced, not doubled.
  ASSERT_TRUE(service_.put(name_, "Latchkey: test", Bytes(32, 0xcd)));
  EXPECT_EQ(to_bytes(service_.get(name_).value().span()), Bytes(32, 0xcd));

  lock();
  EXPECT_EQ(service_.ready().error().code, Error::Code::kLocked);
  EXPECT_EQ(service_.get(name_).error().code, Error::Code::kLocked);
  EXPECT_EQ(service_.put(name_, "x", key_).error().code, Error::Code::kLocked);

  // A new daemon that was given the password; the key outlived the old one.
  stop_keyring();
  start_keyring();
  const auto after = service_.get(name_);
  ASSERT_TRUE(after) << after.error().message;
  ASSERT_TRUE(service_.drop(name_));
  EXPECT_EQ(service_.get(name_).error().code, Error::Code::kMissing);
  ASSERT_TRUE(service_.drop(name_));
}

}  // namespace
}  // namespace latchkey::platform
