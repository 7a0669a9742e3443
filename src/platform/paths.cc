#include "platform/paths.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/encoding.h"
#include "platform/system_random.h"

namespace fs = std::filesystem;

namespace latchkey::platform {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  // False when the system could not keep what was written.
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

std::optional<fs::path> variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read at start
  if (value == nullptr || value[0] != '/') {
    return std::nullopt;
  }
  return fs::path(value);
}

fs::path home_of_user() {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr && found->pw_dir != nullptr) {
    return found->pw_dir;
  }
  return "/";
}

fs::path state_base(const Environment& environment) {
  return environment.state_home.value_or(environment.home / ".local" / "state");
}

Error unsafe(const fs::path& folder, const std::string& why) {
  return {Error::Code::kUnsafe, folder.string() + " " + why,
          "Move it away, then try again: ls -ld " + folder.string()};
}

bool write_all(int fd, ByteSpan contents) {
  while (!contents.empty()) {
    const ssize_t written = ::write(fd, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return false;
    }
    contents = contents.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

// The rename itself must reach the disk as well.
bool sync_folder(const fs::path& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd.valid() && ::fsync(fd.get()) == 0;
}

bool write_new_file(const fs::path& path, ByteSpan contents, mode_t mode) {
  Descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  return fd.valid() && ::fchmod(fd.get(), mode) == 0 && write_all(fd.get(), contents) &&
         ::fsync(fd.get()) == 0 && fd.close();
}

}  // namespace

Error system_error(const std::string& what, int error_number) {
  const auto code = error_number == ENOENT ? Error::Code::kMissing : Error::Code::kSystem;
  return {code, what + ": " + std::generic_category().message(error_number), {}};
}

Environment Environment::current() {
  Environment environment;
  environment.home = variable("HOME").value_or(home_of_user());
  environment.runtime_dir = variable("XDG_RUNTIME_DIR");
  environment.state_home = variable("XDG_STATE_HOME");
  environment.config_home = variable("XDG_CONFIG_HOME");
  environment.agent_socket = variable("LATCHKEY_SOCKET");
  environment.root = ::geteuid() == 0;
  return environment;
}

fs::path agent_socket_path(const Environment& environment) {
  if (environment.agent_socket) {
    return *environment.agent_socket;
  }
  if (environment.runtime_dir) {
    return *environment.runtime_dir / "latchkey" / "agent.sock";
  }
  return environment.home / ".local" / "state" / "latchkey" / "run" / "agent.sock";
}

fs::path agent_state_folder(const Environment& environment) {
  return state_base(environment) / "latchkey";
}

fs::path device_state_folder(const Environment& environment) {
  return environment.root ? fs::path("/var/lib/latchkey-device")
                          : state_base(environment) / "latchkey-device";
}

fs::path config_folder(const Environment& environment) {
  return environment.config_home.value_or(environment.home / ".config");
}

Result<void, Error> make_private_folder(const fs::path& folder) {
  if (!folder.is_absolute()) {
    return fail(Error{Error::Code::kMisuse, folder.string() + " is not an absolute path", {}});
  }
  if (const fs::path parent = folder.parent_path(); !fs::is_directory(parent)) {
    if (auto made = make_private_folder(parent); !made) {
      return made;
    }
  }
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(system_error("cannot make the folder " + folder.string(), errno));
  }
  // Opened once, so that what is judged is what is changed.
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return fail(unsafe(folder, errno == ELOOP || errno == ENOTDIR ? "is not a folder of its own"
                                                                  : "cannot be opened"));
  }
  struct stat state{};
  if (::fstat(fd.get(), &state) != 0 || state.st_uid != ::geteuid()) {
    return fail(unsafe(folder, "belongs to somebody else"));
  }
  if ((state.st_mode & 0022U) != 0) {
    return fail(unsafe(folder, "can be changed by others"));
  }
  if ((state.st_mode & 0077U) != 0 && ::fchmod(fd.get(), 0700) != 0) {
    return fail(unsafe(folder, "can be read by others"));
  }
  return {};
}

Result<void, Error> write_file(const fs::path& path, ByteSpan contents, mode_t mode) {
  SystemRandom random;
  fs::path temporary = path;
  temporary += ".new-" + hex_encode(random.bytes<8>());
  if (!write_new_file(temporary, contents, mode) ||
      ::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    return fail(system_error("cannot write " + path.string(), error));
  }
  if (!sync_folder(path.parent_path())) {
    return fail(system_error("cannot keep " + path.string(), errno));
  }
  return {};
}

Result<Bytes, Error> read_file(const fs::path& path, std::size_t max_bytes) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    return fail(system_error("cannot read " + path.string(), errno));
  }
  struct stat state{};
  if (::fstat(fd.get(), &state) != 0 || !S_ISREG(state.st_mode)) {
    return fail(Error{Error::Code::kForeign, path.string() + " is not a file", {}});
  }
  if (state.st_size < 0 || static_cast<std::size_t>(state.st_size) > max_bytes) {
    return fail(Error{Error::Code::kForeign, path.string() + " is too large", {}});
  }
  // Files in /proc say they are empty: reading decides, one byte beyond the limit is enough.
  Bytes contents;
  std::array<std::uint8_t, 4096> block{};
  ssize_t got = 0;
  while ((got = ::read(fd.get(), block.data(), block.size())) != 0) {
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail(system_error("cannot read " + path.string(), errno));
    }
    append(contents, ByteSpan(block).first(static_cast<std::size_t>(got)));
    if (contents.size() > max_bytes) {
      return fail(Error{Error::Code::kForeign, path.string() + " is too large", {}});
    }
  }
  return contents;
}

}  // namespace latchkey::platform
