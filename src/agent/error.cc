#include "agent/error.h"

namespace latchkey::agent {

std::string words_for(wire::ErrorCode code) {
  using enum wire::ErrorCode;
  switch (code) {
    case kMalformed:
      return "That could not be understood.";
    case kUnsupported:
      return "The device speaks a version that is not known here. Look for an update.";
    case kWindowClosed:
      return "The device is not waiting for a code. Open pairing on the device and try again.";
    case kWrongCode:
      return "The code didn't match. Check it on the device and type it again.";
    case kLocked:
      return "The device asks for a little patience. Wait a moment, then ask it for a new code.";
    case kAttestationFailed:
      return "The device could not show that it is what it says it is.";
    case kOriginRevoked:
      return "This web service may no longer use devices in homes.";
    case kDeviceRevoked:
      return "This kind of device may no longer be used. Ask its maker for help.";
    case kMetadataStale:
      return "The list of trusted devices is too old. Connect to the internet and try again.";
    case kNameConflict:
      return "This name is taken. Choose another one.";
    case kNotGranted:
      return "There is no such permission.";
    case kNotAllowed:
      return "The settings of this computer don't allow this. Ask whoever looks after it.";
    case kExpired:
      return "This has run out. Make sure the device is on, then try again.";
    case kUnreachable:
      return "The device didn't answer. Make sure it is on and in the same network.";
    case kCancelled:
      return "Stopped.";
    case kInternal:
      break;
  }
  return "Something went wrong here. Run `latchkey doctor` to find out more.";
}

}  // namespace latchkey::agent
