#include "mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace latchkey::agentd {
namespace {

constexpr std::size_t kBuffer = 65536;

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    return nullptr;
  }
  struct stat about{};
  std::shared_ptr<const MappedFile> file;
  if (::fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0 &&
      static_cast<std::uint64_t>(about.st_size) <= attest::kMaxTableBytes) {
    const auto size = static_cast<std::size_t>(about.st_size);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    if (data != MAP_FAILED) {
      file.reset(new MappedFile(static_cast<const std::uint8_t*>(data), size));
    }
  }
  ::close(fd);
  return file;
}

MappedFile::~MappedFile() {
  ::munmap(const_cast<std::uint8_t*>(data_), size_);
}

void MappedFile::let_go() const {
  (void)::madvise(const_cast<std::uint8_t*>(data_), size_, MADV_DONTNEED);
}

NewFile::NewFile(std::filesystem::path path)
    : path_(std::move(path)), temporary_(path_.string() + ".new") {
  (void)::unlink(temporary_.c_str());  // left by a crash
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

NewFile::~NewFile() {
  if (fd_ >= 0) {
    ::close(fd_);
    (void)::unlink(temporary_.c_str());
  }
}

bool NewFile::write(ByteSpan bytes) {
  append(buffer_, bytes);
  return buffer_.size() < kBuffer || flush();
}

bool NewFile::flush() {
  ByteSpan left(buffer_);
  while (!left.empty()) {
    const ssize_t wrote = ::write(fd_, left.data(), left.size());
    if (wrote < 0 && errno == EINTR) {
      continue;
    }
    if (wrote <= 0) {
      return false;
    }
    left = left.subspan(static_cast<std::size_t>(wrote));
  }
  buffer_.clear();
  return true;
}

bool NewFile::commit() {
  if (fd_ < 0 || !flush() || ::fsync(fd_) != 0 ||
      ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return false;
  }
  ::close(std::exchange(fd_, -1));
  const int folder = ::open(path_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool durable = folder >= 0 && ::fsync(folder) == 0;
  if (folder >= 0) {
    ::close(folder);
  }
  return durable;
}

bool write_file(const std::filesystem::path& path, std::string_view text) {
  NewFile file(path);
  return file.write(as_bytes(text)) && file.commit();
}

std::string read_file(const std::filesystem::path& path, std::size_t limit) {
  const auto file = MappedFile::open(path);
  if (file == nullptr || file->bytes().size() > limit) {
    return {};
  }
  return std::string(as_text(file->bytes()));
}

}  // namespace latchkey::agentd
