#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "platform/pkcs11.h"

namespace latchkey::platform {
namespace {

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  ~Descriptor() {
    if (fd >= 0) {
      ::close(fd);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd;
};

}  // namespace

Result<SecretBytes, Error> read_private_file(const std::filesystem::path& path, std::size_t limit,
                                             Readers readers) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat state{};
  if (file.fd < 0 || ::fstat(file.fd, &state) != 0) {
    const int why = errno;
    return fail(Error{why == ENOENT ? Error::Code::kMissing : Error::Code::kSystem,
                      path.string() + " cannot be read: " + std::strerror(why),
                      "Check the path and who owns the file."});
  }
  if (!S_ISREG(state.st_mode)) {
    return fail(Error{Error::Code::kMisuse, path.string() + " is not a file.", "Name a file."});
  }
  if ((state.st_mode & (readers == Readers::kOwner ? 0077U : 0037U)) != 0) {
    return fail(Error{Error::Code::kUnsafe, path.string() + " can be read by others.",
                      "Run: chmod 600 " + path.string()});
  }
  if (state.st_size < 0 || static_cast<std::size_t>(state.st_size) > limit) {
    return fail(Error{Error::Code::kSystem, path.string() + " is too large.",
                      "It may have up to " + std::to_string(limit) + " bytes."});
  }
  SecretBytes content(static_cast<std::size_t>(state.st_size));
  std::size_t have = 0;
  while (have < content.size()) {
    const ssize_t got = ::read(file.fd, content.writable().data() + have, content.size() - have);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return fail(Error{Error::Code::kSystem, path.string() + " cannot be read.",
                        "Try again, or check the disk."});
    }
    have += static_cast<std::size_t>(got);
  }
  return content;
}

}  // namespace latchkey::platform
