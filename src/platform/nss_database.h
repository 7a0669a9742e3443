// One NSS database as the files beside this one use it. Internal to src/platform.
#pragma once

#include <cert.h>
#include <certdb.h>
#include <nss.h>
#include <pk11pub.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "base/bytes.h"
#include "platform/error.h"

namespace latchkey::platform::nss {

// What certutil calls "C,,".
inline constexpr unsigned kWebTrust = CERTDB_TRUSTED_CA | CERTDB_VALID_CA;
// Under this name the database is opened; NSS puts it before the nickname of what is in there.
inline constexpr const char* kTokenName = "Latchkey";

// NSS is one per process, and one database at a time is open in it: with several, trust reached
// only the first. Held around every use of Database.
std::mutex& lock();

using Context = std::unique_ptr<NSSInitContext, decltype(&NSS_ShutdownContext)>;
using Certificate = std::unique_ptr<CERTCertificate, decltype(&CERT_DestroyCertificate)>;

// The library's last error. `what` begins a sentence.
Error last_error(const std::string& what, const std::filesystem::path& folder);

// One database, open from construction to destruction.
class Database {
 public:
  Database(const std::filesystem::path& folder, bool writable);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  Database(Database&&) = delete;
  Database& operator=(Database&&) = delete;

  [[nodiscard]] bool open() const { return slot_ != nullptr; }
  [[nodiscard]] PK11SlotInfo* slot() const { return slot_; }
  // A database that has just been made wants a password set, even if an empty one.
  [[nodiscard]] bool ready_to_write() const;
  // Somebody's password is needed to trust anything in it.
  [[nodiscard]] bool has_password() const;
  [[nodiscard]] Certificate find(ByteSpan der) const;

 private:
  Context context_;
  PK11SlotInfo* slot_ = nullptr;
};

// While a database is open.
Certificate decode(ByteSpan der);
bool is_trusted(CERTCertificate* certificate);
// Puts it in under `nickname`, or finds it there, and trusts it for web sites; what failed is in
// NSS's last error.
enum class Put { kDone, kNoCertificate, kNotAdded, kNotTrusted };
Put put_trusted(const Database& database, ByteSpan der, const std::string& nickname);

bool has_database(const std::filesystem::path& folder);

}  // namespace latchkey::platform::nss
