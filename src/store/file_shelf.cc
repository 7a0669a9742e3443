#include "store/file_shelf.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "store/files.h"

namespace latchkey::store {
namespace {

using provider::Error;
using provider::ErrorCode;

constexpr mode_t kReadable = 0644;

tl::unexpected<Error> failed(const std::filesystem::path& path, int number) {
  return fail(Error{ErrorCode::kInternal, path.string() + ": " + std::strerror(number)});
}

class FileDraft final : public provider::Draft {
 public:
  FileDraft(FileHandle file, std::filesystem::path path)
      : file_(std::move(file)), path_(std::move(path)) {}
  ~FileDraft() override {
    if (!path_.empty()) {
      ::unlink(path_.c_str());
    }
  }
  FileDraft(const FileDraft&) = delete;
  FileDraft& operator=(const FileDraft&) = delete;

  bool write(ByteSpan bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(file_.fd(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) {
        continue;
      }
      if (written <= 0) {
        return false;
      }
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return true;
  }

  provider::Result<void> keep_as(std::string_view name) override {
    const auto target = path_.parent_path() / name;
    if (::fchmod(file_.fd(), kReadable) != 0 || ::fsync(file_.fd()) != 0) {
      return failed(path_, errno);
    }
    if (const auto renamed = rename_durably({path_, target}); !renamed) {
      return fail(Error{ErrorCode::kInternal, renamed.error().detail});
    }
    path_.clear();
    return {};
  }

 private:
  FileHandle file_;
  std::filesystem::path path_;
};

}  // namespace

provider::Result<FileShelf> FileShelf::open(std::filesystem::path folder) {
  std::error_code bad;
  std::filesystem::create_directories(folder, bad);
  if (bad) {
    return failed(folder, bad.value());
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    return failed(folder, errno);
  }
  return FileShelf(std::move(folder));
}

provider::Result<std::optional<provider::Shelf::Held>> FileShelf::read(std::string_view name) {
  const auto path = folder_ / name;
  const FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info{};
  if (!file.is_open()) {
    if (errno == ENOENT) {
      return std::optional<Held>();
    }
    return failed(path, errno);
  }
  if (::fstat(file.fd(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return failed(path, S_ISREG(info.st_mode) ? errno : EINVAL);
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size == 0) {
    return std::optional(Held{});
  }
  void* at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd(), 0);
  if (at == MAP_FAILED) {
    return failed(path, errno);
  }
  return std::optional(Held{{static_cast<const std::uint8_t*>(at), size},
                            std::shared_ptr<const void>(at, [size](const void* mapped) {
                              ::munmap(const_cast<void*>(mapped), size);
                            })});
}

provider::Result<std::unique_ptr<provider::Draft>> FileShelf::draft() {
  std::string path = (folder_ / ".draft-XXXXXX").string();
  FileHandle file(::mkostemp(path.data(), O_CLOEXEC));
  if (!file.is_open()) {
    return failed(path, errno);
  }
  return std::unique_ptr<provider::Draft>(std::make_unique<FileDraft>(std::move(file), path));
}

provider::Result<std::vector<provider::Shelf::Entry>> FileShelf::list() {
  std::vector<Entry> entries;
  std::error_code bad;
  for (auto at = std::filesystem::directory_iterator(folder_, bad);
       !bad && at != std::filesystem::directory_iterator(); at.increment(bad)) {
    struct stat info{};
    if (::lstat(at->path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      entries.push_back({at->path().filename().string(), WallTime{info.st_mtim.tv_sec}});
    }
  }
  if (bad) {
    return failed(folder_, bad.value());
  }
  return entries;
}

provider::Result<void> FileShelf::remove(std::string_view name) {
  const auto path = folder_ / name;
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return failed(path, errno);
  }
  return {};
}

provider::Result<void> FileShelf::touch(std::string_view name) {
  const auto path = folder_ / name;
  if (::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT) {
    return failed(path, errno);
  }
  return {};
}

provider::Result<std::shared_ptr<const void>> FileShelf::lock() {
  auto folder =
      std::make_shared<FileHandle>(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (folder->is_open()) {
    if (::flock(folder->fd(), LOCK_EX) == 0) {
      return std::shared_ptr<const void>(std::move(folder));
    }
    if (errno != EINTR) {
      break;
    }
  }
  return failed(folder_, errno);
}

}  // namespace latchkey::store
