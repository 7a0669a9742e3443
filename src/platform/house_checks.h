// What `latchkey doctor` makes of the house around this computer: whether devices are heard,
// whether those the person uses answer, and what a firewall may have to do with it. Pure but for
// read_firewalls (firewall.cc), which reads files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "platform/checks.h"

namespace latchkey::platform {

// What came of knocking at a device.
enum class Reach : std::uint8_t {
  kReached,
  kRefused,   // the address is there, and nothing listens at the port
  kSilent,    // no answer in time
  kOtherKey,  // something answers that is not this device
  kBroken,    // something answers that speaks another protocol
  kNotSeen,   // it announces itself nowhere, and nothing answers where it was last
};

struct DeviceFact {
  std::string name;    // cleaned for display; may be empty
  bool own = false;    // the person uses it; else it is only announced
  bool heard = false;  // it is announced now
  Reach reach = Reach::kReached;
  std::uint16_t port = 0;  // 0: unknown
  std::string detail;      // for whoever is called to help
  std::string id{};        // as `latchkey devices --mine` shows it, where it is the person's own
};

struct House {
  bool listened = false;  // over multicast DNS; false where that is switched off
  std::string problem;    // why nothing can be heard at all; empty where it can
  std::size_t heard = 0;  // devices that were, by multicast
  std::vector<DeviceFact> devices;
};

// A firewall of this computer, as far as a user may know: its rules can be read by root alone.
struct Firewall {
  std::string name;           // "ufw", "firewalld", "nftables"
  std::optional<bool> opens;  // whether it lets multicast DNS in; nothing: cannot be known
  std::string detail;
  std::string chain{};  // nftables: "inet filter input", the one for what comes in; may be empty
};

// Reads etc/ufw, etc/firewalld and etc/nftables.conf below `root`, and what says that they are in
// force. Several may be.
std::vector<Firewall> read_firewalls(const std::filesystem::path& root = "/");

// ids: devices_heard, devices_reached, firewall.
std::vector<Check> judge_house(const House& house, const std::vector<Firewall>& firewalls);

}  // namespace latchkey::platform
