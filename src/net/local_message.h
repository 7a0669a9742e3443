// Agent messages over blocking descriptors, for programs that do one thing at a time: the native
// host and the command line. No Asio here, so that the native host stays small.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace latchkey::net {

enum class LocalErrorCode {
  kClosed,   // the other end is gone
  kLimit,    // a length over wire::kMaxAgentMessage
  kNobody,   // nothing listens there
  kRefused,  // the socket or its folder is not this user's own
  kTimeout,
  kSystem,
};
struct LocalError {
  LocalErrorCode code = LocalErrorCode::kSystem;
  std::string detail;
};
template <class T>
using LocalResult = latchkey::Result<T, LocalError>;

// The length and the message. The message is within the limit.
Bytes encode_local_message(std::string_view message);

// A descriptor that closes itself.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept;
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd();
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] int release();
  void close();

 private:
  int fd_ = -1;
};

// Reads a whole message; the length is judged before anything is allocated for it.
LocalResult<std::string> read_local_message(int fd);
LocalResult<void> write_local_message(int fd, std::string_view message);

// Connects to the agent's socket. kNobody where there is none, or nobody answers behind it. The
// folder must be this user's with no access for others, and so must the process behind the socket.
LocalResult<OwnedFd> connect_local(const std::string& path);

// As connect_local; where nobody is there, starts `program run --socket PATH` in the background,
// cut loose from this process, and waits until it listens, 5 s at most.
LocalResult<OwnedFd> connect_or_start(const std::string& path, const std::string& program);

// The agent's program: $LATCHKEY_AGENT, else the file latchkey-agent beside this very program.
std::string agent_program();

// Whether the process behind a connected Unix socket runs as this user.
bool is_same_user(int fd);
// The folder exists (it is made where `make` says so), is this user's, and nobody else may enter.
LocalResult<void> check_private_folder(const std::string& folder, bool make);

}  // namespace latchkey::net
