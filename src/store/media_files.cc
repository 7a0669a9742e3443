#include "store/media_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>

namespace latchkey::store {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFileMode = 0600;
constexpr std::size_t kHash = 32;
constexpr std::uint64_t kDiskBlock = 4096;
constexpr std::uint64_t kRow = 1024;
constexpr std::size_t kFolders = 256;

Error disk_error(const char* what, const fs::path& path = {}) {
  const int number = errno;
  const bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
  const ErrorCode code = full               ? ErrorCode::kNoRoom
                         : number == ENOENT ? ErrorCode::kNotFound
                                            : ErrorCode::kIo;
  return {code, std::string(what) + " " + path.filename().string() + ": " +
                    std::generic_category().message(number)};
}

std::uint64_t block_count(std::uint64_t size) {
  return size / cache::kBlockBytes + (size % cache::kBlockBytes != 0 ? 1 : 0);
}

std::string file_name(std::uint64_t number) {
  std::array<char, 17> text{};
  const int size =
      std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(number));
  return {text.data(), static_cast<std::size_t>(size)};
}

std::optional<std::uint64_t> number_of(const std::string& name) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number, 16);
  return error == std::errc{} && end == name.data() + name.size() && file_name(number) == name
             ? std::optional(number)
             : std::nullopt;
}

std::string folder_name(std::size_t index) {
  return file_name(index).substr(14);
}

// False: the disk said no (errno), or there is less of it (errno 0).
bool read_all(int fd, std::uint64_t offset, std::span<std::uint8_t> into) {
  while (!into.empty()) {
    errno = 0;
    const ssize_t got = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return false;
    }
    offset += static_cast<std::uint64_t>(got);
    into = into.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

void add_numbers(const fs::path& folder, std::vector<std::uint64_t>& to) {
  std::error_code bad;
  for (auto at = fs::directory_iterator(folder, bad); !bad && at != fs::directory_iterator();
       at.increment(bad)) {
    if (const auto number = number_of(at->path().filename().string())) {
      to.push_back(*number);
    }
  }
}

}  // namespace

MediaDraft::MediaDraft(FileHandle file, std::uint64_t number, fs::path unsynced)
    : file_(std::move(file)),
      number_(number),
      unsynced_(std::move(unsynced)),
      whole_(std::make_unique<crypto::Sha256>()) {}

void MediaDraft::hash(ByteSpan bytes) {
  whole_->update(bytes);
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (!block_) {
      block_ = std::make_unique<crypto::Sha256>();
    }
    const auto part = static_cast<std::size_t>(
        std::min<std::uint64_t>(bytes.size(), cache::kBlockBytes - in_block_));
    block_->update(bytes.first(part));
    in_block_ += part;
    if (in_block_ == cache::kBlockBytes) {
      append(hashes_, block_->finish());
      block_.reset();
      in_block_ = 0;
    }
    bytes = bytes.subspan(part);
  }
}

Result<void> MediaDraft::put(ByteSpan bytes) {
  std::uint64_t at = size_;
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(file_.fd(), bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return fail(disk_error("cannot write a draft"));
    }
    at += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> MediaDraft::write(ByteSpan bytes) {
  if (auto done = put(bytes); !done) {
    return done;
  }
  hash(bytes);
  return {};
}

Result<void> MediaDraft::sync() {
  if (::fdatasync(file_.fd()) != 0) {
    return fail(disk_error("cannot sync a draft"));
  }
  if (!unsynced_.empty()) {
    if (auto synced = sync_folder(unsynced_); !synced) {
      return synced;
    }
    unsynced_.clear();
  }
  return {};
}

Result<SealedObject> MediaDraft::finish() {
  if (block_) {
    append(hashes_, block_->finish());
    block_.reset();
  }
  SealedObject sealed{size_, whole_->finish(), crypto::sha256(hashes_)};
  if (auto done = put(hashes_); !done) {
    return fail(done.error());
  }
  if (::fsync(file_.fd()) != 0) {
    return fail(disk_error("cannot sync a draft"));
  }
  return sealed;
}

Result<void> MediaObject::read_block(std::uint64_t block, Bytes& into) {
  const std::uint64_t begin = block * cache::kBlockBytes;
  into.resize(static_cast<std::size_t>(std::min(cache::kBlockBytes, size_ - begin)));
  if (!read_all(file_.fd(), begin, into)) {
    return fail(Error{ErrorCode::kCorrupt, "a block cannot be read"});
  }
  const ByteSpan expected =
      ByteSpan(hashes_).subspan(static_cast<std::size_t>(block) * kHash, kHash);
  if (!std::ranges::equal(crypto::sha256(into), expected)) {
    return fail(Error{ErrorCode::kCorrupt, "a block is not what was written"});
  }
  verified_[static_cast<std::size_t>(block)] = true;
  return {};
}

bool MediaObject::is_gone() const {
  struct stat info{};
  return ::fstat(file_.fd(), &info) == 0 && info.st_nlink == 0;
}

Result<void> MediaObject::read(std::uint64_t offset, std::span<std::uint8_t> into) {
  LATCHKEY_CHECK(offset <= size_ && into.size() <= size_ - offset);
  Bytes whole;
  while (!into.empty()) {
    const std::uint64_t block = offset / cache::kBlockBytes;
    const std::uint64_t inside = offset % cache::kBlockBytes;
    const auto part =
        static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), cache::kBlockBytes - inside));
    if (!verified_[static_cast<std::size_t>(block)]) {
      if (auto done = read_block(block, whole); !done) {
        return done;
      }
      std::ranges::copy(ByteSpan(whole).subspan(static_cast<std::size_t>(inside), part),
                        into.begin());
    } else if (!read_all(file_.fd(), offset, into.first(part))) {
      return fail(Error{ErrorCode::kCorrupt, "a block cannot be read"});
    }
    offset += part;
    into = into.subspan(part);
  }
  return {};
}

