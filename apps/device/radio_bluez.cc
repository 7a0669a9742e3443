#include "device/radio_bluez.h"

#include <fcntl.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

namespace latchkey::device {

namespace {

constexpr std::chrono::milliseconds kAgain = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kEnd = std::chrono::seconds(1);
constexpr std::chrono::milliseconds kLook{5};

}  // namespace

std::filesystem::path bluetooth_program() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return self.parent_path() / "latchkey-bluetooth";
}

Result<std::unique_ptr<RadioBluez>, std::string> RadioBluez::open(
    net::Executor executor, const std::filesystem::path& socket,
    const std::filesystem::path& program, std::string adapter) {
  if (::access(program.c_str(), X_OK) != 0) {
    return fail(program.string() + " is not there, which --bluetooth needs");
  }
  auto opened = RadioSocket::open(executor, socket.string());
  if (!opened) {
    return fail(opened.error());
  }
  return std::unique_ptr<RadioBluez>(
      new RadioBluez(std::move(executor), *std::move(opened), socket, program, std::move(adapter)));
}

RadioBluez::RadioBluez(net::Executor executor, std::unique_ptr<RadioSocket> socket,
                       std::filesystem::path path, std::filesystem::path program,
                       std::string adapter)
    : socket_(std::move(socket)),
      path_(std::move(path)),
      program_(std::move(program)),
      adapter_(std::move(adapter)),
      watch_(executor),
      again_(std::move(executor)) {}

RadioBluez::~RadioBluez() {
  stop();
}

void RadioBluez::start(RadioUser& user) {
  stopped_ = false;
  socket_->start(user);
  launch();
}

void RadioBluez::launch() {
  const std::string program = program_.string();
  const std::string socket = path_.string();
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) {
    // It does not outlive us, whatever ends us.
    (void)::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) {
      ::_exit(1);
    }
    ::execl(program.c_str(), "latchkey-bluetooth", "--socket", socket.c_str(),
            adapter_.empty() ? static_cast<char*>(nullptr) : "--adapter", adapter_.c_str(),
            static_cast<char*>(nullptr));
    ::_exit(127);
  }
  const int watch = child > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, child, 0)) : -1;
  child_ = child;
  boost::system::error_code error;
  if (watch >= 0) {
    watch_.assign(watch, error);
  }
  if (watch < 0 || error) {
    spdlog::warn("{} cannot be started: {}", program, std::strerror(errno));
    on_exit();
    return;
  }
  watch_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this](const boost::system::error_code& cut) {
                      if (!cut) {
                        on_exit();
                      }
                    });
}

void RadioBluez::on_exit() {
  boost::system::error_code ignored;
  watch_.close(ignored);
  if (const pid_t child = std::exchange(child_, -1); child > 0) {
    (void)::kill(child, SIGKILL);  // where it could not be watched
    (void)::waitpid(child, nullptr, 0);
  }
  if (stopped_) {
    return;
  }
  spdlog::warn("{} ended; it is started again", program_.string());
  again_.expires_after(kAgain);
  again_.async_wait([this](const boost::system::error_code& cut) {
    if (!cut) {
      launch();
    }
  });
}

void RadioBluez::stop() {
  if (std::exchange(stopped_, true)) {
    return;
  }
  socket_->stop();
  again_.cancel();
  boost::system::error_code ignored;
  watch_.close(ignored);
  const pid_t child = std::exchange(child_, -1);
  if (child <= 0) {
    return;
  }
  (void)::kill(child, SIGTERM);
  const auto until = std::chrono::steady_clock::now() + kEnd;
  while (::waitpid(child, nullptr, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() >= until) {
      (void)::kill(child, SIGKILL);
      (void)::waitpid(child, nullptr, 0);
      break;
    }
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace latchkey::device
