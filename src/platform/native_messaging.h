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

}  // namespace latchkey::platform
