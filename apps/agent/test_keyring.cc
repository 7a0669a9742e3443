#include "test_keyring.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

namespace latchkey::programs {

namespace {

// Without the services that the system offers: nobody starts a keyring but the test.
constexpr const char* kBus =
    "<busconfig><type>session</type><listen>unix:path=$BUS</listen><auth>EXTERNAL</auth>"
    "<policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>"
    "<allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>";

}  // namespace

Keyring::Keyring(const Home& home, std::string password)
    : environment_(home.environment()), password_(std::move(password)) {
  std::filesystem::permissions(home.path() / "run", std::filesystem::perms::owner_all);
  const std::string path = (home.path() / "bus").string();
  environment_["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=" + path;
  std::string config = kBus;
  config.replace(config.find("$BUS"), 4, path);
  std::ofstream(path + ".conf") << config;
  const auto bus =
      shell("dbus-daemon --nopidfile --fork --print-pid --config-file=" + path + ".conf");
  bus_ = std::atoi(bus.out.c_str());
  if (bus_ <= 0) {
    throw std::runtime_error("dbus-daemon: " + bus.err);
  }
  start();
}

Keyring::~Keyring() {
  stop();
  if (bus_ > 0) {
    ::kill(bus_, SIGTERM);
  }
}

Output Keyring::shell(const std::string& command) const {
  return run({"/bin/sh", "-c", command}, environment_);
}

void Keyring::start() {
  // It says its process's id nowhere, so it stays in the foreground as a child of ours.
  std::array<int, 2> in{};
  if (::pipe(in.data()) != 0) {
    throw std::runtime_error("pipe");
  }
  std::vector<std::string> pairs;
  for (const auto& [name, value] : environment_) {
    pairs.push_back(name + "=" + value);
  }
  std::vector<char*> env;
  for (std::string& pair : pairs) {
    env.push_back(pair.data());
  }
  env.push_back(nullptr);
  keyring_ = ::fork();
  if (keyring_ == 0) {
    ::dup2(in[0], STDIN_FILENO);
    ::close(in[0]);
    ::close(in[1]);
    ::execle("/usr/bin/gnome-keyring-daemon", "gnome-keyring-daemon", "--foreground", "--unlock",
             "--components=secrets", nullptr, env.data());
    ::_exit(127);
  }
  ::close(in[0]);
  (void)!::write(in[1], password_.data(), password_.size());
  ::close(in[1]);
  shell("gdbus wait --session --timeout 30 org.freedesktop.secrets");
}

void Keyring::stop() {
  if (keyring_ > 0) {
    ::kill(keyring_, SIGTERM);
    ::waitpid(keyring_, nullptr, 0);
    keyring_ = -1;
  }
}

void Keyring::lock() {
  shell(
      "gdbus call --session --dest org.freedesktop.secrets --object-path "
      "/org/freedesktop/secrets --method org.freedesktop.Secret.Service.Lock "
      "\"['/org/freedesktop/secrets/collection/login']\"");
}

std::string Keyring::list() const {
  return shell("secret-tool search --all xdg:schema org.latchkey.StoreKey 2>&1").out;
}

void Keyring::clear_all() {
  shell("secret-tool clear xdg:schema org.latchkey.StoreKey");
}

}  // namespace latchkey::programs
