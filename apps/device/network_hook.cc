#include "device/network_hook.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "base/encoding.h"
#include "net/local_message.h"
#include "net/stream.h"

namespace latchkey::device {

namespace {

constexpr int kWrongPassword = 3;
constexpr int kNoSuchNetwork = 4;

// A program of its own process group that does not outlive this.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ > 0) {
      (void)::kill(-pid_, SIGKILL);
      (void)::waitpid(pid_, nullptr, 0);
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Its exit code, once it has ended; what it has started and left behind goes too.
  int collect() {
    int status = 0;
    (void)::waitpid(pid_, &status, 0);
    (void)::kill(-std::exchange(pid_, 0), SIGKILL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_;
};

SecretBytes lines(const wire::NetworkCredentials& credentials) {
  const std::string ssid = "ssid " + hex_encode(credentials.ssid) + "\npsk ";
  SecretBytes out(ssid.size() + credentials.psk.size() + 1);
  auto to = out.writable();
  std::copy(ssid.begin(), ssid.end(), to.begin());
  const ByteSpan psk = credentials.psk.span();
  std::copy(psk.begin(), psk.end(), to.begin() + static_cast<std::ptrdiff_t>(ssid.size()));
  to.back() = '\n';
  return out;
}

// Starts it with `input` on its standard input. 0: it cannot be.
pid_t start(const std::filesystem::path& program, ByteSpan input) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return 0;
  }
  const net::OwnedFd reads(pipe[0]);
  const net::OwnedFd writes(pipe[1]);
  // Less than a pipe holds: this never waits.
  if (::write(writes.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size())) {
    return 0;
  }
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  (void)posix_spawn_file_actions_init(&files);
  (void)posix_spawnattr_init(&attributes);
  (void)posix_spawn_file_actions_adddup2(&files, reads.get(), STDIN_FILENO);
  (void)posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  (void)posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t none;
  sigset_t pipe_signal;
  (void)sigemptyset(&none);
  (void)sigemptyset(&pipe_signal);
  (void)sigaddset(&pipe_signal, SIGPIPE);
  (void)posix_spawnattr_setsigmask(&attributes, &none);
  (void)posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
  (void)posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string name = program.string();
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  std::array<char*, 2> arguments{name.data(), nullptr};
  std::array<char*, 2> environment{path.data(), nullptr};
  pid_t pid = 0;
  const int failed =
      ::posix_spawn(&pid, name.c_str(), &files, &attributes, arguments.data(), environment.data());
  (void)posix_spawn_file_actions_destroy(&files);
  (void)posix_spawnattr_destroy(&attributes);
  return failed == 0 ? pid : 0;
}

wire::NetworkState state_for(int code) {
  switch (code) {
    case 0:
      return wire::NetworkState::kJoined;
    case kWrongPassword:
      return wire::NetworkState::kWrongPassword;
    case kNoSuchNetwork:
      return wire::NetworkState::kNotFound;
    default:
      return wire::NetworkState::kFailed;
  }
}

}  // namespace

net::Task<wire::NetworkState> NetworkHook::join(net::Executor executor,
                                                wire::NetworkCredentials credentials) {
  struct Busy {
    bool& flag;
    explicit Busy(bool& f) : flag(f) { flag = true; }
    ~Busy() { flag = false; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;
  };
  if (busy_) {
    co_return wire::NetworkState::kFailed;
  }
  const Busy busy(busy_);
  const pid_t pid = start(program_, lines(credentials).span());
  if (pid == 0) {
    spdlog::error("the network hook {} cannot be started", program_.string());
    co_return wire::NetworkState::kFailed;
  }
  Child child(pid);
  const int ended = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (ended < 0) {
    spdlog::error("the network hook cannot be watched");
    co_return wire::NetworkState::kFailed;
  }
  const auto watched = net::WatchedFd::take(std::move(executor), ended);
  const auto waited = co_await watched->wait(net::WatchedFd::Side::kRead, net::after(time_));
  watched->close();
  if (!waited) {
    spdlog::error("the network hook took too long and was ended");
    co_return wire::NetworkState::kFailed;
  }
  const int code = child.collect();
  spdlog::info("the network hook ended with {}", code);
  co_return state_for(code);
}

}  // namespace latchkey::device
