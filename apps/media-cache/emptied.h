// Notices that the folder of the media cache was emptied under it: by a factory reset of the device
// in front. What is open then still has its place on the disk, so it has to be let go of at once.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>

namespace latchkey::mediacache {

class FolderWatch {
 public:
  // Calls `emptied` once, from the loop, when `file` in `folder` is removed, or the folder is.
  // Where the system has no room for another watch it never does.
  FolderWatch(boost::asio::io_context& io, const std::filesystem::path& folder, std::string file,
              std::function<void()> emptied);
  // Looks no more.
  void stop();

 private:
  void wait();
  // Whether it happened. `size` bytes of events are in the buffer.
  [[nodiscard]] bool look(std::size_t size) const;

  boost::asio::posix::stream_descriptor events_;
  std::string file_;
  std::function<void()> emptied_;
  // inotify(7): a read gives whole events only.
  alignas(8) char buffer_[4096] = {};
};

}  // namespace latchkey::mediacache
