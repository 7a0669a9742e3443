// The device's rid (docs/protocol.md section 1): one for the network and for Bluetooth, so that who
// finds the device both ways shows it once. Renewed at start, hourly and with each pairing window,
// so that nobody can follow the device by it.
#pragma once

#include "crypto/hash.h"
#include "device/device.h"
#include "discovery/txt.h"

namespace latchkey::device {

class CurrentRid {
 public:
  explicit CurrentRid(Device& device) : device_(device) { renew(); }
  void renew() { nonce_ = device_.random().bytes<4>(); }
  // Made anew each time: the discovery key may have been replaced.
  [[nodiscard]] discovery::Rid value() const {
    return discovery::make_rid(device_.identity().discovery_key, nonce_, &crypto::hmac_sha256);
  }

 private:
  Device& device_;
  ByteArray<4> nonce_{};
};

}  // namespace latchkey::device
