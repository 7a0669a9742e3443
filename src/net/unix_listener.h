// The agent's Unix socket: in a folder of mode 0700 that is this user's, answered to this user
// only, and by one process at a time.
#pragma once

#include <memory>
#include <string>

#include "net/local_message.h"
#include "net/stream.h"

namespace latchkey::net {

class UnixListener {
 public:
  // Makes the folder, takes the lock beside the socket (kRefused: another agent has it), puts a
  // fresh socket in place of one that a crash left behind, and listens.
  static LocalResult<std::unique_ptr<UnixListener>> open(Executor executor, std::string path);
  ~UnixListener();  // takes the socket away
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  // The next connection of this user. Those of others are closed without a word.
  Task<Result<std::unique_ptr<ByteStream>>> accept();
  void close();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  UnixListener(Executor executor, std::string path, OwnedFd lock, int fd);
  Executor executor_;
  std::string path_;
  OwnedFd lock_;
  std::shared_ptr<WatchedFd> fd_;
};

}  // namespace latchkey::net
