#include "store/set_aside.h"

#include <fcntl.h>
#include <stdio.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>

#include "store/files.h"

namespace latchkey::store {
namespace {

namespace fs = std::filesystem;
constexpr int kMaxTries = 100;

std::string stamp_of(WallTime now) {
  const std::time_t time = now.unix_seconds;
  std::tm parts{};
  char text[32] = "unknown";
  if (::gmtime_r(&time, &parts) != nullptr) {
    (void)std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &parts);
  }
  return text;
}

// Never over something that is there.
Result<bool> rename_to_free(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return true;
  }
  if (errno == EEXIST) {
    return false;
  }
  return fail(Error{ErrorCode::kIo, "cannot rename " + from.string() + ": " +
                                        std::generic_category().message(errno)});
}

}  // namespace

Result<fs::path> set_aside(const fs::path& folder, const std::string& file, WallTime now) {
  const fs::path path = folder / file;
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path, error))) {
    return fs::path();
  }
  auto lock = lock_file(fs::path(path) += ".lock");
  if (!lock) {
    return fail(std::move(lock).error());
  }
  const std::string stamp = stamp_of(now);
  for (int i = 0; i < kMaxTries; ++i) {
    const fs::path to = path.string() + ".old-" + stamp + (i == 0 ? "" : "-" + std::to_string(i));
    const fs::path journal = path.string() + "-journal";
    const fs::path journal_to = to.string() + "-journal";
    if (fs::exists(fs::symlink_status(journal_to, error))) {
      continue;
    }
    // The journal first: it belongs to the file, and a new file of the old name must not meet it.
    const bool has_journal = fs::exists(fs::symlink_status(journal, error));
    if (has_journal) {
      auto moved = rename_to_free(journal, journal_to);
      if (!moved) {
        return fail(std::move(moved).error());
      }
      if (!*moved) {
        continue;
      }
    }
    auto moved = rename_to_free(path, to);
    if (moved && *moved) {
      if (auto synced = sync_folder(folder); !synced) {
        return fail(std::move(synced).error());
      }
      return to;
    }
    if (has_journal) {
      (void)rename_to_free(journal_to, journal);
    }
    if (!moved) {
      return fail(std::move(moved).error());
    }
  }
  return fail(Error{ErrorCode::kIo, "no free name beside " + path.string()});
}

}  // namespace latchkey::store
