// Roots of trust in an NSS database folder (cert9.db), as Chromium reads them on Linux.
//
// Works in process through the NSS library; no certutil is needed. One database is open at a time,
// under a lock, and every change is read back from the database as opened anew. All of it blocks
// (SQLite, and a lock while a browser writes): call it from the worker thread.
//
// Chromium sees a new root only after it was restarted, and trusts a removed one until then.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "platform/error.h"
#include "platform/paths.h"

namespace latchkey::platform {

enum class RootState : std::uint8_t {
  kNoDatabase,  // the folder holds none
  kAbsent,
  kUntrusted,  // there, but without the trust that makes it count ("C,,")
  kTrusted,
};

// Puts the certificate (DER, at most 64 KiB) in, trusted to name web sites ("C,,"), under
// `nickname`. Makes folder (0700) and database where there is none. Safe to repeat; repairs trust.
Result<void, Error> install_root(const std::filesystem::path& folder, ByteSpan certificate,
                                 const std::string& nickname);

// Takes out exactly this certificate, and its trust. Not being there is success.
Result<void, Error> remove_root(const std::filesystem::path& folder, ByteSpan certificate);

Result<RootState, Error> query_root(const std::filesystem::path& folder, ByteSpan certificate);

// The certificates under a nickname: what an earlier installation may have left.
Result<std::vector<Bytes>, Error> roots_named(const std::filesystem::path& folder,
                                              const std::string& nickname);

// The folders of the Chromium family: ~/.pki/nssdb always, and those of snap and flatpak browsers
// that were started at least once.
std::vector<std::filesystem::path> chromium_databases(const Environment& environment);

}  // namespace latchkey::platform
