// What `latchkey-device run` is told.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace latchkey::device {

struct RunOptions {
  std::filesystem::path state;
  std::optional<std::string> name;  // nothing: what is stored, else the machine's name
  std::string type = "media-cache";
  std::string model;  // as its maker calls it
  std::string listen = "all";
  std::uint16_t port = 8443;
  std::string upstream;  // "http://127.0.0.1:PORT", or
  std::string serve;     // a folder
  std::string access_log;
  std::string mdns = "auto";
  std::vector<std::string> interfaces;
};

// $XDG_STATE_HOME and so on; /var/lib/latchkey-device for root.
std::filesystem::path default_state();

// The exit codes of all programs.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kMisused = 2;
inline constexpr int kNotReachable = 3;

}  // namespace latchkey::device
