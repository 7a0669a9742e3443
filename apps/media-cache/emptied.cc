#include "media-cache/emptied.h"

#include <spdlog/spdlog.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace latchkey::mediacache {

FolderWatch::FolderWatch(boost::asio::io_context& io, const std::filesystem::path& folder,
                         std::string file, std::function<void()> emptied)
    : events_(io), file_(std::move(file)), emptied_(std::move(emptied)) {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) {
    spdlog::warn("{} is not watched: {}", folder.string(), std::strerror(errno));
    return;
  }
  events_.assign(fd);
  if (::inotify_add_watch(fd, folder.c_str(), IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR) < 0) {
    spdlog::warn("{} is not watched: {}", folder.string(), std::strerror(errno));
    return;
  }
  wait();
}

void FolderWatch::stop() {
  boost::system::error_code ignored;
  events_.close(ignored);
}

void FolderWatch::wait() {
  events_.async_read_some(boost::asio::buffer(buffer_),
                          [this](const boost::system::error_code& error, std::size_t size) {
                            if (error) {
                              return;
                            }
                            if (look(size)) {
                              emptied_();
                            } else {
                              wait();
                            }
                          });
}

bool FolderWatch::look(std::size_t size) const {
  for (std::size_t at = 0; at + sizeof(inotify_event) <= size;) {
    inotify_event event{};
    std::memcpy(&event, buffer_ + at, sizeof event);
    const char* name = buffer_ + at + sizeof event;
    // IN_IGNORED: the folder itself is gone. What was lost (IN_Q_OVERFLOW) was something.
    if ((event.mask & (IN_IGNORED | IN_Q_OVERFLOW)) != 0 || (event.len != 0 && file_ == name)) {
      return true;
    }
    at += sizeof event + event.len;
  }
  return false;
}

}  // namespace latchkey::mediacache
