#include "platform/native_messaging.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace fs = std::filesystem;
using nlohmann::json;

namespace latchkey::platform {
namespace {

constexpr std::size_t kMaxManifest = 65536;

std::string extension_origin(std::string_view id) {
  return "chrome-extension://" + std::string(id) + "/";
}

bool is_extension_id(std::string_view id) {
  return id.size() == 32 &&
         std::all_of(id.begin(), id.end(), [](char c) { return c >= 'a' && c <= 'p'; });
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_installed(const char* program) {
  for (const char* folder : {"/usr/bin", "/usr/local/bin", "/opt/google/chrome"}) {
    if (::access((fs::path(folder) / program).c_str(), X_OK) == 0) {
      return true;
    }
  }
  return false;
}

// A manifest of ours, or nothing: absent, a link, another program's, or not JSON.
std::optional<json> read_ours(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_symlink(path, ignored)) {
    return std::nullopt;
  }
  const auto contents = read_file(path, kMaxManifest);
  if (!contents) {
    return std::nullopt;
  }
  json manifest = json::parse(contents->begin(), contents->end(), nullptr, false);
  if (!manifest.is_object()) {
    return std::nullopt;
  }
  const auto name = manifest.find("name");
  if (name == manifest.end() || *name != std::string(kNativeHostName)) {
    return std::nullopt;
  }
  return manifest;
}

bool something_there(const fs::path& path) {
  struct stat state{};
  return ::lstat(path.c_str(), &state) == 0;
}

Error foreign(const fs::path& path) {
  return {Error::Code::kForeign, path.string() + " was not written by Latchkey",
          "Move it away, then try again."};
}

}  // namespace

std::vector<fs::path> user_data_folders(const Environment& environment,
                                        const std::vector<fs::path>& extra) {
  const fs::path config = config_folder(environment);
  struct Browser {
    const char* folder;
    const char* program;  // null: only where the folder exists
  };
  constexpr std::array<Browser, 8> kBrowsers{{{"chromium", "chromium"},
                                              {"google-chrome", "google-chrome"},
                                              {"google-chrome-beta", nullptr},
                                              {"google-chrome-unstable", nullptr},
                                              {"BraveSoftware/Brave-Browser", nullptr},
                                              {"microsoft-edge", nullptr},
                                              {"vivaldi", nullptr},
                                              {"opera", nullptr}}};
  std::vector<fs::path> folders;
  for (const Browser& browser : kBrowsers) {
    const fs::path folder = config / browser.folder;
    if (is_folder(folder) || (browser.program != nullptr && is_installed(browser.program))) {
      folders.push_back(folder);
    }
  }
  for (const fs::path& folder : extra) {
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) {
      folders.push_back(folder);
    }
  }
  return folders;
}

fs::path manifest_path(const fs::path& user_data) {
  return user_data / "NativeMessagingHosts" / (std::string(kNativeHostName) + ".json");
}

namespace {

json manifest_of(const fs::path& program) {
  return {{"name", kNativeHostName},
          {"description", "Latchkey agent"},
          {"path", program.string()},
          {"type", "stdio"}};
}

Result<void, Error> write_ours(const fs::path& path, const json& manifest) {
  if (something_there(path) && !read_ours(path)) {
    return fail(foreign(path));
  }
  // Browsers make their folders with 0700 as well.
  if (!is_folder(path.parent_path())) {
    if (auto made = make_private_folder(path.parent_path()); !made) {
      return made;
    }
  }
  const std::string text = manifest.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  return write_file(path, as_bytes(text), 0644);
}

Result<void, Error> remove_ours(const fs::path& path) {
  if (!something_there(path)) {
    return {};
  }
  if (!read_ours(path)) {
    return fail(foreign(path));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return fail(system_error("cannot remove " + path.string(), errno));
  }
  return {};
}

// `who` lists in `member` whom the manifest lets in: exactly this one.
ManifestState check_ours(const fs::path& path, const char* member, const std::string& who) {
  if (!something_there(path)) {
    return ManifestState::kMissing;
  }
  const auto manifest = read_ours(path);
  if (!manifest) {
    return ManifestState::kForeign;
  }
  const auto program = manifest->find("path");
  if (program == manifest->end() || !program->is_string() ||
      ::access(program->get<std::string>().c_str(), X_OK) != 0) {
    return ManifestState::kProgramMissing;
  }
  const auto let_in = manifest->find(member);
  if (let_in == manifest->end() || *let_in != json::array({who})) {
    return ManifestState::kOtherExtension;
  }
  return ManifestState::kGood;
}

fs::path firefox_manifest_path(const fs::path& folder) {
  return folder / (std::string(kNativeHostName) + ".json");
}

}  // namespace

Result<void, Error> write_manifest(const fs::path& user_data, const NativeHost& host) {
  if (!host.program.is_absolute() || !is_extension_id(host.extension_id) ||
      !user_data.is_absolute()) {
    return fail(Error{Error::Code::kMisuse, "absolute paths and an extension id are needed", {}});
  }
  json manifest = manifest_of(host.program);
  manifest["allowed_origins"] = {extension_origin(host.extension_id)};
  return write_ours(manifest_path(user_data), manifest);
}

Result<void, Error> remove_manifest(const fs::path& user_data) {
  return remove_ours(manifest_path(user_data));
}

ManifestState check_manifest(const fs::path& user_data, std::string_view extension_id) {
  return check_ours(manifest_path(user_data), "allowed_origins", extension_origin(extension_id));
}

ManifestState check_system_manifest(const fs::path& user_data, std::string_view extension_id,
                                    const fs::path& root) {
  const std::string kind = user_data.filename();
  const char* folder = nullptr;
  if (kind == "chromium") {
    folder = "etc/chromium";
  } else if (kind.starts_with("google-chrome")) {
    folder = "etc/opt/chrome";
  }
  if (folder == nullptr) {
    return ManifestState::kMissing;
  }
  const std::string file = std::string(kNativeHostName) + ".json";
  return check_ours(root / folder / "native-messaging-hosts" / file, "allowed_origins",
                    extension_origin(extension_id));
}

std::vector<fs::path> firefox_manifest_folders(const Environment& environment) {
  std::vector<fs::path> folders{environment.home / ".mozilla" / "native-messaging-hosts"};
  if (const fs::path xdg = config_folder(environment) / "mozilla"; is_folder(xdg)) {
    folders.push_back(xdg / "native-messaging-hosts");
  }
  return folders;
}

Result<void, Error> write_firefox_manifest(const fs::path& folder, const fs::path& program,
                                           std::string_view add_on) {
  if (!folder.is_absolute() || !program.is_absolute() ||
      add_on.find('@') == std::string_view::npos) {
    return fail(Error{Error::Code::kMisuse, "absolute paths and an add-on's id are needed", {}});
  }
  json manifest = manifest_of(program);
  manifest["allowed_extensions"] = {add_on};
  return write_ours(firefox_manifest_path(folder), manifest);
}

Result<void, Error> remove_firefox_manifest(const fs::path& folder) {
  return remove_ours(firefox_manifest_path(folder));
}

ManifestState check_firefox_manifest(const fs::path& folder, std::string_view add_on) {
  return check_ours(firefox_manifest_path(folder), "allowed_extensions", std::string(add_on));
}

ManifestState check_system_firefox_manifest(std::string_view add_on, const fs::path& root) {
  return check_firefox_manifest(root / "usr/lib/mozilla/native-messaging-hosts", add_on);
}

}  // namespace latchkey::platform
