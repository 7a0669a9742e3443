// Does what the device's own page asks for, after the desk has let it through.
#pragma once

#include <memory>

#include "device/device.h"
#include "device/window_opener.h"
#include "net/stream.h"
#include "net/task.h"

namespace latchkey::device {

class PageActs {
 public:
  struct Parts {
    Device& device;
    WindowOpener& opener;
    bool may_open_window = true;  // the owner's word: `allow-window-from-page`
  };
  explicit PageActs(Parts parts) : parts_(parts) {}

  // `connection`: the one that the answer goes out on. It stays open for it even where the act
  // ends the grant; it is the caller's to close then.
  net::Task<front::Answer> answer(front::PageRequest request,
                                  std::shared_ptr<const LiveGrant> grant,
                                  net::Closable& connection);

 private:
  front::Answer state(const grant::DeviceGrant& grant);
  net::Task<front::Answer> open_window(front::Language language, grant::GrantKey from);
  Parts parts_;
  std::optional<MonoTime> last_opened_;
};

}  // namespace latchkey::device
