#include "platform/firefox_profiles.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

namespace fs = std::filesystem;

namespace latchkey::platform {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && blank(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// One section of an .ini file as far as it matters here.
struct Section {
  std::optional<std::string> path;  // Path= of a profile, Default= of an installation
  bool relative = true;
};

void keep(Section& section, std::vector<ListedProfile>& profiles) {
  const Section done = std::exchange(section, {});
  if (!done.path || done.path->empty() || done.path->size() > kMaxProfilePath ||
      done.path->find('\0') != std::string::npos || profiles.size() == kMaxProfiles) {
    return;
  }
  const bool there = std::any_of(profiles.begin(), profiles.end(),
                                 [&](const auto& one) { return one.path == *done.path; });
  if (!there) {
    profiles.push_back({*done.path, done.relative});
  }
}

// Nothing where the path leaves the folder it is relative to, or is not what it says it is.
std::optional<fs::path> resolved(const fs::path& folder, const ListedProfile& listed) {
  const fs::path path(listed.path);
  if (listed.relative == path.is_absolute() ||
      std::find(path.begin(), path.end(), "..") != path.end()) {
    return std::nullopt;
  }
  return listed.relative ? folder / path : path;
}

// A folder of this user that nobody else may change, by its real name. Following a link to it is
// fine: people keep profiles on other disks.
std::optional<fs::path> own_folder(const fs::path& path) {
  std::error_code error;
  fs::path real = fs::canonical(path, error);
  struct stat state{};
  if (error || ::lstat(real.c_str(), &state) != 0 || !S_ISDIR(state.st_mode) ||
      state.st_uid != ::geteuid() || (state.st_mode & 0002U) != 0) {
    return std::nullopt;
  }
  // The database is opened by this name: it must be a file of the user's own, and no link.
  if (::lstat((real / "cert9.db").c_str(), &state) == 0 &&
      (!S_ISREG(state.st_mode) || state.st_uid != ::geteuid())) {
    return std::nullopt;
  }
  return real;
}

void add(const std::optional<fs::path>& folder, std::vector<fs::path>& profiles) {
  if (folder && profiles.size() < kMaxProfiles &&
      std::find(profiles.begin(), profiles.end(), *folder) == profiles.end()) {
    profiles.push_back(*folder);
  }
}

// False when there is no list of profiles.
bool add_listed(const fs::path& folder, std::vector<fs::path>& profiles) {
  bool any = false;
  for (const char* name : {"profiles.ini", "installs.ini"}) {
    const auto contents = read_file(folder / name, kMaxProfilesFile);
    if (!contents) {
      continue;
    }
    any = true;
    for (const ListedProfile& listed : parse_profiles(as_text(*contents))) {
      if (const auto path = resolved(folder, listed)) {
        add(own_folder(*path), profiles);
      }
    }
  }
  return any;
}

}  // namespace

std::vector<fs::path> firefox_folders(const Environment& environment) {
  const fs::path& home = environment.home;
  const fs::path snap = home / "snap/firefox/common";
  const fs::path flatpak = home / ".var/app/org.mozilla.firefox";
  return {home / ".mozilla/firefox",          config_folder(environment) / "mozilla/firefox",
          snap / ".mozilla/firefox",          snap / ".config/mozilla/firefox",
          flatpak / ".mozilla/firefox",       flatpak / "config/mozilla/firefox",
          flatpak / ".config/mozilla/firefox"};
}

std::vector<ListedProfile> parse_profiles(std::string_view text) {
  std::vector<ListedProfile> profiles;
  Section section;
  text = text.substr(0, kMaxProfilesFile);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('[')) {
      keep(section, profiles);
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      continue;
    }
    const std::string_view name = trimmed(line.substr(0, equals));
    const std::string_view value = trimmed(line.substr(equals + 1));
    if (name == "IsRelative") {
      section.relative = value != "0";
    } else if (name == "Path") {
      section.path = value;
    } else if (name == "Default" && value != "1" && value != "0" && !section.path) {
      // Of an installation: the path of its profile. Of a profile it is a 1.
      section.path = value;
      section.relative = !value.starts_with('/');
    }
  }
  keep(section, profiles);
  return profiles;
}

std::vector<fs::path> firefox_profiles(const Environment& environment,
                                       const std::vector<fs::path>& extra) {
  std::vector<fs::path> profiles;
  for (const fs::path& folder : firefox_folders(environment)) {
    (void)add_listed(folder, profiles);
  }
  for (const fs::path& folder : extra) {
    if (folder.is_absolute() && !add_listed(folder, profiles)) {
      add(own_folder(folder), profiles);
    }
  }
  return profiles;
}

bool has_firefox(const Environment& environment) {
  const auto folders = firefox_folders(environment);
  if (std::any_of(folders.begin(), folders.end(), is_folder)) {
    return true;
  }
  for (const char* folder : {"/usr/bin", "/usr/local/bin", "/snap/bin", "/opt/firefox"}) {
    for (const char* program : {"firefox", "firefox-esr"}) {
      if (::access((fs::path(folder) / program).c_str(), X_OK) == 0) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace latchkey::platform
