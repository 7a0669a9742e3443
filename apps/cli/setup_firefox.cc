#include "setup_firefox.h"

#include "platform/firefox_profiles.h"
#include "platform/native_messaging.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

Failure failure_of(const platform::Error& error) {
  return {Exit::kFailed, "setup", error.message,
          error.hint.empty() ? "Run `latchkey doctor` to find out more." : error.hint};
}

}  // namespace

Result<json> set_up_firefox(AgentLink& link, const Terminal& terminal, const fs::path& native_host,
                            const json& folders) {
  const auto environment = platform::Environment::current();
  if (platform::has_firefox(environment) || !folders.empty()) {
    for (const fs::path& folder : platform::firefox_manifest_folders(environment)) {
      const auto written =
          platform::write_firefox_manifest(folder, native_host, LATCHKEY_FIREFOX_EXTENSION_ID);
      if (!written) {
        return fail(failure_of(written.error()));
      }
      terminal.progress("Firefox can reach Latchkey: " + folder.string());
    }
  }
  const auto told = link.call(wire::kSetupFirefox, {{"on", true}, {"folders", folders}});
  if (!told) {
    return fail(told.error());
  }
  json profiles = told->value("profiles", json::array());
  for (const json& profile : profiles) {
    const std::string state = profile.value("state", "");
    const std::string folder = profile.value("folder", "");
    if (state == "good") {
      terminal.progress("Firefox will accept your devices: " + folder);
    } else if (state == "password") {
      terminal.progress("This profile of Firefox has a primary password and takes no devices: " +
                        folder);
    } else if (state == "problem") {
      terminal.progress("This profile of Firefox could not be changed: " + folder);
    }
  }
  return profiles;
}

Result<void> undo_firefox(AgentLink& link, const Terminal& terminal, const json& folders) {
  Result<void> all;
  const auto told = link.call(wire::kSetupFirefox, {{"on", false}, {"folders", folders}});
  if (!told) {
    all = fail(told.error());
  } else {
    const json profiles = told->value("profiles", json::array());
    for (const json& profile : profiles) {
      const std::string folder = profile.value("folder", "");
      const std::string state = profile.value("state", "");
      if (state == "problem" && all) {
        all = fail(Failure{Exit::kFailed, "setup",
                           "A profile of Firefox could not be changed: " + folder,
                           "Close Firefox, then try again."});
      } else if (state != "problem" && state != "new") {
        terminal.progress("Removed from " + folder);
      }
    }
  }
  for (const fs::path& folder :
       platform::firefox_manifest_folders(platform::Environment::current())) {
    if (const auto removed = platform::remove_firefox_manifest(folder); !removed && all) {
      all = fail(failure_of(removed.error()));
    }
  }
  return all;
}

}  // namespace latchkey::cli
