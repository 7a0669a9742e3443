// What `latchkey doctor` makes of the facts about this computer. Pure: the facts come from
// doctor_facts.h or from a test.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "platform/local_dns.h"
#include "platform/native_messaging.h"
#include "platform/nss_trust.h"

namespace latchkey::platform {

enum class Level : std::uint8_t { kOk, kWarn, kFail };
std::string_view level_text(Level level);  // "ok", "warn", "fail"

// `title` and `fix` are for whoever lives in the house, `detail` is for whoever is called to help.
struct Check {
  std::string id;
  Level level = Level::kOk;
  std::string title;
  std::string detail;
  std::string fix;  // empty when nothing needs to be done
};

// A browser that starts within the second of set-up has read its database before or after it.
using FineTime = std::chrono::sys_time<std::chrono::milliseconds>;

struct BrowserProcess {
  int pid = 0;
  std::string name;
  FineTime started;
};

struct TrustFact {
  std::filesystem::path folder;
  std::optional<RootState> state;  // nothing: it could not be read
  std::string problem;
};

struct ManifestFact {
  std::filesystem::path user_data;
  ManifestState state = ManifestState::kMissing;  // the system's counts where the user has none
};

struct Facts {
  std::optional<std::string> nsswitch;  // contents of /etc/nsswitch.conf
  LocalDnsAnswer local_dns;
  bool resolved = false;  // /etc/resolv.conf is systemd-resolved's: it is written anew all the time
  bool avahi_daemon_running = false;
  std::vector<BrowserProcess> browsers;
  // When the root was installed; nothing before set-up.
  std::optional<FineTime> root_installed;
  std::vector<TrustFact> trust;
  std::vector<ManifestFact> manifests;
  bool agent_reachable = false;
  std::filesystem::path agent_socket;
  std::vector<std::string> confined_browsers;  // such as "Chromium (snap)"
  WallTime now;
  WallTime built;
  WallTime known_past;        // the latest moment of which this computer's agent knows that it was
  bool clock_is_set = false;  // by a time server, as far as the kernel knows
};

// One check for each concern, in a fixed order; ids: names, name_delay, avahi, agent, trust,
// browser_restart, native_host, confined_browsers, clock.
std::vector<Check> judge(const Facts& facts);

// Single judgements that others need as well.
Check judge_name_service(const std::optional<std::string>& nsswitch);
Check judge_local_dns(const LocalDnsAnswer& answer, bool resolved = false);
// Whether a browser that started before the root was installed still runs.
bool browser_restart_needed(const std::vector<BrowserProcess>& browsers,
                            const std::optional<FineTime>& root_installed);

}  // namespace latchkey::platform
