// The GATT service of a device (docs/protocol.md section 13). Random numbers, made once.
#pragma once

#include <string_view>

namespace latchkey::gatt {

inline constexpr std::string_view kService = "33d73d63-efd6-49a9-a686-039471b586ae";
// Write, and perhaps write without response (BlueZ's has none): values from the central.
inline constexpr std::string_view kToDevice = "33d73d64-efd6-49a9-a686-039471b586ae";
// Notify: values from the device.
inline constexpr std::string_view kFromDevice = "33d73d65-efd6-49a9-a686-039471b586ae";
// Read: the 12 bytes of the device's current `rid` (section 1), the same that its DNS-SD service
// shows, so that a device found both ways is shown once.
inline constexpr std::string_view kRid = "33d73d66-efd6-49a9-a686-039471b586ae";

}  // namespace latchkey::gatt
