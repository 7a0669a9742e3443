// What a person takes along to another computer, and the file it travels in (docs/backup.md).
//
// A backup is the store's rows as values, whatever they are sealed with at home. In the file they
// are encrypted with a key from a passphrase; nothing can be read out of it, exchanged, left out or
// put in without that. Whoever has both the file and the passphrase is the person.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "crypto/sealing.h"
#include "store/error.h"

namespace latchkey::store {

inline constexpr std::size_t kMaxBackupBytes = 64U << 20U;
inline constexpr std::size_t kMaxBackupRows = 65536;
inline constexpr std::size_t kMaxPassphraseBytes = 1024;

// Secrets are told from other bytes, so that they are sealed anew where they arrive.
using BackupValue = std::variant<std::monostate, std::int64_t, std::string, Bytes, SecretBytes>;
struct BackupRow {
  std::string table;
  std::vector<std::pair<std::string, BackupValue>> columns;
};
struct Backup {
  std::uint32_t schema = 0;  // of the store it came from
  WallTime made;
  std::vector<BackupRow> rows;
};

// A file. Slow (scrypt): off the event loop. kConflict: more than a backup may hold. Only tests
// want another cost.
Result<Bytes> seal_backup(const Backup& backup, ByteSpan passphrase, Random& random,
                          const crypto::ScryptCost& cost = {});

struct BackupError {
  enum class Code {
    kForeign,          // no backup of ours
    kTooNew,           // made by a newer version
    kWrongPassphrase,  // or its beginning was changed; nobody can say which
    kDamaged,          // cut off, or changed
    kInternal,         // not enough memory
  };
  Code code = Code::kForeign;
};
// Slow as well. Everything is bounded before memory is taken for it.
latchkey::Result<Backup, BackupError> open_backup(ByteSpan file, ByteSpan passphrase);

}  // namespace latchkey::store
