#include "platform/checks.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace latchkey::platform {
namespace {

// Five years: batteries of clocks die, and cards are imaged long after the build.
constexpr seconds kOldestPlausible{5LL * 365 * 86400};
// Clocks are corrected by a little all the time.
constexpr seconds kSlowClock{3600};

// systemd-resolved writes its file anew whenever the network changes: what is added has to stand in
// a file that is not a link to it.
const char* const kOwnResolvConf =
    "sudo cp --remove-destination /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf && ";
const char* const kResolvedAgain =
    ". And back: sudo ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf";

std::vector<std::string> hosts_line(const std::string& nsswitch) {
  std::istringstream lines(nsswitch);
  std::string line;
  while (std::getline(lines, line)) {
    line = line.substr(0, line.find('#'));
    std::istringstream words(line);
    std::string word;
    if (!(words >> word) || word != "hosts:") {
      continue;
    }
    std::vector<std::string> services;
    while (words >> word) {
      services.push_back(word);
    }
    return services;
  }
  return {};
}

std::string join(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) {
    text += text.empty() ? word : between + word;
  }
  return text;
}

Check judge_avahi(const Facts& facts) {
  if (facts.avahi_daemon_running) {
    return {"avahi", Level::kOk, "The service that finds devices is running.",
            "avahi-daemon answers on /run/avahi-daemon/socket", ""};
  }
  return {"avahi", Level::kFail, "The service that finds devices is not running.",
          "avahi-daemon does not answer on /run/avahi-daemon/socket; browsers cannot look up "
          ".local names without it",
          "Start it: sudo systemctl enable --now avahi-daemon"};
}

Check judge_agent(const Facts& facts) {
  if (facts.agent_reachable) {
    return {"agent", Level::kOk, "Latchkey is running.", facts.agent_socket.string(), ""};
  }
  return {"agent", Level::kFail, "Latchkey is not running.",
          "nothing answers on " + facts.agent_socket.string(), "Start it: latchkey-agent run"};
}

Check judge_trust(const Facts& facts) {
  std::vector<std::string> missing;
  std::size_t trusted = 0;
  for (const TrustFact& fact : facts.trust) {
    if (fact.state == RootState::kTrusted) {
      ++trusted;
      continue;
    }
    std::string why = "no database";
    if (!fact.state) {
      why = fact.problem;
    } else if (fact.state == RootState::kAbsent) {
      why = "root is absent";
    } else if (fact.state == RootState::kUntrusted) {
      why = "root is there but not trusted";
    }
    missing.push_back(fact.folder.string() + ": " + why);
  }
  if (missing.empty() && trusted > 0) {
    return {"trust", Level::kOk, "Your browser accepts your own devices.",
            "user root trusted in " + std::to_string(trusted) + " NSS database(s)", ""};
  }
  const bool never = !facts.root_installed.has_value() && trusted == 0;
  return {"trust", Level::kFail,
          never ? "Latchkey has not been set up yet."
                : "Your browser does not accept your own devices.",
          missing.empty() ? "no user root yet" : join(missing, "; "), "Run: latchkey setup"};
}

Check judge_restart(const Facts& facts) {
  if (!browser_restart_needed(facts.browsers, facts.root_installed)) {
    return {"browser_restart", Level::kOk, "No browser needs to be restarted.", "", ""};
  }
  std::vector<std::string> running;
  std::string kill = "kill";
  for (const BrowserProcess& browser : facts.browsers) {
    if (browser.started <= *facts.root_installed) {
      running.push_back(browser.name + " (process " + std::to_string(browser.pid) + ")");
      kill += " " + std::to_string(browser.pid);
    }
  }
  return {"browser_restart", Level::kWarn, "Your browser was started before Latchkey was set up.",
          join(running, ", ") + " reads the trust store only when it starts",
          "Close all windows of the browser and open it again. If none is open any more: " + kill};
}

Check judge_manifests(const Facts& facts) {
  std::vector<std::string> bad;
  for (const ManifestFact& fact : facts.manifests) {
    const char* why = nullptr;
    switch (fact.state) {
      case ManifestState::kGood:
        continue;
      case ManifestState::kMissing:
        why = "missing";
        break;
      case ManifestState::kForeign:
        why = "not written by Latchkey";
        break;
      case ManifestState::kProgramMissing:
        why = "points to a program that is not there";
        break;
      case ManifestState::kOtherExtension:
        why = "made for another extension";
        break;
    }
    bad.push_back(manifest_path(fact.user_data).string() + ": " + why);
  }
  if (facts.manifests.empty()) {
    return {"native_host", Level::kWarn, "No browser was found that Latchkey can work with.",
            "no user-data folder of the Chromium family",
            "Install Chromium, or name the folder "
            "of your browser: latchkey setup --browser-dir DIR"};
  }
  if (bad.empty()) {
    return {"native_host", Level::kOk, "Your browser can reach Latchkey.",
            std::to_string(facts.manifests.size()) + " native-messaging manifest(s)", ""};
  }
  return {"native_host", Level::kFail, "Your browser cannot reach Latchkey.", join(bad, "; "),
          "Run: latchkey setup"};
}

