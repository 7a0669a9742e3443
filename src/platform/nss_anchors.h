// Anchors of trust in the database (cert9.db) of a Firefox profile, one for each grant: Firefox
// sees a change at once, also while it runs. Opens each database once for reading and writing,
// works by difference, and reads back what it wrote.
//
// Blocks, for seconds where a browser holds the lock: call it from the worker thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "platform/anchor_plan.h"
#include "platform/error.h"

namespace latchkey::platform {

// So many changes at a time: the rest waits for the next call, so that nobody else waits long.
inline constexpr std::size_t kMaxAnchorChanges = 256;

struct AnchorOutcome {
  std::size_t added = 0;
  std::size_t removed = 0;
  // Certificates that are wanted, absent, and not at hand: to be given with the next call.
  std::vector<Digest256> missing;
  bool more = false;      // call again
  bool password = false;  // it has a primary password: nothing can be added
};

// The certificate (DER) with this digest, where it is at hand.
using AnchorSource = std::function<std::optional<Bytes>(const Digest256&)>;

// Makes the anchors whose nickname begins with `prefix` those in `wanted` (sorted by nickname, each
// with the prefix). Others are left alone. A folder without a database is kMissing. A primary
// password keeps anchors from being added, not from being removed.
Result<AnchorOutcome, Error> reconcile_anchors(const std::filesystem::path& folder,
                                               std::string_view prefix,
                                               const std::vector<WantedAnchor>& wanted,
                                               const AnchorSource& source,
                                               std::size_t limit = kMaxAnchorChanges);

// Those that are there, in no order.
Result<std::vector<FoundAnchor>, Error> read_anchors(const std::filesystem::path& folder,
                                                     std::string_view prefix);

}  // namespace latchkey::platform
