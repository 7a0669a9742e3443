// How the computer's Bluetooth stands, and in which words a person is told.
#pragma once

#include <cstdint>
#include <string>

namespace latchkey::bluez {

struct Condition {
  enum class Kind : std::uint8_t {
    kStarting,      // not known yet
    kReady,         // may advertise, or scan
    kNoBus,         // no message bus of the system
    kNoDaemon,      // bluetoothd does not run
    kNoAdapter,     // no Bluetooth, or not the one that was asked for
    kOff,           // switched off, and not ours to switch on
    kNotPermitted,  // the bus or BlueZ refuses this user
    kRefused,       // BlueZ refused for another reason
  };
  Kind kind = Kind::kStarting;
  std::string detail;  // as the bus said it; for logs
  friend bool operator==(const Condition&, const Condition&) = default;
};

// A word for machines: "ready", "no_daemon", ...
const char* name_of(Condition::Kind kind);
// What it is and what to do about it, in a sentence or two.
std::string text_of(const Condition& condition);

}  // namespace latchkey::bluez
