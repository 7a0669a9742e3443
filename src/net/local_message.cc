#include "net/local_message.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "wire/names.h"

namespace latchkey::net {
namespace {

constexpr int kStartTimeMs = 5000;

tl::unexpected<LocalError> failed(LocalErrorCode code, std::string detail) {
  return fail(LocalError{code, std::move(detail)});
}
tl::unexpected<LocalError> failed_errno(const std::string& what) {
  const auto code =
      errno == EPIPE || errno == ECONNRESET ? LocalErrorCode::kClosed : LocalErrorCode::kSystem;
  return failed(code, what + ": " + std::generic_category().message(errno));
}

LocalResult<void> read_exactly(int fd, std::span<std::uint8_t> into) {
  while (!into.empty()) {
    const ssize_t got = ::read(fd, into.data(), into.size());
    if (got > 0) {
      into = into.subspan(static_cast<std::size_t>(got));
    } else if (got == 0) {
      return failed(LocalErrorCode::kClosed, "the other end has closed");
    } else if (errno != EINTR) {
      return failed_errno("read");
    }
  }
  return {};
}

// Starts the program with a pipe as its standard output, detached from this process. The pipe says
// "listening on ..." when it is ready.
LocalResult<OwnedFd> spawn_agent(const std::string& path, const std::string& program) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return failed_errno("pipe");
  }
  OwnedFd read_end(ends[0]);
  OwnedFd write_end(ends[1]);
  const OwnedFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const std::array<const char*, 5> arguments{program.c_str(), "run", "--socket", path.c_str(),
                                             nullptr};
  const pid_t child = ::fork();
  if (child < 0) {
    return failed_errno("fork");
  }
  if (child == 0) {
    // A grandchild, so that nobody has to wait for it.
    ::setsid();
    if (::fork() != 0) {
      ::_exit(0);
    }
    ::dup2(nothing.get(), STDIN_FILENO);
    ::dup2(write_end.get(), STDOUT_FILENO);
    ::dup2(nothing.get(), STDERR_FILENO);
    // It must not keep a folder in use that somebody wants to unmount.
    if (::chdir("/") != 0) {
      ::_exit(127);
    }
    ::execv(program.c_str(), const_cast<char* const*>(arguments.data()));
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return read_end;
}

}  // namespace

OwnedFd::OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
  }
  return *this;
}
OwnedFd::~OwnedFd() {
  close();
}
int OwnedFd::release() {
  return std::exchange(fd_, -1);
}
void OwnedFd::close() {
  if (fd_ >= 0) {
    ::close(std::exchange(fd_, -1));
  }
}

Bytes encode_local_message(std::string_view message) {
  LATCHKEY_CHECK(message.size() <= wire::kMaxAgentMessage);
  const auto length = static_cast<std::uint32_t>(message.size());
  Bytes bytes(sizeof length + message.size());
  std::memcpy(bytes.data(), &length, sizeof length);
  std::memcpy(bytes.data() + sizeof length, message.data(), message.size());
  return bytes;
}

LocalResult<std::string> read_local_message(int fd) {
  std::uint32_t length = 0;
  std::array<std::uint8_t, sizeof length> head{};
  if (auto read = read_exactly(fd, head); !read) {
    return fail(read.error());
  }
  std::memcpy(&length, head.data(), sizeof length);
  if (length > wire::kMaxAgentMessage) {
    return failed(LocalErrorCode::kLimit, "a message over the limit");
  }
  std::string message(length, '\0');
  if (auto read =
          read_exactly(fd, {reinterpret_cast<std::uint8_t*>(message.data()), message.size()});
      !read) {
    return fail(read.error());
  }
  return message;
}

LocalResult<void> write_local_message(int fd, std::string_view message) {
  if (message.size() > wire::kMaxAgentMessage) {
    return failed(LocalErrorCode::kLimit, "a message over the limit");
  }
  const Bytes bytes = encode_local_message(message);
  ByteSpan rest(bytes);
  while (!rest.empty()) {
    const ssize_t sent = ::write(fd, rest.data(), rest.size());
    if (sent >= 0) {
      rest = rest.subspan(static_cast<std::size_t>(sent));
    } else if (errno != EINTR) {
      return failed_errno("write");
    }
  }
  return {};
}

bool is_same_user(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

LocalResult<void> check_private_folder(const std::string& folder, bool make) {
  if (make) {
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(folder).parent_path(), error);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      return failed_errno(folder);
    }
  }
  struct stat seen{};
  if (::lstat(folder.c_str(), &seen) != 0) {
    const auto code = errno == ENOENT ? LocalErrorCode::kNobody : LocalErrorCode::kSystem;
    return failed(code, folder + ": " + std::generic_category().message(errno));
  }
  if (!S_ISDIR(seen.st_mode) || seen.st_uid != ::geteuid() || (seen.st_mode & 077) != 0) {
    return failed(LocalErrorCode::kRefused,
                  folder + " is not a folder that only this user may enter (mode 0700)");
  }
  return {};
}

LocalResult<OwnedFd> connect_local(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return failed(LocalErrorCode::kSystem, "the socket's path is too long: " + path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (auto folder = check_private_folder(std::filesystem::path(path).parent_path(), false);
      !folder) {
    return fail(folder.error());
  }
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) {
    return failed_errno("socket");
  }
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const bool nobody = errno == ENOENT || errno == ECONNREFUSED;
    return failed(nobody ? LocalErrorCode::kNobody : LocalErrorCode::kSystem,
                  path + ": " + std::generic_category().message(errno));
  }
  if (!is_same_user(fd.get())) {
    return failed(LocalErrorCode::kRefused, "another user's process listens at " + path);
  }
  return fd;
}

LocalResult<OwnedFd> connect_or_start(const std::string& path, const std::string& program) {
  auto connected = connect_local(path);
  if (connected || connected.error().code != LocalErrorCode::kNobody) {
    return connected;
  }
  auto output = spawn_agent(path, program);
  if (!output) {
    return fail(output.error());
  }
  // A line on the pipe: it listens. The pipe's end: it did not start, or another one was faster.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kStartTimeMs);
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    pollfd wait{output->get(), POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::max<long>(0, left.count())));
    if (ready < 0 && errno == EINTR) {
      continue;
    }
    if (ready == 0) {
      return failed(LocalErrorCode::kTimeout, "the agent does not start: " + program);
    }
    break;
  }
  connected = connect_local(path);
  if (!connected && connected.error().code == LocalErrorCode::kNobody) {
    return failed(LocalErrorCode::kNobody, "the agent does not start: " + program);
  }
  return connected;
}

std::string agent_program() {
  if (const char* chosen = std::getenv("LATCHKEY_AGENT"); chosen != nullptr && *chosen != '\0') {
    return chosen;
  }
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "latchkey-agent" : (self.parent_path() / "latchkey-agent").string();
}

}  // namespace latchkey::net
