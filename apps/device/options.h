// What `latchkey-device run` is told.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace latchkey::device {

// The key that proves the make, and its certificates. All empty: there is none.
struct AttestationOptions {
  std::filesystem::path chain;   // PEM, the device's or batch's certificate first
  std::filesystem::path key;     // PEM, or
  std::filesystem::path module;  // a PKCS#11 token
  std::string token, object;
  std::filesystem::path pin_file;
};

// The key that seals the records. All empty but `witness`: there is none.
struct SealOptions {
  std::filesystem::path key_file;  // made by `latchkey-device seal`, or
  std::filesystem::path module;    // a PKCS#11 token
  std::string token, object;
  std::filesystem::path pin_file;
  std::filesystem::path witness;  // of the newest records; empty: in the state's folder
};

// What clients may cost. Seconds, but for what says otherwise.
struct FrontOptions {
  unsigned max_connections = 1024;
  unsigned max_connections_per_address = 192;
  unsigned max_streams = 100;
  unsigned idle_seconds = 75;
  unsigned head_seconds = 10;
  unsigned body_seconds = 30;
  unsigned stall_seconds = 60;
  unsigned answer_seconds = 300;
  unsigned min_upload_rate = 64;  // bytes a second
  unsigned drain_seconds = 10;
};

// Unless told otherwise, as for anybody who may not have 443 (the package's service does, and has).
inline constexpr std::uint16_t kDefaultPort = 8443;

struct RunOptions {
  AttestationOptions attestation;
  SealOptions seal;
  std::filesystem::path state;
  std::optional<std::string> name;  // nothing: what is stored, else the machine's name
  std::string type = "media-cache";
  std::string model;  // as its maker calls it
  std::string listen = "all";
  std::uint16_t port = kDefaultPort;
  std::string upstream;  // "http://127.0.0.1:PORT", or
  std::string serve;     // a folder
  std::string access_log;
  std::string access_log_format = "combined";
  std::string metrics;  // where Prometheus reads; empty: nowhere
  FrontOptions front;
  std::string mdns = "auto";
  std::vector<std::string> interfaces;
  bool bluetooth = false;                  // with this computer's own Bluetooth
  std::string bluetooth_adapter;           // which; empty: any
  std::filesystem::path network_hook;      // joins a network told over Bluetooth; empty: none
  std::filesystem::path bluetooth_socket;  // of a radio that another program drives; empty: none
  std::vector<std::filesystem::path> reset_erases;  // the service's folders, emptied at a reset
  std::filesystem::path sso;     // what the owner says about single sign-on; empty: there is none
  bool window_from_page = true;  // whether a paired person may let somebody in from the page
};

// $XDG_STATE_HOME and so on; /var/lib/latchkey-device for root.
std::filesystem::path default_state();

// The exit codes of all programs.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kMisused = 2;
inline constexpr int kNotReachable = 3;

}  // namespace latchkey::device
