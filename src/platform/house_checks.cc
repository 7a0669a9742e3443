#include "platform/house_checks.h"

#include <algorithm>

namespace latchkey::platform {
namespace {

std::string shown(const DeviceFact& device) {
  return device.name.empty() ? "a device without a name" : "\"" + device.name + "\"";
}

bool uses_devices(const House& house) {
  return std::any_of(house.devices.begin(), house.devices.end(),
                     [](const DeviceFact& device) { return device.own; });
}

const char* const kOpenUfw = "sudo ufw allow 5353/udp";
const char* const kOpenFirewalld =
    "sudo firewall-cmd --permanent --add-service=mdns && sudo firewall-cmd --reload";
const char* const kDebiansChain = "inet filter input";

std::string opening(const Firewall& firewall) {
  if (firewall.name == "ufw") {
    return kOpenUfw;
  }
  if (firewall.name == "firewalld") {
    return kOpenFirewalld;
  }
  return "sudo nft insert rule " + (firewall.chain.empty() ? kDebiansChain : firewall.chain) +
         " udp dport 5353 accept (until the next start; /etc/nftables.conf needs the same line)";
}

Check judge_heard(const House& house) {
  Check check{"devices_heard", Level::kOk, "Devices in your home are heard.",
              std::to_string(house.heard) + " device(s) announced by multicast DNS", ""};
  if (!house.listened) {
    check.title = "Latchkey was told not to listen for devices.";
    check.detail = "multicast DNS is switched off (--mdns off)";
  } else if (!house.problem.empty()) {
    check.level = Level::kFail;
    check.title = "This computer cannot listen for devices at the moment.";
    check.detail = house.problem;
    check.fix =
        "Connect to your home's network, and see that this runs: sudo systemctl enable --now "
        "avahi-daemon";
  } else if (house.heard == 0 && uses_devices(house)) {
    check.level = Level::kWarn;
    check.title = "None of your devices was heard.";
    check.detail = "no answer to multicast DNS (UDP 5353), although devices were added here";
    check.fix =
        "Is this computer in the same network as your devices, and are they switched on? A guest "
        "network or a VPN keeps them apart. This asks once more: latchkey devices";
  } else if (house.heard == 0) {
    check.title = "No device was heard, and none is expected.";
  }
  return check;
}

Check judge_firewall(const House& house, const std::vector<Firewall>& firewalls) {
  Check check{"firewall", Level::kOk, "No firewall seems to be in the way of devices.", "", ""};
  std::string blind;
  const Firewall* closed = nullptr;
  for (const Firewall& one : firewalls) {
    check.detail += one.name + ": " + one.detail + "\n";
    if (one.opens == false && closed == nullptr) {
      closed = &one;
    }
    if (!one.opens) {
      blind += blind.empty() ? opening(one) : "; or: " + opening(one);
    }
  }
  if (firewalls.empty()) {
    check.detail = "ufw, firewalld and nftables are not switched on; only root can see more";
  }
  // What is heard got through, whatever the files say.
  if (house.heard > 0) {
    return check;
  }
  if (closed != nullptr) {
    check.level = Level::kWarn;
    check.title = "A firewall on this computer may keep it from finding devices.";
    check.fix = "Let devices be found: " + opening(*closed);
  } else if (!blind.empty() && uses_devices(house) && house.listened) {
    check.level = Level::kWarn;
    check.title = "Perhaps a firewall on this computer keeps it from finding devices.";
    check.fix = "If the devices are on and in the same network, let them be found: " + blind;
  }
  return check;
}

struct Finding {
  Level level;
  std::string title;
  std::string fix;
};

Finding finding(const DeviceFact& device) {
  const std::string name = shown(device);
  switch (device.reach) {
    case Reach::kReached:
      return {Level::kOk, "", ""};
    case Reach::kRefused:
      return {device.own ? Level::kFail : Level::kWarn,
              name + " is there, but nothing on it answers.",
              "On the device, start it again: sudo systemctl restart latchkey-device"};
    case Reach::kSilent:
      return {device.own ? Level::kFail : Level::kWarn, name + " is seen, but cannot be reached.",
              "A firewall on the device may be in the way. On the device: sudo ufw allow " +
                  (device.port == 0 ? std::string("443") : std::to_string(device.port)) + "/tcp"};
    case Reach::kOtherKey:
      // By its id: a name is the device's word, and this line is to be typed into a shell.
      return {
          Level::kFail, "Something else answers in the place of " + name + ".",
          "Nothing was sent to it. If you replaced the device or set it up anew, forget the old "
          "one and add it again: latchkey forget " +
              device.id};
    case Reach::kBroken:
      return {device.own ? Level::kFail : Level::kWarn,
              name + " answers, but not as a device does.",
              "On the device, look at what it says: sudo journalctl -u latchkey-device"};
    case Reach::kNotSeen:
      break;
  }
  // Sold, broken or given away: then it is not missed, and the line says how to stop looking for
  // it.
  const std::string forget =
      device.id.empty() ? "" : ". If you do not have it any more: latchkey forget " + device.id;
  return {Level::kWarn, name + " was not found in this network.",
          "Is it switched on, and in the same network as this computer? This looks again: latchkey "
          "devices" +
              forget};
}

void add_line(std::string& text, const std::string& line) {
  if (text.find(line) == std::string::npos) {
    text += text.empty() ? line : "\n" + line;
  }
}

Check judge_reached(const House& house) {
  Check check{"devices_reached", Level::kOk, "Your devices answer.", "", ""};
  if (!uses_devices(house)) {
    check.title = "No device was added yet.";
  }
  std::size_t bad = 0;
  for (const DeviceFact& device : house.devices) {
    const Finding found = finding(device);
    add_line(check.detail, shown(device) + ": " + device.detail);
    if (found.level == Level::kOk) {
      continue;
    }
    ++bad;
    add_line(check.fix, found.fix);
    // The worst one gives the title.
    if (found.level > check.level) {
      check.level = found.level;
      check.title = found.title;
    }
  }
  if (bad > 1) {
    check.title += " (" + std::to_string(bad - 1) + " more below.)";
  }
  return check;
}

}  // namespace

std::vector<Check> judge_house(const House& house, const std::vector<Firewall>& firewalls) {
  return {judge_heard(house), judge_reached(house), judge_firewall(house, firewalls)};
}

}  // namespace latchkey::platform
