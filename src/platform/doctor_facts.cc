#include "platform/doctor_facts.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <sstream>
#include <string_view>
#include <utility>

#include "platform/system_clock.h"

namespace fs = std::filesystem;

namespace latchkey::platform {
namespace {

constexpr std::size_t kMaxProcFile = 1U << 20U;

std::optional<std::string> read_text_file(const fs::path& path) {
  const auto contents = read_file(path, kMaxProcFile);
  if (!contents) {
    return std::nullopt;
  }
  return std::string(as_text(*contents));
}

// When this computer started, by the clock as it is now. /proc/stat's btime has whole seconds only.
FineTime boot_time() {
  timespec since_boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  const auto up = seconds(since_boot.tv_sec) + std::chrono::nanoseconds(since_boot.tv_nsec);
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now() - up);
}

// Since the last start of this computer a time server has set the clock.
bool clock_is_set() {
  timex state{};
  return ::adjtimex(&state) != TIME_ERROR &&
         (static_cast<unsigned>(state.status) & STA_UNSYNC) == 0;
}

// Field 22 of /proc/<pid>/stat, in clock ticks since boot. The second field is the program's name
// in brackets and may hold anything.
std::optional<std::int64_t> start_ticks(const std::string& stat) {
  const auto close = stat.rfind(')');
  if (close == std::string::npos) {
    return std::nullopt;
  }
  std::istringstream fields(stat.substr(close + 1));
  std::string field;
  for (int number = 3; number <= 22; ++number) {
    if (!(fields >> field)) {
      return std::nullopt;
    }
  }
  std::int64_t ticks = 0;
  if (std::from_chars(field.data(), field.data() + field.size(), ticks).ec != std::errc()) {
    return std::nullopt;
  }
  return ticks;
}

bool is_browser_name(std::string_view name) {
  constexpr std::array<std::string_view, 8> kNames{
      "chromium", "chromium-browse", "chrome",      "google-chrome",
      "brave",    "msedge",          "vivaldi-bin", "opera"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

std::optional<BrowserProcess> read_browser(const fs::path& folder, int pid, FineTime booted) {
  struct stat owner{};
  if (::stat(folder.c_str(), &owner) != 0 || owner.st_uid != ::geteuid()) {
    return std::nullopt;
  }
  auto name = read_text_file(folder / "comm");
  if (!name) {
    return std::nullopt;
  }
  while (!name->empty() && name->back() == '\n') {
    name->pop_back();
  }
  if (!is_browser_name(*name)) {
    return std::nullopt;
  }
  // Helpers of a browser say what they are: --type=renderer and the like.
  const auto arguments = read_text_file(folder / "cmdline");
  const auto stat = read_text_file(folder / "stat");
  const auto ticks = stat ? start_ticks(*stat) : std::nullopt;
  if (!arguments || !ticks || arguments->find("--type=") != std::string::npos) {
    return std::nullopt;
  }
  const std::chrono::milliseconds after_boot(*ticks * 1000 / ::sysconf(_SC_CLK_TCK));
  return BrowserProcess{pid, *name, booted + after_boot};
}

std::vector<std::string> confined_browsers(const Environment& environment) {
  constexpr std::array<std::pair<const char*, const char*>, 7> kPlaces{{
      {"snap/chromium", "Chromium (snap)"},
      {"snap/brave", "Brave (snap)"},
      {"snap/firefox", "Firefox (snap)"},
      {".var/app/org.chromium.Chromium", "Chromium (flatpak)"},
      {".var/app/com.google.Chrome", "Chrome (flatpak)"},
      {".var/app/com.brave.Browser", "Brave (flatpak)"},
      {".var/app/org.mozilla.firefox", "Firefox (flatpak)"},
  }};
  std::vector<std::string> found;
  for (const auto& [place, name] : kPlaces) {
    std::error_code ignored;
    if (fs::is_directory(environment.home / place, ignored)) {
      found.emplace_back(name);
    }
  }
  return found;
}

std::vector<TrustFact> read_trust(const DoctorQuestion& question) {
  std::vector<TrustFact> facts;
  if (!question.root) {
    return facts;
  }
  auto folders = chromium_databases(question.environment);
  folders.insert(folders.end(), question.more_databases.begin(), question.more_databases.end());
  for (const fs::path& folder : folders) {
    const auto state = query_root(folder, *question.root);
    if (state) {
      facts.push_back({folder, *state, {}});
    } else {
      facts.push_back({folder, std::nullopt, state.error().message});
    }
  }
  return facts;
}

}  // namespace

std::vector<BrowserProcess> running_browsers() {
  std::vector<BrowserProcess> browsers;
  const FineTime booted = boot_time();
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    int pid = 0;
    const auto [stop, problem] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (problem != std::errc() || stop != name.data() + name.size()) {
      continue;
    }
    if (auto browser = read_browser(entry->path(), pid, booted)) {
      browsers.push_back(std::move(*browser));
    }
  }
  return browsers;
}

bool socket_answers(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.empty() || text.size() >= sizeof address.sun_path) {
    return false;
  }
  std::memcpy(address.sun_path, text.data(), text.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    return false;
  }
  // A listener with a full queue (EAGAIN) is there as well.
  const bool answers =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN;
  ::close(fd);
  return answers;
}

Facts read_facts(const DoctorQuestion& question) {
  Facts facts;
  facts.nsswitch = read_text_file(question.system / "etc/nsswitch.conf");
  std::error_code no_link;
  facts.resolved = fs::read_symlink(question.system / "etc/resolv.conf", no_link)
                       .string()
                       .find("systemd/resolve") != std::string::npos;
  facts.local_dns = probe_local_dns();
  facts.avahi_daemon_running = socket_answers("/run/avahi-daemon/socket");
  facts.browsers = running_browsers();
  facts.root_installed = question.root_installed;
  facts.trust = read_trust(question);
  for (const fs::path& folder : user_data_folders(question.environment, question.more_user_data)) {
    auto state = check_manifest(folder, question.extension_id);
    if (state == ManifestState::kMissing) {
      state = check_system_manifest(folder, question.extension_id, question.system);
    }
    facts.manifests.push_back({folder, state});
  }
  facts.agent_socket = question.agent_socket;
  facts.agent_reachable = question.asked_by_agent || socket_answers(question.agent_socket);
  facts.confined_browsers = confined_browsers(question.environment);
  facts.now = SystemClock().wall_now();
  facts.built = {LATCHKEY_BUILD_TIME};
  facts.known_past = question.known_past;
  facts.clock_is_set = clock_is_set();
  return facts;
}

}  // namespace latchkey::platform
