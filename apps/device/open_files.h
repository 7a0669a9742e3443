// Small files of a served folder that were opened a moment ago. To open a file, look at it and
// close it again takes a tenth of what sending a small one does; to ask whether its name still
// leads to it takes less than half of that.
//
// Nothing of what they hold is kept. Each use looks the name up again, and a file that was
// replaced, changed, or had its permissions changed since (another inode, or another time of
// change) is not used. What a look by name cannot see is whether the way there is now one that the
// folder does not let out of itself (RESOLVE_BENEATH): therefore nobody is kept for more than a
// second, used or not, and a file that was removed takes no longer to be gone from the disk.
#pragma once

#include <sys/stat.h>

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "front/files.h"
#include "net/local_message.h"
#include "net/task.h"

namespace latchkey::device {

struct OpenFile {
  net::OwnedFd file;
  front::FileFacts facts;
  std::string name;  // the last part, with its extension
  bool is_folder = false;
  struct stat seen{};  // when it was opened
};

class OpenFiles {
 public:
  static constexpr std::size_t kMost = 64;
  static constexpr std::uint64_t kMostBytes = 64 * 1024;  // what is larger is not kept
  static constexpr std::chrono::milliseconds kLife{1000};

  explicit OpenFiles(const net::Executor& executor, std::chrono::milliseconds life = kLife)
      : life_(life), timer_(executor) {}

  // The file under `key`, if the path it was opened by, beneath the open folder `root`, still
  // leads to it as it was. Null: open it anew.
  std::shared_ptr<const OpenFile> find(std::string_view key, int root);
  // `path`: without a leading '/'.
  void keep(std::string key, std::string path, std::shared_ptr<const OpenFile> file);
  [[nodiscard]] std::size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    std::string path;
    std::shared_ptr<const OpenFile> file;
    net::Deadline until;
  };
  void look_later();
  std::chrono::milliseconds life_;
  std::map<std::string, Kept, std::less<>> kept_;
  boost::asio::steady_timer timer_;
};

}  // namespace latchkey::device
