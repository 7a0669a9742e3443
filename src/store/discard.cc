#include "store/discard.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "store/files.h"

namespace latchkey::store {
namespace {

namespace fs = std::filesystem;

Error io_error(const char* what, const fs::path& path) {
  return {ErrorCode::kIo,
          std::string(what) + " " + path.string() + ": " + std::generic_category().message(errno)};
}

Result<void> overwrite(const FileHandle& file, const fs::path& path) {
  static constexpr std::array<char, 65536> kZeros{};
  struct stat info{};
  if (::fstat(file.fd(), &info) != 0) {
    return fail(io_error("cannot look at", path));
  }
  off_t left = S_ISREG(info.st_mode) ? info.st_size : 0;
  while (left > 0) {
    const auto part = std::min<off_t>(left, kZeros.size());
    const ssize_t done = ::write(file.fd(), kZeros.data(), static_cast<std::size_t>(part));
    if (done <= 0) {
      return fail(io_error("cannot overwrite", path));
    }
    left -= done;
  }
  return ::fsync(file.fd()) == 0 ? Result<void>() : fail(io_error("cannot overwrite", path));
}

Result<void> take_away(const fs::path& path) {
  {
    // A link is removed and not followed. A folder is nothing that SQLite would have made.
    const FileHandle file(::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (file.is_open()) {
      if (auto done = overwrite(file, path); !done) {
        return done;
      }
    } else if (errno == ENOENT) {
      return {};
    } else if (errno != ELOOP && errno != ENXIO) {
      return fail(io_error("cannot overwrite", path));
    }
  }
  return ::unlink(path.c_str()) == 0 ? Result<void>() : fail(io_error("cannot remove", path));
}

}  // namespace

Result<void> discard(const fs::path& folder, const std::string& file) {
  const fs::path path = folder / file;
  auto lock = lock_file(fs::path(path) += ".lock");
  if (!lock) {
    return fail(std::move(lock).error());
  }
  for (const char* suffix : {"-journal", "-wal", "-shm", ".new", ".new-journal", ""}) {
    if (auto done = take_away(fs::path(path) += suffix); !done) {
      return done;
    }
  }
  return sync_folder(folder);
}

}  // namespace latchkey::store