Result<MediaFiles> MediaFiles::open(const fs::path& folder, std::optional<gid_t> group) {
  if (auto made = make_folder(folder, group); !made) {
    return fail(made.error());
  }
  const FileHandle held = hold_folder(folder);
  for (const char* name : {"incoming", "objects"}) {
    if (auto made = make_folder(folder / name, group); !made) {
      return fail(made.error());
    }
  }
  bool fresh = false;
  for (std::size_t i = 0; i < kFolders; ++i) {
    const fs::path path = folder / "objects" / folder_name(i);
    if (::mkdir(path.c_str(), 0700) == 0) {
      fresh = true;
    } else if (errno != EEXIST) {
      return fail(disk_error("cannot make", path));
    }
    if (group) {
      if (auto shared = make_folder(path, group); !shared) {
        return fail(shared.error());
      }
    }
  }
  if (fresh) {
    if (auto synced = sync_folder(folder / "objects"); !synced) {
      return fail(synced.error());
    }
  }
  return MediaFiles(folder);
}

fs::path MediaFiles::draft_path(std::uint64_t number) const {
  return folder_ / "incoming" / file_name(number);
}

fs::path MediaFiles::object_path(std::uint64_t number) const {
  return folder_ / "objects" / folder_name(number % kFolders) / file_name(number);
}

Result<MediaDraft> MediaFiles::make_draft(std::uint64_t number) const {
  const fs::path path = draft_path(number);
  FileHandle file(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  if (!file.is_open()) {
    return fail(disk_error("cannot make", path));
  }
  return MediaDraft(std::move(file), number, path.parent_path());
}

Result<MediaDraft> MediaFiles::reopen_draft(std::uint64_t number, std::uint64_t size) const {
  const fs::path path = draft_path(number);
  FileHandle file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open()) {
    return fail(disk_error("cannot open", path));
  }
  struct stat info{};
  if (::fstat(file.fd(), &info) != 0 || static_cast<std::uint64_t>(info.st_size) < size) {
    return fail(Error{ErrorCode::kCorrupt, "a draft is shorter than it was"});
  }
  if (::ftruncate(file.fd(), static_cast<off_t>(size)) != 0) {
    return fail(disk_error("cannot cut", path));
  }
  MediaDraft draft(std::move(file), number, {});
  Bytes block(static_cast<std::size_t>(std::min(size, cache::kBlockBytes)));
  while (draft.size_ < size) {
    const auto part = std::span(block).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), size - draft.size_)));
    if (!read_all(draft.file_.fd(), draft.size_, part)) {
      return fail(Error{ErrorCode::kCorrupt, "a draft cannot be read"});
    }
    draft.hash(part);
  }
  return draft;
}

Result<void> MediaFiles::publish(std::uint64_t number) const {
  if (auto renamed = rename_durably({draft_path(number), object_path(number)}); !renamed) {
    return renamed;
  }
  return sync_folder(folder_ / "incoming");
}

void MediaFiles::remove_draft(std::uint64_t number) const {
  ::unlink(draft_path(number).c_str());
}

void MediaFiles::remove_object(std::uint64_t number) const {
  ::unlink(object_path(number).c_str());
}

Result<std::shared_ptr<MediaObject>> MediaFiles::open_object(
    const cache::ObjectRecord& record) const {
  const fs::path path = object_path(record.number);
  auto object = std::make_shared<MediaObject>();
  object->file_ = FileHandle(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info{};
  if (!object->file_.is_open() || ::fstat(object->file_.fd(), &info) != 0) {
    return fail(disk_error("cannot open", path));
  }
  const std::uint64_t blocks = block_count(record.size);
  object->size_ = record.size;
  object->hashes_.resize(static_cast<std::size_t>(blocks * kHash));
  object->verified_.resize(static_cast<std::size_t>(blocks));
  if (!S_ISREG(info.st_mode) ||
      static_cast<std::uint64_t>(info.st_size) != record.size + blocks * kHash ||
      !read_all(object->file_.fd(), record.size, object->hashes_) ||
      crypto::sha256(object->hashes_) != record.blocks) {
    return fail(Error{ErrorCode::kCorrupt, "an object is not what was written"});
  }
  return object;
}

std::uint64_t MediaFiles::draft_bytes(std::uint64_t number) const {
  struct stat info{};
  return ::lstat(draft_path(number).c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size)
                                                         : 0;
}

std::vector<std::uint64_t> MediaFiles::drafts() const {
  std::vector<std::uint64_t> numbers;
  add_numbers(folder_ / "incoming", numbers);
  return numbers;
}

std::vector<std::uint64_t> MediaFiles::objects() const {
  std::vector<std::uint64_t> numbers;
  for (std::size_t i = 0; i < kFolders; ++i) {
    add_numbers(folder_ / "objects" / folder_name(i), numbers);
  }
  return numbers;
}

std::optional<std::uint64_t> MediaFiles::free_bytes() const {
  struct statvfs info{};
  if (::statvfs(folder_.c_str(), &info) != 0) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

std::uint64_t MediaFiles::charge(std::uint64_t size) {
  const std::uint64_t bytes = size + block_count(size) * kHash;
  return (bytes + kDiskBlock - 1) / kDiskBlock * kDiskBlock + kRow;
}

}  // namespace latchkey::store
