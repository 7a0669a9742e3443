#include "device/erase.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

#include "net/local_message.h"

namespace latchkey::device {

namespace {

using Done = Result<void, std::string>;

constexpr std::size_t kBatch = 1024;  // names held at a time
constexpr int kMaxDepth = 256;
constexpr int kMaxAgain = 64;  // how often one folder is filled again while it is emptied
constexpr std::chrono::milliseconds kLockStep{10};
constexpr int kLockSteps = 500;

tl::unexpected<std::string> refuse(const std::string& path, const std::string& why) {
  return fail(path + ": " + why);
}

tl::unexpected<std::string> refuse(const std::string& path) {
  return refuse(path, std::strerror(errno));
}

// A folder right inside another one, on the same mount. Without openat2 (before Linux 5.6) another
// file system is noticed, and a part of the same one is not.
int open_inside(int parent, const char* name) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  const auto fd = static_cast<int>(::syscall(SYS_openat2, parent, name, &how, sizeof how));
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) {
    return fd;
  }
  net::OwnedFd plain(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat outer{};
  struct stat inner{};
  if (!plain.is_open() || ::fstat(parent, &outer) != 0 || ::fstat(plain.get(), &inner) != 0) {
    return -1;
  }
  if (outer.st_dev != inner.st_dev) {
    errno = EXDEV;
    return -1;
  }
  return plain.release();
}

// Some names of what is in the folder; none: it is empty.
Result<std::vector<std::string>, std::string> names_in(int folder, const std::string& path) {
  const int again = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct Close {
    void operator()(DIR* list) const { ::closedir(list); }
  };
  const std::unique_ptr<DIR, Close> list(again < 0 ? nullptr : ::fdopendir(again));
  if (!list) {
    return refuse(path);
  }
  std::vector<std::string> names;
  errno = 0;
  while (names.size() < kBatch) {
    const dirent* entry = ::readdir(list.get());
    if (entry == nullptr) {
      break;
    }
    const std::string name = entry->d_name;
    if (name != "." && name != "..") {
      names.push_back(name);
    }
  }
  if (errno != 0) {
    return refuse(path);
  }
  return names;
}

Done empty(int folder, const std::string& path, int depth) {
  if (depth > kMaxDepth) {
    return refuse(path, "more folders in each other than anybody needs");
  }
  for (int again = 0; true;) {
    const auto names = names_in(folder, path);
    if (!names) {
      return fail(names.error());
    }
    if (names->empty()) {
      return {};
    }
    for (const std::string& name : *names) {
      const std::string inner = path + "/" + name;
      if (::unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) {
        continue;
      }
      if (errno != EISDIR && errno != EPERM) {
        return refuse(inner);
      }
      const net::OwnedFd fd(open_inside(folder, name.c_str()));
      if (!fd.is_open()) {
        return errno == EXDEV ? refuse(inner, "something else is mounted there") : refuse(inner);
      }
      if (auto done = empty(fd.get(), inner, depth + 1); !done) {
        return done;
      }
      if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT &&
          (errno != ENOTEMPTY || ++again > kMaxAgain)) {
        return refuse(inner);
      }
    }
  }
}

// A service that knows of this begins nothing new in its folder while it is locked. It may hold the
// lock itself while it starts; whoever keeps it for long does not stop a reset.
void lock(int folder) {
  for (int i = 0; ::flock(folder, LOCK_EX | LOCK_NB) != 0 && i < kLockSteps; ++i) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return;  // a file system without locks
    }
    std::this_thread::sleep_for(kLockStep);
  }
}

bool contains(const std::filesystem::path& outer, const std::filesystem::path& inner) {
  auto at = inner.begin();
  for (const auto& part : outer) {
    if (part.empty()) {
      continue;  // of a trailing '/'
    }
    if (at == inner.end() || *at++ != part) {
      return false;
    }
  }
  return true;
}

// proc_pid_mountinfo(5): blanks and the like are written as \ooo.
std::string plain_mount_point(const std::string& written) {
  std::string out;
  for (std::size_t i = 0; i < written.size(); ++i) {
    const std::string digits = written[i] == '\\' ? written.substr(i + 1, 3) : std::string();
    if (digits.size() == 3 && digits.find_first_not_of("01234567") == std::string::npos) {
      out.push_back(static_cast<char>(std::stoi(digits, nullptr, 8)));
      i += 3;
    } else {
      out.push_back(written[i]);
    }
  }
  return out;
}

// Something that is mounted deeper inside. Where the system does not say, erase_inside() finds out.
std::optional<std::string> mounted_inside(const std::filesystem::path& folder) {
  std::ifstream mounts("/proc/self/mountinfo");
  std::string line;
  while (std::getline(mounts, line)) {
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i < 5; ++i) {
      words >> word;
    }
    const std::string point = plain_mount_point(word);
    if (contains(folder, point) && !contains(point, folder)) {
      return point;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> refuse_to_erase(const std::filesystem::path& folder,
                                           const std::filesystem::path& state) {
  struct stat info{};
  if (!folder.is_absolute()) {
    return folder.string() + " is not a whole path.";
  }
  if (::lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return folder.string() + " is not a folder.";
  }
  std::error_code ignored;
  const auto whole = std::filesystem::weakly_canonical(folder, ignored);
  const auto kept =
      std::filesystem::weakly_canonical(std::filesystem::absolute(state, ignored), ignored);
  if (whole.empty() || kept.empty() || contains(whole, kept) || contains(kept, whole)) {
    return folder.string() + " holds the device's own state, or is part of it.";
  }
  if (const auto point = mounted_inside(whole)) {
    return "Something else is mounted inside of " + folder.string() + ", at " + *point + ".";
  }
  if (::access(folder.c_str(), R_OK | W_OK | X_OK) != 0) {
    return folder.string() + " cannot be changed by this program: " + std::strerror(errno) + ".";
  }
  return std::nullopt;
}

Result<void, std::string> erase_inside(const std::filesystem::path& folder) {
  const net::OwnedFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.is_open()) {
    return errno == ENOENT ? Done() : Done(refuse(folder.string()));
  }
  lock(fd.get());
  if (auto done = empty(fd.get(), folder.string(), 0); !done) {
    return done;
  }
  // What is gone must be gone before the device is somebody else.
  return ::syncfs(fd.get()) == 0 ? Done() : Done(refuse(folder.string()));
}

}  // namespace latchkey::device