Check judge_confined(const Facts& facts) {
  if (facts.confined_browsers.empty()) {
    return {"confined_browsers", Level::kOk, "No locked-in browsers were found.",
            "no snap or flatpak browser", ""};
  }
  return {
      "confined_browsers", Level::kWarn,
      "Some of your browsers are locked in and cannot reach Latchkey.",
      join(facts.confined_browsers, ", ") +
          ": snap and flatpak keep a browser from starting the native-messaging host",
      "Use a browser from your system's own packages for these pages: sudo apt install chromium"};
}

Check judge_clock(const Facts& facts) {
  const char* const fix = "Let it be set by itself: sudo timedatectl set-ntp true";
  const std::string source =
      facts.clock_is_set ? "set by a time server" : "not set by a time server";
  if (facts.now < facts.built) {
    return {"clock", Level::kFail, "This computer's clock is wrong.",
            "it is set before this program was made; " + source, fix};
  }
  if (facts.now + kSlowClock < facts.known_past) {
    return {
        "clock", Level::kFail, "This computer's clock is wrong: it was later before.",
        "it is set more than an hour before something that has already happened here; " + source,
        fix};
  }
  if (facts.now - facts.built > kOldestPlausible) {
    return {"clock", Level::kWarn, "This computer's clock may be wrong.",
            "it is set more than five years after this program was made; " + source, fix};
  }
  return {"clock", Level::kOk, "The clock looks right.", source, ""};
}

}  // namespace

std::string_view level_text(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kWarn:
      return "warn";
    case Level::kFail:
      break;
  }
  return "fail";
}

Check judge_name_service(const std::optional<std::string>& nsswitch) {
  const char* const install = "Install libnss-mdns: sudo apt install libnss-mdns";
  const auto services = nsswitch ? hosts_line(*nsswitch) : std::vector<std::string>{};
  const std::string line =
      services.empty() ? "/etc/nsswitch.conf has no hosts line" : "hosts: " + join(services, " ");
  const auto is_mdns = [](const std::string& word) { return word.starts_with("mdns"); };
  const auto mdns = std::find_if(services.begin(), services.end(), is_mdns);
  if (mdns == services.end()) {
    return {"names", Level::kFail, "This computer cannot find devices by name.", line, install};
  }
  const auto before = std::find_if(services.begin(), mdns, [](const std::string& word) {
    return word == "dns" || word == "resolve";
  });
  if (before != mdns) {
    return {"names", Level::kWarn, "Devices may be found slowly or not at all.",
            line + " (\"" + *before + "\" is asked before \"" + *mdns + "\")",
            "Move \"" + *mdns + " [NOTFOUND=return]\" before \"" + *before +
                "\": sudo nano /etc/nsswitch.conf"};
  }
  return {"names", Level::kOk, "This computer finds devices by name.", line, ""};
}

Check judge_local_dns(const LocalDnsAnswer& answer, bool resolved) {
  const auto delay = std::chrono::duration_cast<seconds>(answer.lookup_delay).count();
  switch (answer.verdict) {
    case LocalDns::kServed:
      return {
          "name_delay", Level::kFail, "Your network uses names ending in .local for itself.",
          "the name server answers for the zone \"local\" (SOA): Latchkey would get in its way",
          "Latchkey cannot be used here. Whoever runs the network can see it by: dig local SOA"};
    case LocalDns::kSilent:
      return {"name_delay", Level::kWarn, "Finding devices is slow at the moment.",
              "the name server does not answer, and each lookup of a .local name waits about " +
                  std::to_string(delay) + " s for it" +
                  (resolved ? "; /etc/resolv.conf is a link to systemd-resolved's" : ""),
              "Is the internet connection down? Devices still work, after a wait. Until it is "
              "back, this makes the wait short: " +
                  std::string(resolved ? kOwnResolvConf : "") +
                  "echo options timeout:1 attempts:1 | sudo tee -a /etc/resolv.conf" +
                  (resolved ? kResolvedAgain : "")};
    case LocalDns::kNoServers:
      return {"name_delay", Level::kOk, "Names of devices are found without delay.",
              "no name server is configured", ""};
    case LocalDns::kFree:
      break;
  }
  return {"name_delay", Level::kOk, "Names of devices are found without delay.",
          "the name server answered in " + std::to_string(answer.took.count()) + " ms", ""};
}

bool browser_restart_needed(const std::vector<BrowserProcess>& browsers,
                            const std::optional<FineTime>& root_installed) {
  return root_installed && std::any_of(browsers.begin(), browsers.end(), [&](const auto& browser) {
           return browser.started <= *root_installed;
         });
}

std::vector<Check> judge(const Facts& facts) {
  return {judge_name_service(facts.nsswitch),
          judge_local_dns(facts.local_dns, facts.resolved),
          judge_avahi(facts),
          judge_agent(facts),
          judge_trust(facts),
          judge_restart(facts),
          judge_manifests(facts),
          judge_confined(facts),
          judge_clock(facts)};
}

}  // namespace latchkey::platform
