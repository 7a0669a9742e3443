// Taking a store away for good: for one that cannot be opened any more, when all of it is to go.
#pragma once

#include <filesystem>
#include <string>

#include "store/error.h"

namespace latchkey::store {

// Overwrites `file` in `folder`, and what SQLite keeps beside it, with zeros and removes them,
// durably; flash memory may still hold old blocks. Nothing there is fine. kBusy: somebody has the
// store open.
Result<void> discard(const std::filesystem::path& folder, const std::string& file);

}  // namespace latchkey::store
