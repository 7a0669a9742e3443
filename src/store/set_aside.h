// Making room for a new store: the old one keeps its bytes under another name. For when it is
// damaged, or its key is lost, or nobody trusts it any more.
#pragma once

#include <filesystem>
#include <string>

#include "base/clock.h"
#include "store/error.h"

namespace latchkey::store {

// Renames `file` in `folder`, and its rollback journal with it, to "<file>.old-<UTC time>",
// durably; nothing is deleted or overwritten. Gives the new name; empty where there was no such
// file. kBusy: somebody has the store open.
Result<std::filesystem::path> set_aside(const std::filesystem::path& folder,
                                        const std::string& file, WallTime now);

}  // namespace latchkey::store
