#include "platform/nss_trust.h"

#include <cert.h>
#include <certdb.h>
#include <nss.h>
#include <pk11pub.h>
#include <prerror.h>
#include <secerr.h>
#include <secmod.h>

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

namespace fs = std::filesystem;

namespace latchkey::platform {
namespace {

constexpr std::size_t kMaxCertificate = 65536;
// What certutil calls "C,,".
constexpr unsigned kWebTrust = CERTDB_TRUSTED_CA | CERTDB_VALID_CA;

std::mutex& nss_lock() {
  static std::mutex lock;
  return lock;
}

using Context = std::unique_ptr<NSSInitContext, decltype(&NSS_ShutdownContext)>;
using Certificate = std::unique_ptr<CERTCertificate, decltype(&CERT_DestroyCertificate)>;

std::string nss_text(PRErrorCode code) {
  const char* text = PR_ErrorToString(code, PR_LANGUAGE_I_DEFAULT);
  return text != nullptr && text[0] != '\0' ? text : "error " + std::to_string(code);
}

Error nss_error(const std::string& what, const fs::path& folder) {
  const PRErrorCode code = PR_GetError();
  Error error{Error::Code::kSystem, what + " (" + folder.string() + "): " + nss_text(code), {}};
  if (code == SEC_ERROR_BUSY) {
    error.code = Error::Code::kLocked;
    error.hint = "Close the browser, then try again.";
  } else {
    error.hint = "Close the browser and look at the folder: ls -la " + folder.string();
  }
  return error;
}

// Inside quotes of a module specification.
std::string quoted(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '\'') {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out;
}

SECItem item_of(ByteSpan der) {
  // NSS takes a pointer to what it only reads.
  return {siDERCertBuffer, const_cast<unsigned char*>(der.data()),
          static_cast<unsigned>(der.size())};
}

// One database, open from construction to destruction.
class Database {
 public:
  Database(const fs::path& folder, bool writable)
      : context_(NSS_InitContext("", "", "", "", nullptr,
                                 NSS_INIT_NOCERTDB | NSS_INIT_NOMODDB | NSS_INIT_NOROOTINIT |
                                     NSS_INIT_OPTIMIZESPACE),
                 NSS_ShutdownContext) {
    if (!context_) {
      return;
    }
    const std::string spec = "configDir='sql:" + quoted(folder.string()) +
                             "' tokenDescription='Latchkey' flags=" +
                             (writable ? "optimizeSpace" : "readOnly,optimizeSpace");
    slot_ = SECMOD_OpenUserDB(spec.c_str());
  }
  ~Database() {
    if (slot_ != nullptr) {
      SECMOD_CloseUserDB(slot_);
      PK11_FreeSlot(slot_);
    }
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  Database(Database&&) = delete;
  Database& operator=(Database&&) = delete;

  [[nodiscard]] bool open() const { return slot_ != nullptr; }
  [[nodiscard]] PK11SlotInfo* slot() const { return slot_; }

  // A database that has just been made wants a password set, even if an empty one.
  [[nodiscard]] bool ready_to_write() const {
    return PK11_NeedUserInit(slot_) == PR_FALSE ||
           PK11_InitPin(slot_, nullptr, nullptr) == SECSuccess;
  }

  [[nodiscard]] Certificate find(ByteSpan der) const {
    SECItem item = item_of(der);
    return {PK11_FindCertFromDERCertItem(slot_, &item, nullptr), CERT_DestroyCertificate};
  }

 private:
  Context context_;
  PK11SlotInfo* slot_ = nullptr;
};

Certificate decode(ByteSpan der) {
  SECItem item = item_of(der);
  return {CERT_NewTempCertificate(CERT_GetDefaultCertDB(), &item, nullptr, PR_FALSE, PR_TRUE),
          CERT_DestroyCertificate};
}

RootState state_of(const Database& database, ByteSpan der) {
  const Certificate found = database.find(der);
  if (!found) {
    return RootState::kAbsent;
  }
  CERTCertTrust trust{};
  const bool trusted = CERT_GetCertTrust(found.get(), &trust) == SECSuccess &&
                       (trust.sslFlags & CERTDB_TRUSTED_CA) != 0;
  return trusted ? RootState::kTrusted : RootState::kUntrusted;
}

bool has_database(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "cert9.db", ignored);
}

Result<void, Error> put(const fs::path& folder, ByteSpan der, const std::string& nickname) {
  const Database database(folder, true);
  if (!database.open()) {
    return fail(nss_error("cannot open the browser's trust store", folder));
  }
  if (!database.ready_to_write()) {
    return fail(nss_error("cannot prepare the browser's trust store", folder));
  }
  if (PK11_NeedLogin(database.slot()) != PR_FALSE &&
      PK11_IsLoggedIn(database.slot(), nullptr) == PR_FALSE) {
    return fail(Error{Error::Code::kLocked,
                      "the browser's trust store has a password: " + folder.string(),
                      "Remove the password: certutil -W -d sql:" + folder.string()});
  }
  Certificate certificate = database.find(der);
  if (!certificate) {
    const Certificate fresh = decode(der);
    if (!fresh) {
      return fail(Error{Error::Code::kMisuse, "not a certificate", {}});
    }
    if (PK11_ImportCert(database.slot(), fresh.get(), CK_INVALID_HANDLE, nickname.c_str(),
                        PR_FALSE) != SECSuccess) {
      return fail(nss_error("cannot add to the browser's trust store", folder));
    }
    certificate = database.find(der);
  }
  CERTCertTrust trust{};
  trust.sslFlags = kWebTrust;
  if (!certificate ||
      CERT_ChangeCertTrust(CERT_GetDefaultCertDB(), certificate.get(), &trust) != SECSuccess) {
    return fail(nss_error("cannot mark as trusted in the browser's trust store", folder));
  }
  return {};
}

Result<RootState, Error> read_state(const fs::path& folder, ByteSpan der) {
  if (!has_database(folder)) {
    return RootState::kNoDatabase;
  }
  const Database database(folder, false);
  if (!database.open()) {
    return fail(nss_error("cannot read the browser's trust store", folder));
  }
  return state_of(database, der);
}

std::optional<Error> refuse(const fs::path& folder, ByteSpan der) {
  if (!folder.is_absolute() || der.empty() || der.size() > kMaxCertificate) {
    return Error{Error::Code::kMisuse, "an absolute folder and a certificate are needed", {}};
  }
  return std::nullopt;
}

}  // namespace

Result<void, Error> install_root(const fs::path& folder, ByteSpan certificate,
                                 const std::string& nickname) {
  if (auto error = refuse(folder, certificate)) {
    return fail(*error);
  }
  // A browser's own folder is left as it is, whatever its mode.
  if (std::error_code ignored; !fs::is_directory(folder, ignored)) {
    if (auto made = make_private_folder(folder); !made) {
      return made;
    }
  }
  const std::scoped_lock lock(nss_lock());
  if (auto done = put(folder, certificate, nickname); !done) {
    return done;
  }
  const auto state = read_state(folder, certificate);
  if (!state) {
    return fail(state.error());
  }
  if (*state != RootState::kTrusted) {
    return fail(Error{Error::Code::kSystem, "the trust store did not keep it: " + folder.string(),
                      "Close the browser, then try again."});
  }
  return {};
}

Result<void, Error> remove_root(const fs::path& folder, ByteSpan certificate) {
  if (auto error = refuse(folder, certificate)) {
    return fail(*error);
  }
  const std::scoped_lock lock(nss_lock());
  if (!has_database(folder)) {
    return {};
  }
  {
    const Database database(folder, true);
    if (!database.open()) {
      return fail(nss_error("cannot open the browser's trust store", folder));
    }
    if (const Certificate found = database.find(certificate);
        found && SEC_DeletePermCertificate(found.get()) != SECSuccess) {
      return fail(nss_error("cannot remove from the browser's trust store", folder));
    }
  }
  const auto state = read_state(folder, certificate);
  if (!state) {
    return fail(state.error());
  }
  if (*state != RootState::kAbsent) {
    return fail(Error{Error::Code::kSystem,
                      "the trust store did not let go of it: " + folder.string(),
                      "Close the browser, then try again."});
  }
  return {};
}

Result<RootState, Error> query_root(const fs::path& folder, ByteSpan certificate) {
  if (auto error = refuse(folder, certificate)) {
    return fail(*error);
  }
  const std::scoped_lock lock(nss_lock());
  return read_state(folder, certificate);
}

Result<std::vector<Bytes>, Error> roots_named(const fs::path& folder, const std::string& nickname) {
  std::vector<Bytes> found;
  const std::scoped_lock lock(nss_lock());
  if (!has_database(folder)) {
    return found;
  }
  const Database database(folder, false);
  if (!database.open()) {
    return fail(nss_error("cannot read the browser's trust store", folder));
  }
  const std::unique_ptr<CERTCertList, decltype(&CERT_DestroyCertList)> list(
      PK11_ListCertsInSlot(database.slot()), CERT_DestroyCertList);
  if (!list) {
    return found;
  }
  for (CERTCertListNode* node = CERT_LIST_HEAD(list.get()); !CERT_LIST_END(node, list.get());
       node = CERT_LIST_NEXT(node)) {
    // Listed certificates carry their token's name as well.
    const std::string_view name = node->cert->nickname != nullptr ? node->cert->nickname : "";
    if (name == nickname || name == "Latchkey:" + nickname) {
      const SECItem& der = node->cert->derCert;
      found.emplace_back(der.data, der.data + der.len);
    }
  }
  return found;
}

std::vector<fs::path> chromium_databases(const Environment& environment) {
  const fs::path& home = environment.home;
  std::vector<fs::path> folders{home / ".pki" / "nssdb"};
  const std::array<fs::path, 6> confined{
      home / "snap/chromium/current",
      home / "snap/brave/current",
      home / ".var/app/org.chromium.Chromium",
      home / ".var/app/com.google.Chrome",
      home / ".var/app/com.brave.Browser",
      home / ".var/app/io.github.ungoogled_software.ungoogled_chromium",
  };
  for (const fs::path& own_home : confined) {
    std::error_code ignored;
    if (fs::is_directory(own_home, ignored)) {
      folders.push_back(own_home / ".pki" / "nssdb");
    }
  }
  return folders;
}

}  // namespace latchkey::platform
