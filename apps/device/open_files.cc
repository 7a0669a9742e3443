#include "device/open_files.h"

#include <fcntl.h>

#include <utility>

namespace latchkey::device {

namespace {

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// Whoever writes to a file, gives it other permissions, or renames it, moves its time of change,
// which nobody can set back.
bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         same_time(a.st_mtim, b.st_mtim) && same_time(a.st_ctim, b.st_ctim);
}

}  // namespace

std::shared_ptr<const OpenFile> OpenFiles::find(std::string_view key, int root) {
  const auto at = kept_.find(key);
  if (at == kept_.end()) {
    return nullptr;
  }
  struct stat now{};
  if (std::chrono::steady_clock::now() >= at->second.until ||
      ::fstatat(root, at->second.path.c_str(), &now, 0) != 0 ||
      !is_same(now, at->second.file->seen)) {
    kept_.erase(at);
    return nullptr;
  }
  return at->second.file;
}

void OpenFiles::keep(std::string key, std::string path, std::shared_ptr<const OpenFile> file) {
  if (file->is_folder || file->facts.size > kMostBytes) {
    return;
  }
  const bool first = kept_.empty();
  if (kept_.size() >= kMost) {
    kept_.clear();
  }
  kept_.insert_or_assign(std::move(key), Kept{std::move(path), std::move(file), net::after(life_)});
  if (first) {
    look_later();
  }
}

void OpenFiles::look_later() {
  timer_.expires_after(life_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) {
      return;  // this is going away
    }
    const net::Deadline now = std::chrono::steady_clock::now();
    std::erase_if(kept_, [now](const auto& one) { return one.second.until <= now; });
    if (!kept_.empty()) {
      look_later();
    }
  });
}

}  // namespace latchkey::device
