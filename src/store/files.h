// The files around a database: a private folder, a lock, and renames that survive a power cut.
// Internal to src/store.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>

#include "store/error.h"

namespace latchkey::store {

// A file descriptor that closes itself.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int fd) : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept;
  FileHandle& operator=(FileHandle&& other) noexcept;
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  ~FileHandle();
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Makes the folder, and those above it, with mode 0700. One that exists must belong to this user;
// rights of others on it are taken away.
Result<void> make_private_folder(const std::filesystem::path& folder);

// The same, but its own group is `group`, and may list and change what is in it (0770). On a disk
// that takes no writes it stays closed to them. Nothing: as make_private_folder().
Result<void> make_folder(const std::filesystem::path& folder, std::optional<gid_t> group);

// Waits while somebody empties the folder, as a factory reset of latchkey-device does, and keeps
// them waiting while the handle lives. Where locks are not known nobody waits.
FileHandle hold_folder(const std::filesystem::path& folder);

// Holds the lock while the handle lives. kBusy: another handle has it, in this process or another.
Result<FileHandle> lock_file(const std::filesystem::path& path);

// The same of a lock file that is there already, on a disk that takes no writes.
Result<FileHandle> lock_file_for_reading(const std::filesystem::path& path);

// Makes an empty file of mode 0600 that must not exist yet.
Result<void> make_private_file(const std::filesystem::path& path);

// A regular file of this user, reachable without a symbolic link; rights of others are taken away.
// Gives its size.
Result<std::uintmax_t> check_private_file(const std::filesystem::path& path);

// A regular file of this user, reachable without a symbolic link, and by nobody else.
Result<void> check_file_for_reading(const std::filesystem::path& path);

// Makes the names in a folder durable.
Result<void> sync_folder(const std::filesystem::path& folder);

// Renames within one folder, durably.
struct Rename {
  std::filesystem::path from;
  std::filesystem::path to;
};
Result<void> rename_durably(const Rename& rename);

}  // namespace latchkey::store
