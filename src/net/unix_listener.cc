#include "net/unix_listener.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace latchkey::net {
namespace {

constexpr int kBacklog = 64;
// After accept() ran out of descriptors or memory.
constexpr std::chrono::milliseconds kPause{200};

tl::unexpected<LocalError> failed(LocalErrorCode code, const std::string& what) {
  return fail(LocalError{code, what + ": " + std::generic_category().message(errno)});
}

}  // namespace

UnixListener::UnixListener(Executor executor, std::string path, OwnedFd lock, int fd)
    : executor_(executor),
      path_(std::move(path)),
      lock_(std::move(lock)),
      fd_(WatchedFd::take(std::move(executor), fd)) {}

LocalResult<std::unique_ptr<UnixListener>> UnixListener::open(Executor executor, std::string path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return failed(LocalErrorCode::kSystem, path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (auto folder = check_private_folder(std::filesystem::path(path).parent_path(), true);
      !folder) {
    return fail(folder.error());
  }
  const std::string lock_path = path + ".lock";
  OwnedFd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.is_open()) {
    return failed(LocalErrorCode::kSystem, lock_path);
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(LocalError{LocalErrorCode::kRefused, "another agent listens at " + path});
  }
  // Whoever holds the lock owns the name: what is there was left behind.
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return failed(LocalErrorCode::kSystem, path);
  }
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open() ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return failed(LocalErrorCode::kSystem, path);
  }
  return std::unique_ptr<UnixListener>(
      new UnixListener(std::move(executor), std::move(path), std::move(lock), fd.release()));
}

UnixListener::~UnixListener() {
  close();
}

void UnixListener::close() {
  if (fd_->is_open()) {
    fd_->close();
    (void)::unlink(path_.c_str());
  }
}

Task<Result<std::unique_ptr<ByteStream>>> UnixListener::accept() {
  const auto listener = fd_;
  while (listener->is_open()) {
    const int fd = ::accept4(listener->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      OwnedFd accepted(fd);
      if (is_same_user(fd)) {
        co_return std::make_unique<FdStream>(executor_, accepted.release());
      }
      continue;
    }
    if (errno == EAGAIN) {
      const auto ready = co_await listener->wait(WatchedFd::Side::kRead, kNoDeadline);
      if (!ready) {
        co_return fail(ready.error());
      }
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      co_await sleep_until(after(kPause));
    } else if (errno != EINTR && errno != ECONNABORTED) {
      co_return fail(Error{Error::Code::kSystem, std::generic_category().message(errno)});
    }
  }
  co_return fail(Error{Error::Code::kClosed, "closed here"});
}

}  // namespace latchkey::net
