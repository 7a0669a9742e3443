// Opens the pairing window with a fresh code: the same for whoever stands at the device and for
// whoever clicks on its page.
#pragma once

#include <chrono>
#include <optional>

#include "device/device.h"
#include "net/task.h"
#include "net/worker.h"
#include "pairing/code.h"

namespace latchkey::device {

class WindowOpener {
 public:
  // Both outlive it, and it outlives the coroutines that use it.
  WindowOpener(net::Executor executor, Device& device)
      : executor_(std::move(executor)), device_(device) {}

  // kLocked while the wait after too many wrong codes lasts, or where `from` was given and somebody
  // else opened one meanwhile; kInternal. `from`: who clicked; nobody: somebody at the device, who
  // may replace the code of an open window.
  net::Task<wire::Result<pairing::PairingCode>> open(wire::CodeKind kind,
                                                     std::chrono::minutes length,
                                                     std::optional<grant::GrantKey> from);

 private:
  Result<pairing::PairingCode, wire::Error> make_code(wire::CodeKind kind);
  net::Executor executor_;
  Device& device_;
  net::Worker worker_;
};

}  // namespace latchkey::device
