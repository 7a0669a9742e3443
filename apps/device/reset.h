// Factory reset, whole or not at all, whenever the power goes:
//
//   1. a mark in the state's folder, durable       from here on nothing is served any more
//   2. the service's folders and the access log are emptied, durably
//   3. the store: new keys, nobody known           one transaction
//   4. the mark is taken away, durably
//
// Who finds the mark at the start begins again at step 2 before anything is served, and so does a
// device whose reset failed half way: it serves nobody until it is done. So there is never a new
// device with old content, nor an old one with emptied folders.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "device/store_door.h"
#include "store/device_store.h"

namespace latchkey::device {

// What is emptied beside the store. The device writes it down at every start, since a reset may
// also be done while it does not run.
struct ErasePlan {
  std::vector<std::filesystem::path> folders;
  std::string access_log;  // a file; empty or "-": none
  friend bool operator==(const ErasePlan&, const ErasePlan&) = default;
};
using ResetResult = Result<void, std::string>;  // the error: what went wrong, for the person

ResetResult write_plan(const std::filesystem::path& state, const ErasePlan& plan);
// An error where there is one that cannot be read: guessing would leave things behind.
Result<ErasePlan, std::string> read_plan(const std::filesystem::path& state);

bool is_reset_pending(const std::filesystem::path& state);
// Step 1, after a look at what is known to stop step 2. Where it fails nothing has changed; from
// here on there is no way back.
ResetResult begin_reset(const std::filesystem::path& state, const ErasePlan& plan);
ResetResult erase_content(const ErasePlan& plan);                    // step 2
ResetResult erase_store(store::DeviceStore& store, Random& random);  // step 3
// Step 3 where the store cannot be opened: its files go, and the next start makes another.
ResetResult discard_store(const std::filesystem::path& state, StoreDoor& door);
// After step 3: whatever the witness saw before, this is the newest.
ResetResult accept_store(store::DeviceStore& store, StoreDoor& door);
// "X." of a trouble as part of a sentence.
std::string without_dot(std::string text);
ResetResult end_reset(const std::filesystem::path& state);  // step 4

}  // namespace latchkey::device
