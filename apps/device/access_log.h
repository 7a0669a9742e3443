// Where the lines of front/access_line.h go.
#pragma once

#include <memory>
#include <string>

#include "front/access_line.h"
#include "net/local_message.h"

namespace latchkey::device {

class AccessLog {
 public:
  // A file to append to, "-" for standard output, empty for none. Nothing where it cannot be
  // opened.
  static std::unique_ptr<AccessLog> open(
      const std::string& path, front::AccessFormat format = front::AccessFormat::kCombined);
  [[nodiscard]] bool is_on() const { return file_.is_open(); }
  void write(const front::AccessLine& line) const;
  // Opens the file anew, for whoever has moved the old one away. False: the old one stays.
  bool reopen();

 private:
  AccessLog(net::OwnedFd file, std::string path, front::AccessFormat format)
      : file_(std::move(file)), path_(std::move(path)), format_(format) {}
  net::OwnedFd file_;
  std::string path_;
  front::AccessFormat format_;
};

}  // namespace latchkey::device
