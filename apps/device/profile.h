// Who the device is, from one factory reset to the next.
#pragma once

#include <string>

#include "base/random.h"
#include "store/device_store.h"

namespace latchkey::device {

// What a device is called that nobody has named: as its machine is.
std::string default_name();
store::DeviceProfile fresh_profile(Random& random, std::string name, std::string type);
// Whether a name that was given is remembered for starts without one.
enum class GivenName { kStored, kForgotten };
// The stored one, or a fresh one on the first start. `name`: wins over the stored one where given.
store::Result<store::DeviceProfile> load_profile(store::DeviceStore& store, Random& random,
                                                 const std::optional<std::string>& name,
                                                 const std::string& type,
                                                 GivenName keep = GivenName::kStored);

}  // namespace latchkey::device
