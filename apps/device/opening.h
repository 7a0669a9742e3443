// What `latchkey-device run` does with its records before anything else.
#pragma once

#include <memory>
#include <string>

#include "base/random.h"
#include "device/options.h"
#include "device/reset.h"
#include "device/store_door.h"

namespace latchkey::device {

// Says it on standard error; gives `code`.
int complain(int code, const std::string& what, const std::string& hint);

// What a factory reset is to erase besides the records.
ErasePlan plan_of(const RunOptions& options);

// Opens the records, ends a factory reset that was cut off, sees that they are the newest, and
// seals them as the options say. The exit code; kDone: `store` is there, and anything may be
// served.
int open_records(const RunOptions& options, Random& random, StoreDoor& door,
                 std::unique_ptr<store::DeviceStore>& store);

}  // namespace latchkey::device
