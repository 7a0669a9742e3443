#include "discovery/link_lab.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>

#include "base/result.h"

namespace latchkey::discovery {
namespace {

using std::chrono::steady_clock;

bool put(const char* path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  return file.good();
}

bool shell(const std::string& command) {
  return std::system(command.c_str()) == 0;
}

// Root in a namespace of its own is enough to make networks and mounts there.
bool become_root() {
  const auto uid = ::geteuid();
  const auto gid = ::getegid();
  if (uid == 0) {
    return ::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0;
  }
  return ::unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) == 0 &&
         put("/proc/self/setgroups", "deny") &&
         put("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1") &&
         put("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
}

bool private_run() {
  // Name lookups must not wait for a name server that is not there.
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") == 0 &&
         put("/run/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n") &&
         ::mount("/run/resolv.conf", "/etc/resolv.conf", nullptr, MS_BIND, nullptr) == 0;
}

}  // namespace

std::unique_ptr<House> House::build(std::string& why) {
  why.clear();
  if (!become_root()) {
    why = std::string("unshare: ") + std::strerror(errno);
    return nullptr;
  }
  if (!private_run()) {
    why = std::string("mount: ") + std::strerror(errno);
    return nullptr;
  }
  std::unique_ptr<House> house(new House);
  std::promise<pid_t> ready;
  house->device_ = std::jthread([&io = house->device_io_, &ready](const std::stop_token& stop) {
    const bool apart = ::unshare(CLONE_NEWNET) == 0;
    ready.set_value(apart ? ::gettid() : -1);
    const auto guard = boost::asio::make_work_guard(io);
    const std::stop_callback stopper(stop, [&io] { io.stop(); });
    io.run();
  });
  const pid_t device = ready.get_future().get();
  if (device < 0 || !shell("ip link set lo up && ip link add pc0 type veth peer name dev0 netns " +
                           std::to_string(device) +
                           " && ip addr add 192.168.77.1/24 dev pc0 && ip link set pc0 up"
                           " && ip route add 224.0.0.0/4 dev pc0")) {
    why = "ip: cannot make a veth pair";
    return nullptr;
  }
  house->on_device([&why] {
    if (!shell("ip link set lo up && ip addr add 192.168.77.2/24 dev dev0"
               " && ip link set dev0 up && ip route add 224.0.0.0/4 dev dev0")) {
      why = "ip: cannot configure the device's end";
    }
  });
  return why.empty() ? std::move(house) : nullptr;
}

House::~House() = default;

void House::on_device(const std::function<void()>& work) {
  std::promise<void> done;
  boost::asio::post(device_io_, [&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

bool run_until(boost::asio::io_context& io, const std::function<bool()>& condition) {
  const auto deadline = steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (steady_clock::now() > deadline) {
      return false;
    }
    io.restart();
    io.run_one_for(std::chrono::milliseconds(50));
  }
  return true;
}

Program::Program(std::vector<std::string> command) {
  std::vector<char*> arguments;
  for (std::string& word : command) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
}

void Program::stop() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
}

std::string Program::output(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer{};
  while (pipe != nullptr && std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
    text += buffer.data();
  }
  if (pipe != nullptr) {
    ::pclose(pipe);
  }
  return text;
}

SystemAvahi::SystemAvahi() : folder_("/run/lab") {
  std::filesystem::create_directories(folder_);
  const std::string address = "unix:path=" + (folder_ / "bus").string();
  put((folder_ / "bus.conf").c_str(),
      "<busconfig><type>system</type><listen>" + address +
          "</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow user=\"*\"/>"
          "<allow own=\"*\"/><allow send_type=\"method_call\"/><allow send_type=\"signal\"/>"
          "<allow send_type=\"method_return\"/><allow send_type=\"error\"/>"
          "<allow receive_type=\"method_call\"/><allow receive_type=\"signal\"/>"
          "<allow receive_type=\"method_return\"/><allow receive_type=\"error\"/>"
          "</policy></busconfig>");
  put((folder_ / "avahi.conf").c_str(),
      "[server]\nhost-name=home-pc\nuse-ipv6=no\nenable-dbus=yes\n[publish]\n"
      "publish-workstation=no\n[rlimits]\n");
  ::setenv("DBUS_SYSTEM_BUS_ADDRESS", address.c_str(), 1);
  std::filesystem::remove(folder_ / "bus");  // an earlier one's
  bus_ = std::make_unique<Program>(
      std::vector<std::string>{"dbus-daemon", "--nofork", "--nopidfile",
                               "--config-file=" + (folder_ / "bus.conf").string()});
  // avahi-daemon gives up at once where there is no bus yet.
  boost::asio::io_context idle;
  run_until(idle, [this] {
    std::error_code ignored;
    return std::filesystem::is_socket(folder_ / "bus", ignored);
  });
  start_daemon();
}

SystemAvahi::~SystemAvahi() {
  daemon_.reset();
  bus_.reset();
  ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
}

void SystemAvahi::start_daemon() {
  daemon_ = std::make_unique<Program>(
      std::vector<std::string>{"avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits",
                               "--no-proc-title", "-f", (folder_ / "avahi.conf").string()});
}

bool SystemAvahi::running() const {
  boost::asio::io_context idle;
  return daemon_ && run_until(idle, [] {
           std::error_code ignored;
           return std::filesystem::is_socket("/run/avahi-daemon/socket", ignored);
         });
}

}  // namespace latchkey::discovery
