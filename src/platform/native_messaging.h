// Native-messaging host manifests of the Chromium family: how a browser finds the program that
// relays between the extension and the agent.
// https://developer.chrome.com/docs/extensions/develop/concepts/native-messaging
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "platform/error.h"
#include "platform/paths.h"

namespace latchkey::platform {

inline constexpr std::string_view kNativeHostName = "org.latchkey.agent";

struct NativeHost {
  std::filesystem::path program;  // absolute
  std::string extension_id;       // 32 letters a-p
};

// The user-data folders that exist of browsers outside snap and flatpak (those cannot start
// programs of the system), and of Chromium and Chrome also where the program is installed but was
// never started. `extra` are user-data folders that the person named.
std::vector<std::filesystem::path> user_data_folders(
    const Environment& environment, const std::vector<std::filesystem::path>& extra);

// <user data>/NativeMessagingHosts/org.latchkey.agent.json
std::filesystem::path manifest_path(const std::filesystem::path& user_data);

// Safe to repeat. A manifest of ours is replaced; anything else under that name is left as it is
// (kForeign).
Result<void, Error> write_manifest(const std::filesystem::path& user_data, const NativeHost& host);
// Removes ours; success when there is none.
Result<void, Error> remove_manifest(const std::filesystem::path& user_data);

enum class ManifestState : std::uint8_t {
  kMissing,
  kForeign,         // not ours, or not readable
  kProgramMissing,  // points to a program that is not there or cannot be run
  kOtherExtension,  // lets another extension in, or not ours
  kGood,
};
ManifestState check_manifest(const std::filesystem::path& user_data, std::string_view extension_id);

// The one that a package put there for everybody's browsers of this kind, below `root`; kMissing
// where this kind has no such place. Browsers use it where the user has none of their own.
ManifestState check_system_manifest(const std::filesystem::path& user_data,
                                    std::string_view extension_id,
                                    const std::filesystem::path& root = "/");

// --- Firefox ---
// https://developer.mozilla.org/docs/Mozilla/Add-ons/WebExtensions/Native_manifests

// Where a user's manifests are looked for: ~/.mozilla/native-messaging-hosts (also by the portal
// that lets a snap or flatpak start programs, where there is one), and, where Firefox keeps its
// files in the XDG place, the folder of that name there.
std::vector<std::filesystem::path> firefox_manifest_folders(const Environment& environment);

// As above; `add_on` is the id in the add-on's manifest, such as "name@example.org".
Result<void, Error> write_firefox_manifest(const std::filesystem::path& folder,
                                           const std::filesystem::path& program,
                                           std::string_view add_on);
Result<void, Error> remove_firefox_manifest(const std::filesystem::path& folder);
ManifestState check_firefox_manifest(const std::filesystem::path& folder, std::string_view add_on);
// As check_system_manifest.
ManifestState check_system_firefox_manifest(std::string_view add_on,
                                            const std::filesystem::path& root = "/");

}  // namespace latchkey::platform
