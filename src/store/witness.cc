#include "store/witness.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include "store/files.h"

namespace latchkey::store {
namespace {

constexpr std::string_view kHead = "latchkey-witness 1 ";

Error io_error(const char* what, const std::filesystem::path& path) {
  return {ErrorCode::kIo,
          std::string(what) + " " + path.string() + ": " + std::generic_category().message(errno)};
}

}  // namespace

Result<std::optional<std::uint64_t>> FileWitness::highest() {
  const FileHandle file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.is_open()) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return std::optional<std::uint64_t>();
    }
    return fail(io_error("cannot open", path_));
  }
  std::array<char, 64> buffer{};
  const ssize_t got = ::read(file.fd(), buffer.data(), buffer.size());
  if (got < 0) {
    return fail(io_error("cannot read", path_));
  }
  std::string_view text(buffer.data(), static_cast<std::size_t>(got));
  std::uint64_t number = 0;
  if (text.starts_with(kHead) && text.ends_with('\n')) {
    text.remove_prefix(kHead.size());
    text.remove_suffix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) {
      return std::optional(number);
    }
  }
  return fail(Error{ErrorCode::kCorrupt, path_.string() + " is not a witness"});
}

// The folder is not synced: after a power cut the old witness may be there, which is lower, and
// that is allowed.
Result<void> FileWitness::raise(std::uint64_t generation) {
  if (!has_folder_) {
    if (auto made = make_private_folder(path_.parent_path()); !made) {
      return made;
    }
    has_folder_ = true;
  }
  const std::filesystem::path fresh = path_.string() + ".new";
  {
    const FileHandle file(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.is_open()) {
      has_folder_ = false;
      return fail(io_error("cannot write", fresh));
    }
    const std::string text = std::string(kHead) + std::to_string(generation) + "\n";
    if (::write(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fdatasync(file.fd()) != 0) {
      return fail(io_error("cannot write", fresh));
    }
  }
  if (::rename(fresh.c_str(), path_.c_str()) != 0) {
    return fail(io_error("cannot rename", fresh));
  }
  return {};
}

}  // namespace latchkey::store
