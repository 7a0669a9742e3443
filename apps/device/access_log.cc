#include "device/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <ctime>

namespace latchkey::device {

namespace {

constexpr std::size_t kMaxPart = 1024;

// A word of a line: what could end it or forge another is escaped.
std::string word(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text.substr(0, kMaxPart)) {
    if (c > 0x20 && c < 0x7f && c != '"') {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kDigits[byte / 16], kDigits[byte % 16]});
    }
  }
  return out.empty() ? "-" : out;
}

}  // namespace

std::string format(const AccessLine& line) {
  const std::time_t time = line.time.unix_seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 32> stamp{};
  std::strftime(stamp.data(), stamp.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(stamp.data()) + " " + word(line.host) + " " + word(line.origin) + " \"" +
         word(line.method) + " " + word(line.target.substr(0, line.target.find_first_of("?#"))) +
         "\" " + std::to_string(line.status) + " " + std::to_string(line.bytes) + "\n";
}

std::unique_ptr<AccessLog> AccessLog::open(const std::string& path) {
  if (path.empty()) {
    return std::unique_ptr<AccessLog>(new AccessLog(net::OwnedFd()));
  }
  const int fd = path == "-"
                     ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                     : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) {
    return nullptr;
  }
  return std::unique_ptr<AccessLog>(new AccessLog(net::OwnedFd(fd)));
}

void AccessLog::write(const AccessLine& line) const {
  if (!file_.is_open()) {
    return;
  }
  const std::string text = format(line);
  // A log that cannot be written must not stop the device.
  (void)!::write(file_.get(), text.data(), text.size());
}

}  // namespace latchkey::device
