// Where Firefox keeps its profiles: all places known on Linux, and what their profiles.ini and
// installs.ini list. A folder counts when it is this user's own.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "platform/paths.h"

namespace latchkey::platform {

inline constexpr std::size_t kMaxProfilesFile = 262144;
inline constexpr std::size_t kMaxProfiles = 64;  // in all places together
inline constexpr std::size_t kMaxProfilePath = 1024;

// The folders that hold a profiles.ini, whether they exist or not: of the system's own Firefox (the
// old place and, since 2026, the XDG one), of snap and of flatpak.
std::vector<std::filesystem::path> firefox_folders(const Environment& environment);

// A path in an .ini file, before it is looked for. Relative ones begin at the file's folder.
struct ListedProfile {
  std::string path;
  bool relative = true;
};
// The profiles that profiles.ini or installs.ini names, in order, no path twice. What cannot be
// understood is passed over.
std::vector<ListedProfile> parse_profiles(std::string_view text);

// Folders of profiles that exist and belong to this user, canonical, no folder twice; with or
// without a cert9.db. `extra` are folders that the person named: a profile's, or one with a
// profiles.ini.
std::vector<std::filesystem::path> firefox_profiles(
    const Environment& environment, const std::vector<std::filesystem::path>& extra);

// Whether a Firefox is there to be set up: one of the folders exists, or the program is installed.
bool has_firefox(const Environment& environment);

}  // namespace latchkey::platform
