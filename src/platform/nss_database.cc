#include "platform/nss_database.h"

#include <prerror.h>
#include <secerr.h>
#include <secmod.h>

namespace fs = std::filesystem;

namespace latchkey::platform::nss {
namespace {

std::string nss_text(PRErrorCode code) {
  const char* text = PR_ErrorToString(code, PR_LANGUAGE_I_DEFAULT);
  return text != nullptr && text[0] != '\0' ? text : "error " + std::to_string(code);
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

}  // namespace

std::mutex& lock() {
  static std::mutex lock;
  return lock;
}

Error last_error(const std::string& what, const fs::path& folder) {
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

Database::Database(const fs::path& folder, bool writable)
    : context_(NSS_InitContext("", "", "", "", nullptr,
                               NSS_INIT_NOCERTDB | NSS_INIT_NOMODDB | NSS_INIT_NOROOTINIT |
                                   NSS_INIT_OPTIMIZESPACE),
               NSS_ShutdownContext) {
  if (!context_) {
    return;
  }
  const std::string spec = "configDir='sql:" + quoted(folder.string()) + "' tokenDescription='" +
                           kTokenName +
                           "' flags=" + (writable ? "optimizeSpace" : "readOnly,optimizeSpace");
  slot_ = SECMOD_OpenUserDB(spec.c_str());
}

Database::~Database() {
  if (slot_ != nullptr) {
    SECMOD_CloseUserDB(slot_);
    PK11_FreeSlot(slot_);
  }
}

bool Database::ready_to_write() const {
  return PK11_NeedUserInit(slot_) == PR_FALSE ||
         PK11_InitPin(slot_, nullptr, nullptr) == SECSuccess;
}

bool Database::has_password() const {
  return PK11_NeedLogin(slot_) != PR_FALSE && PK11_IsLoggedIn(slot_, nullptr) == PR_FALSE;
}

Certificate Database::find(ByteSpan der) const {
  SECItem item = item_of(der);
  return {PK11_FindCertFromDERCertItem(slot_, &item, nullptr), CERT_DestroyCertificate};
}

Certificate decode(ByteSpan der) {
  SECItem item = item_of(der);
  return {CERT_NewTempCertificate(CERT_GetDefaultCertDB(), &item, nullptr, PR_FALSE, PR_TRUE),
          CERT_DestroyCertificate};
}

bool is_trusted(CERTCertificate* certificate) {
  CERTCertTrust trust{};
  return CERT_GetCertTrust(certificate, &trust) == SECSuccess &&
         (trust.sslFlags & CERTDB_TRUSTED_CA) != 0;
}

Put put_trusted(const Database& database, ByteSpan der, const std::string& nickname) {
  Certificate certificate = database.find(der);
  if (!certificate) {
    const Certificate fresh = decode(der);
    if (!fresh) {
      return Put::kNoCertificate;
    }
    if (PK11_ImportCert(database.slot(), fresh.get(), CK_INVALID_HANDLE, nickname.c_str(),
                        PR_FALSE) != SECSuccess) {
      return Put::kNotAdded;
    }
    certificate = database.find(der);
  }
  CERTCertTrust trust{};
  trust.sslFlags = kWebTrust;
  const bool trusted = certificate && CERT_ChangeCertTrust(CERT_GetDefaultCertDB(),
                                                           certificate.get(), &trust) == SECSuccess;
  return trusted ? Put::kDone : Put::kNotTrusted;
}

bool has_database(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "cert9.db", ignored);
}

}  // namespace latchkey::platform::nss
