// One line a request: `<ISO time> <host> <origin or -> "<METHOD> <path>" <status> <bytes of body>`.
// Queries, tickets and cookies are never in it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/local_message.h"
#include "wire/http_head.h"

namespace latchkey::device {

struct AccessLine {
  WallTime time;
  std::string host;
  std::string origin;  // empty: none
  std::string method;
  std::string target;  // as sent; cut at '?' here
  int status = 0;
  std::uint64_t bytes = 0;
};
std::string format(const AccessLine& line);

class AccessLog {
 public:
  // A file to append to, "-" for standard output, empty for none. Nothing where it cannot be
  // opened.
  static std::unique_ptr<AccessLog> open(const std::string& path);
  void write(const AccessLine& line) const;

 private:
  explicit AccessLog(net::OwnedFd file) : file_(std::move(file)) {}
  net::OwnedFd file_;
};

}  // namespace latchkey::device
