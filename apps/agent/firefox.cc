#include "firefox.h"

#include <nlohmann/json.hpp>

#include "anchor_keeper.h"
#include "platform/firefox_profiles.h"
#include "platform/native_messaging.h"

namespace latchkey::agentd {
namespace {

using nlohmann::json;
using State = FirefoxProfile::State;

// A page waits meanwhile: long enough for a database that a browser is writing to.
constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kSetupPatience = std::chrono::seconds(60);

}  // namespace

net::Task<SetupState> firefox_setup_state(Context* context) {
  context->anchors.look_again();
  (void)co_await context->anchors.settled(kPatience);
  co_return SetupState{context->anchors.ready(), false};
}

net::Task<agent::Result<json>> set_up_firefox(Context* context, agent::SetupFirefox setup) {
  context->anchors.configure(setup.on, setup.folders);
  if (!co_await context->anchors.settled(kSetupPatience)) {
    co_return fail(agent::error(wire::ErrorCode::kUnreachable));
  }
  json profiles = json::array();
  for (const FirefoxProfile& profile : context->anchors.profiles()) {
    profiles.push_back({{"folder", profile.folder.string()},
                        {"state", name_of(profile.state)},
                        {"problem", profile.problem}});
  }
  co_return json{{"profiles", std::move(profiles)}};
}

net::Task<void> await_anchors(Context* context) {
  (void)co_await context->anchors.settled(kPatience);
}

net::Task<platform::Check> firefox_check(Context* context) {
  using platform::Level;
  const auto environment = platform::Environment::current();
  context->anchors.look_again();
  const bool settled = co_await context->anchors.settled(kPatience);
  platform::Check check{"firefox_profiles", Level::kOk, "Firefox is not used on this computer.", "",
                        ""};
  if (!platform::has_firefox(environment)) {
    co_return check;
  }
  if (!context->anchors.on()) {
    check.level = Level::kWarn;
    check.title = "Firefox does not accept your devices yet.";
    check.fix = "Run: latchkey setup";
    co_return check;
  }
  check.title = "Firefox accepts your devices.";
  bool password = false;
  bool problem = !settled;
  for (const FirefoxProfile& profile : context->anchors.profiles()) {
    password = password || profile.state == State::kPassword;
    problem = problem || profile.state == State::kProblem;
    check.detail += profile.folder.string() + ": " + std::string(name_of(profile.state)) +
                    (profile.problem.empty() ? "" : " (" + profile.problem + ")") + "\n";
  }
  for (const auto& folder : platform::firefox_manifest_folders(environment)) {
    auto state = platform::check_firefox_manifest(folder, context->firefox_id);
    if (state == platform::ManifestState::kMissing) {
      state = platform::check_system_firefox_manifest(context->firefox_id);
    }
    if (state != platform::ManifestState::kGood) {
      check.level = Level::kWarn;
      check.title = "Firefox cannot reach Latchkey.";
      check.detail += folder.string() + ": the native-messaging manifest is missing or another's\n";
      check.fix = "Run: latchkey setup";
    }
  }
  if (problem) {
    check.level = Level::kFail;
    check.title = "A profile of Firefox could not be read or changed.";
    check.fix =
        "Close Firefox and open it again. If that does not help, make a profile for your devices: "
        "firefox -P";
  } else if (password) {
    check.level = Level::kWarn;
    check.title = "A profile of Firefox has a primary password: it takes no new devices.";
    check.fix =
        "Use another profile for your devices: firefox -P. Or remove the primary password: firefox "
        "about:preferences#privacy";
  }
  co_return check;
}

}  // namespace latchkey::agentd
