// latchkey-media-cache: keeps films in the house, for the pages whose they are. Reads the command
// line, hands on.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>

#include "cache/upload.h"
#include "media-cache/options.h"

namespace latchkey::mediacache {

std::optional<std::uint64_t> parse_size(std::string_view text) {
  unsigned shift = 0;
  if (!text.empty()) {
    switch (text.back()) {
      case 'K':
        shift = 10;
        break;
      case 'M':
        shift = 20;
        break;
      case 'G':
        shift = 30;
        break;
      case 'T':
        shift = 40;
        break;
      default:
        break;
    }
  }
  if (shift != 0) {
    text.remove_suffix(1);
  }
  const auto number = cache::parse_count(text);
  return number && *number <= (std::uint64_t{1} << 62U) >> shift ? std::optional(*number << shift)
                                                                 : std::nullopt;
}

namespace {

std::filesystem::path default_state() {
  if (::geteuid() == 0) {
    return "/var/lib/latchkey-media-cache";
  }
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') {
    return std::filesystem::path(state) / "latchkey-media-cache";
  }
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : "/") / ".local/state/latchkey-media-cache";
}

// Beside the state only where there is no better place: what empties that must not take this away.
std::filesystem::path default_socket(const std::filesystem::path& state) {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  return runtime != nullptr && *runtime == '/'
             ? std::filesystem::path(runtime) / "latchkey-media-cache.sock"
             : state / "media.sock";
}

void set_up_logging() {
  auto logger = spdlog::stderr_logger_mt("latchkey");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S%z %l %v");
  spdlog::set_default_logger(std::move(logger));
  const char* level = std::getenv("LATCHKEY_LOG");
  spdlog::set_level(level != nullptr ? spdlog::level::from_str(level) : spdlog::level::info);
}

std::optional<int> read_sizes(const std::string& quota, const std::string& per_origin,
                              const std::string& keep_free, Options& options) {
  const std::pair<const std::string&, std::uint64_t&> all[] = {
      {quota, options.quota},
      {per_origin, options.quota_per_origin},
      {keep_free, options.keep_free}};
  for (const auto& [text, into] : all) {
    const auto size = text.empty() ? std::optional<std::uint64_t>(0) : parse_size(text);
    if (!size) {
      std::cerr << "latchkey-media-cache: \"" << text << "\" is no size.\n"
                << "Write it like 500M, 20G or 1T.\n";
      return kMisused;
    }
    into = *size;
  }
  return std::nullopt;
}

int main_of(int argc, char** argv) {
  Options options;
  std::string state;
  std::string socket;
  std::string quota;
  std::string per_origin;
  std::string keep_free = "1G";
  std::vector<std::string> networks;
  CLI::App app(
      "Keeps films and other files in the house, for the web pages that put them there.\n"
      "Stands behind latchkey-device: --upstream unix:SOCKET.",
      "latchkey-media-cache");
  app.set_config("--config", "", "Read options from this file: key = value lines");
  app.add_option("--state", state, "Where everything is kept");
  app.add_option("--socket", socket, "Where latchkey-device finds it");
  app.add_option("--socket-group", options.group, "The group that may connect, too");
  app.add_option("--quota", quota, "At most so much in all: 500M, 20G [what the disk has]");
  app.add_option("--quota-per-origin", per_origin, "At most so much for one site [half of it]");
  app.add_option("--keep-free", keep_free, "So much of the disk stays free")->capture_default_str();
  app.add_flag("--per-person", options.per_person, "Everybody who signs in has their own films");
  app.add_flag("--no-fetch", options.no_fetch, "Fetch nothing from the internet");
  app.add_option("--ca-file", options.ca_file, "Whom to believe when fetching [the system's]");
  app.add_option("--fetch-from", networks, "Fetch from this network, too, though it is not public");
  app.add_option("--fetch-attempts", options.fetch_attempts, "How often a file is asked for [12]");
  app.set_version_flag("--version", std::string("latchkey-media-cache ") + LATCHKEY_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kMisused;
  }
  if (const auto bad = read_sizes(quota, per_origin, keep_free, options)) {
    return *bad;
  }
  for (const std::string& text : networks) {
    const auto network = net::Network::parse(text);
    if (!network) {
      std::cerr << "latchkey-media-cache: \"" << text << "\" is no network.\n"
                << "Write it like 192.168.5.0/24.\n";
      return kMisused;
    }
    options.fetch_from.push_back(*network);
  }
  options.state = state.empty() ? default_state() : std::filesystem::path(state);
  options.socket = socket.empty() ? default_socket(options.state) : std::filesystem::path(socket);
  // A file that reaches its limit is an error like any other, not the end.
  std::signal(SIGXFSZ, SIG_IGN);
  // Nor is a server or a device that goes away in the middle.
  std::signal(SIGPIPE, SIG_IGN);
  set_up_logging();
  return run(options);
}

}  // namespace
}  // namespace latchkey::mediacache

int main(int argc, char** argv) {
  return latchkey::mediacache::main_of(argc, argv);
}
