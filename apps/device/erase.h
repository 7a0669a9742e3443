// Emptying the folders that belong to the service, at a factory reset.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"

namespace latchkey::device {

// Why this folder must not be one that a reset empties, in words for its owner; nothing: it may.
// It has to be a folder, named whole, that is no link; and neither the state's folder, nor inside
// of it, nor around it. Nothing may be mounted inside, and this process has to be able to change
// it.
std::optional<std::string> refuse_to_erase(const std::filesystem::path& folder,
                                           const std::filesystem::path& state);

// Removes everything inside, durably; the folder itself stays. Nothing outside is touched, whatever
// is inside: links are removed and not followed, and where another file system or another part of
// this one is mounted inside, it fails. One that is not there is empty. The error names the path.
// While this lasts the folder is locked (flock), for up to a few seconds' wait: a service that
// waits for that before it makes anything there is not emptied twice. Flash memory may keep old
// blocks of what was removed.
Result<void, std::string> erase_inside(const std::filesystem::path& folder);

}  // namespace latchkey::device
