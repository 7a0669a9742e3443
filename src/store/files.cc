#include "store/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace latchkey::store {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFolderMode = 0700;
constexpr mode_t kFileMode = 0600;
constexpr mode_t kSharedMode = 0770;
constexpr mode_t kOthers = 0077;
constexpr mode_t kEverybody = 0007;
constexpr mode_t kRights = 0777;

Error io_error(const char* what, const fs::path& path) {
  return {ErrorCode::kIo,
          std::string(what) + " " + path.string() + ": " + std::generic_category().message(errno)};
}

// Checks the owner, and takes away what others may do.
Result<void> make_private(const FileHandle& file, const fs::path& path, mode_t mode) {
  struct stat info{};
  if (::fstat(file.fd(), &info) != 0) {
    return fail(io_error("cannot look at", path));
  }
  if (info.st_uid != ::geteuid()) {
    return fail(Error{ErrorCode::kIo, path.string() + " belongs to another user"});
  }
  if ((info.st_mode & kOthers) != 0 && ::fchmod(file.fd(), mode) != 0) {
    return fail(io_error("cannot protect", path));
  }
  return {};
}

Result<void> share(const FileHandle& file, const fs::path& path, gid_t group) {
  struct stat info{};
  if (::fstat(file.fd(), &info) != 0) {
    return fail(io_error("cannot look at", path));
  }
  if (info.st_uid != ::geteuid()) {
    return fail(Error{ErrorCode::kIo, path.string() + " belongs to another user"});
  }
  // The group first: it is opened to this one only.
  if ((info.st_gid != group && ::fchown(file.fd(), static_cast<uid_t>(-1), group) != 0) ||
      ((info.st_mode & kRights) != kSharedMode && ::fchmod(file.fd(), kSharedMode) != 0)) {
    return errno == EROFS && (info.st_mode & kEverybody) == 0
               ? Result<void>()
               : Result<void>(fail(io_error("cannot share", path)));
  }
  return {};
}

}  // namespace

FileHandle::FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  if (this != &other) {
    const FileHandle old(std::exchange(fd_, std::exchange(other.fd_, -1)));
  }
  return *this;
}

FileHandle::~FileHandle() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Result<void> make_private_folder(const fs::path& folder) {
  return make_folder(folder, std::nullopt);
}

Result<void> make_folder(const fs::path& folder, std::optional<gid_t> group) {
  fs::path so_far;
  for (const auto& part : folder) {
    so_far /= part;
    if (::mkdir(so_far.c_str(), kFolderMode) == 0) {
      // The new name must outlive a power cut, or the whole store is gone with it.
      if (auto synced = sync_folder(so_far.has_parent_path() ? so_far.parent_path() : ".");
          !synced) {
        return synced;
      }
    } else if (errno != EEXIST && errno != EISDIR && !fs::is_directory(so_far)) {
      return fail(io_error("cannot make folder", so_far));
    }
  }
  const FileHandle handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!handle.is_open()) {
    return fail(io_error("cannot open folder", folder));
  }
  return group ? share(handle, folder, *group) : make_private(handle, folder, kFolderMode);
}

FileHandle hold_folder(const fs::path& folder) {
  FileHandle handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (handle.is_open() && ::flock(handle.fd(), LOCK_SH) != 0 && errno == EINTR) {
  }
  return handle;
}

namespace {

Result<FileHandle> lock_opened(FileHandle handle, const fs::path& path) {
  if (!handle.is_open()) {
    return fail(io_error("cannot open", path));
  }
  if (::flock(handle.fd(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return fail(Error{ErrorCode::kBusy, "another process uses " + path.parent_path().string()});
    }
    return fail(io_error("cannot lock", path));
  }
  return handle;
}

}  // namespace

Result<FileHandle> lock_file(const fs::path& path) {
  return lock_opened(
      FileHandle(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode)), path);
}

Result<FileHandle> lock_file_for_reading(const fs::path& path) {
  return lock_opened(FileHandle(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)), path);
}

Result<void> make_private_file(const fs::path& path) {
  const FileHandle handle(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  if (!handle.is_open()) {
    return fail(io_error("cannot make", path));
  }
  return {};
}

Result<std::uintmax_t> check_private_file(const fs::path& path) {
  const FileHandle handle(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!handle.is_open()) {
    return fail(io_error("cannot open", path));
  }
  struct stat info{};
  if (::fstat(handle.fd(), &info) != 0) {
    return fail(io_error("cannot look at", path));
  }
  if (!S_ISREG(info.st_mode)) {
    return fail(Error{ErrorCode::kIo, path.string() + " is not a regular file"});
  }
  if (auto done = make_private(handle, path, kFileMode); !done) {
    return fail(done.error());
  }
  return static_cast<std::uintmax_t>(info.st_size);
}

Result<void> check_file_for_reading(const fs::path& path) {
  const FileHandle handle(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info{};
  if (!handle.is_open() || ::fstat(handle.fd(), &info) != 0) {
    return fail(io_error("cannot open", path));
  }
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 077U) != 0) {
    return fail(Error{ErrorCode::kIo, path.string() + " is not a private file"});
  }
  return {};
}

Result<void> sync_folder(const fs::path& folder) {
  const FileHandle handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!handle.is_open() || ::fsync(handle.fd()) != 0) {
    return fail(io_error("cannot sync folder", folder));
  }
  return {};
}

Result<void> rename_durably(const Rename& rename) {
  if (::rename(rename.from.c_str(), rename.to.c_str()) != 0) {
    return fail(io_error("cannot rename", rename.from));
  }
  return sync_folder(rename.to.parent_path());
}

}  // namespace latchkey::store
