#include "device/access_log.h"

#include <fcntl.h>
#include <unistd.h>

namespace latchkey::device {

namespace {

net::OwnedFd open_file(const std::string& path) {
  return net::OwnedFd(path == "-"
                          ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                          : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
}

}  // namespace

std::unique_ptr<AccessLog> AccessLog::open(const std::string& path, front::AccessFormat format) {
  net::OwnedFd file = path.empty() ? net::OwnedFd() : open_file(path);
  if (!path.empty() && !file.is_open()) {
    return nullptr;
  }
  return std::unique_ptr<AccessLog>(new AccessLog(std::move(file), path, format));
}

void AccessLog::write(const front::AccessLine& line) const {
  if (!file_.is_open()) {
    return;
  }
  const std::string text = front::format(line, format_);
  // A log that cannot be written must not stop the device.
  (void)!::write(file_.get(), text.data(), text.size());
}

bool AccessLog::reopen() {
  if (path_.empty() || path_ == "-") {
    return true;
  }
  net::OwnedFd file = open_file(path_);
  if (!file.is_open()) {
    return false;
  }
  file_ = std::move(file);
  return true;
}

}  // namespace latchkey::device
