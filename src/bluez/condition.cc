#include "bluez/condition.h"

namespace latchkey::bluez {

const char* name_of(Condition::Kind kind) {
  switch (kind) {
    case Condition::Kind::kStarting:
      return "starting";
    case Condition::Kind::kReady:
      return "ready";
    case Condition::Kind::kNoBus:
      return "no_bus";
    case Condition::Kind::kNoDaemon:
      return "no_daemon";
    case Condition::Kind::kNoAdapter:
      return "no_adapter";
    case Condition::Kind::kOff:
      return "off";
    case Condition::Kind::kNotPermitted:
      return "not_permitted";
    case Condition::Kind::kRefused:
      break;
  }
  return "refused";
}

std::string text_of(const Condition& condition) {
  const std::string because = condition.detail.empty() ? "" : " (" + condition.detail + ")";
  switch (condition.kind) {
    case Condition::Kind::kStarting:
      return "Bluetooth is getting ready.";
    case Condition::Kind::kReady:
      return "Bluetooth is ready.";
    case Condition::Kind::kNoBus:
      return "There is no D-Bus system bus" + because + ". Start dbus, then Bluetooth works.";
    case Condition::Kind::kNoDaemon:
      return "The Bluetooth service does not run. Install bluez, or start it: "
             "sudo systemctl start bluetooth";
    case Condition::Kind::kNoAdapter:
      return "There is no Bluetooth adapter here" + because + ". `bluetoothctl list` shows them.";
    case Condition::Kind::kOff:
      return "Bluetooth is switched off" + because +
             ". Switch it on in the settings, or with: bluetoothctl power on";
    case Condition::Kind::kNotPermitted:
      return "This user may not use Bluetooth" + because + ". Put it into the group bluetooth.";
    case Condition::Kind::kRefused:
      break;
  }
  return "Bluetooth cannot be used" + because + ".";
}

}  // namespace latchkey::bluez
