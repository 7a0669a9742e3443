// The key file that seals a device's records: one line, `latchkey-seal-key-1 <64 hex digits>`,
// readable by its owner alone.
#pragma once

#include <filesystem>

#include "base/bytes.h"
#include "base/random.h"
#include "platform/error.h"

namespace latchkey::device {

// 32 bytes. kMissing, kUnsafe (others may read it; what systemd gave this service as a credential
// is as it has to be), kMisuse (no such key in it), kSystem.
Result<SecretBytes, platform::Error> read_seal_key(const std::filesystem::path& path);

// A new one, durable when it returns. kForeign: something is there already, and stays as it is.
Result<void, platform::Error> make_seal_key(const std::filesystem::path& path, Random& random);

}  // namespace latchkey::device
